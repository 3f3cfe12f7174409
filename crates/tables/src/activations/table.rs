//! The table of the gate's activation.

use alloc::vec::Vec;

use matchmark_quant::{Scale, TaggedSha256, ValueBits};

use crate::{TableError, TableId};

/// Named after the first of the functions; the identity of its tables stays what it is.
const TAG: &str = "matchmark/silu-table/v1";

/// The activation of the gated MLP as content: for every value `g` in `[-M, M]` an integer that stands
/// for `f(g)`, where `f` is the activation of the model, such as SiLU.
///
/// What one unit of the input and one of the entries stand for is recorded and part of the identity.
/// Which function the entries are those of is for whoever made the table to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActivationTable {
    bits: ValueBits,
    input_scale: Scale,
    output_scale: Scale,
    entries: Vec<i32>,
}

impl ActivationTable {
    /// Entries are at most this many times the largest value `M` in magnitude.
    pub const ENTRY_FACTOR: i32 = 8;

    /// Takes the entries of `-M, ..., M`, in this order.
    ///
    /// # Errors
    /// [`TableError::LengthContradictsDomain`] if there are not `2 M + 1` entries, and
    /// [`TableError::SignedEntryTooLarge`] for an entry above `8 M` in magnitude.
    pub fn new(
        bits: ValueBits,
        input_scale: Scale,
        output_scale: Scale,
        entries: Vec<i32>,
    ) -> Result<Self, TableError> {
        let expected = Self::len_for(bits);
        if entries.len() != expected {
            return Err(TableError::LengthContradictsDomain {
                expected,
                got: entries.len(),
            });
        }
        let maximum = Self::ENTRY_FACTOR * bits.max_value();
        check_magnitudes(&entries, maximum)?;
        Ok(Self {
            bits,
            input_scale,
            output_scale,
            entries,
        })
    }

    /// `2 M + 1`, the number of entries at a value width.
    #[must_use]
    pub fn len_for(bits: ValueBits) -> usize {
        usize::try_from(2 * bits.max_value() + 1).unwrap_or_default()
    }

    /// Width of the input: the domain is `[-M, M]`.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.bits
    }

    /// What one unit of the input stands for.
    #[must_use]
    pub const fn input_scale(&self) -> Scale {
        self.input_scale
    }

    /// What one unit of an entry stands for.
    #[must_use]
    pub const fn output_scale(&self) -> Scale {
        self.output_scale
    }

    /// The entries of `-M, ..., M`.
    #[must_use]
    pub fn entries(&self) -> &[i32] {
        &self.entries
    }

    /// The entry of `g`, if `g` is in the domain.
    #[must_use]
    pub fn get(&self, g: i32) -> Option<i32> {
        let index = g.checked_add(self.bits.max_value())?;
        self.entries.get(usize::try_from(index).ok()?).copied()
    }

    /// The identity: SHA-256 under a tag of its own of the value width (one byte), the bits of both
    /// scales (eight bytes each), the number of entries (eight bytes) and the entries (four bytes
    /// each, two's complement), little-endian.
    #[must_use]
    pub fn id(&self) -> TableId {
        let mut hasher = TaggedSha256::new(TAG);
        hasher.update(&[self.bits.get()]);
        hasher.update_u64(self.input_scale.to_bits());
        hasher.update_u64(self.output_scale.to_bits());
        hasher.update_u64(self.entries.len() as u64);
        for entry in &self.entries {
            hasher.update(&entry.to_le_bytes());
        }
        TableId::from_bytes(hasher.finish())
    }
}

pub(crate) fn check_magnitudes(entries: &[i32], maximum: i32) -> Result<(), TableError> {
    for (index, &got) in entries.iter().enumerate() {
        if !(-maximum..=maximum).contains(&got) {
            return Err(TableError::SignedEntryTooLarge {
                index,
                maximum,
                got,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;
    use std::collections::BTreeSet;

    fn scale(x: f64) -> Scale {
        Scale::new(x).unwrap()
    }

    fn bits() -> ValueBits {
        ValueBits::new(4).unwrap()
    }

    fn ramp() -> Vec<i32> {
        (-7..=7).map(|g| 2 * g).collect()
    }

    #[test]
    fn the_domain_is_symmetric() {
        let table = ActivationTable::new(bits(), scale(0.5), scale(0.25), ramp()).unwrap();
        assert_eq!(table.value_bits(), bits());
        assert_eq!(table.entries(), ramp());
        for g in -7..=7 {
            assert_eq!(table.get(g), Some(2 * g));
        }
        for g in [-8, 8, i32::MIN, i32::MAX] {
            assert_eq!(table.get(g), None);
        }
    }

    #[test]
    fn refused() {
        let new = |entries| ActivationTable::new(bits(), scale(1.0), scale(1.0), entries);
        assert_eq!(
            new(vec![0; 14]),
            Err(TableError::LengthContradictsDomain {
                expected: 15,
                got: 14
            })
        );
        for got in [57, -57, i32::MIN] {
            let mut entries = ramp();
            entries[3] = got;
            assert_eq!(
                new(entries),
                Err(TableError::SignedEntryTooLarge {
                    index: 3,
                    maximum: 56,
                    got
                })
            );
        }
        let mut entries = ramp();
        entries[3] = -56;
        assert!(new(entries).is_ok());
    }

    #[test]
    fn everything_counts() {
        let id = |s: f64, t: f64, entries| {
            ActivationTable::new(bits(), scale(s), scale(t), entries)
                .unwrap()
                .id()
        };
        let mut ids = BTreeSet::from([id(1.0, 1.0, ramp()), id(2.0, 1.0, ramp())]);
        assert!(ids.insert(id(1.0, 2.0, ramp())));
        for index in 0..15 {
            let mut entries = ramp();
            entries[index] += 1;
            assert!(ids.insert(id(1.0, 1.0, entries)));
        }
    }
}
