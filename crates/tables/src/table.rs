//! The weight table.

use alloc::string::String;
use alloc::vec::Vec;

use matchmark_quant::TableBounds;
use serde::{Deserialize, Serialize};

use crate::fixed::{Exponential, FRACTION_BITS};
use crate::{Rational, TableError};

/// What a table stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TableKind {
    /// `T[g] = round(2^log_scale * exp(-g * delta))`.
    Exponential {
        /// What one index is worth in the exponent, above zero.
        delta: Rational,
        /// Logarithm of the first entry, at most 23.
        log_scale: u8,
    },
    /// The nine entries of the essay that this project starts from: `256 / sqrt(2)^g`, rounded.
    Essay9,
    /// Any entries.
    Custom {
        /// One line of plain text, part of the table's identity.
        description: String,
    },
}

/// A table from the clipped index of a score gap (`0 .. len`) to an integer weight.
///
/// The first entry is positive, so that no denominator is zero; every entry is below `2^24`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawTable", into = "RawTable")]
pub struct WeightTable {
    kind: TableKind,
    entries: Vec<u32>,
}

/// What is written of a table; reading goes through [`WeightTable::from_parts`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    kind: TableKind,
    entries: Vec<u32>,
}

const ESSAY9: [u32; 9] = [256, 181, 128, 91, 64, 45, 32, 23, 16];

impl WeightTable {
    /// Smallest number of entries.
    pub const MIN_LEN: usize = 2;
    /// Largest number of entries.
    pub const MAX_LEN: usize = 16_384;
    /// Largest entry.
    pub const MAX_ENTRY: u32 = (1 << 24) - 1;
    /// Largest logarithm of an exponential table's first entry.
    pub const MAX_LOG_SCALE: u8 = 23;
    /// Largest length of a description in bytes.
    pub const MAX_DESCRIPTION: usize = 200;

    /// Length of the default table.
    pub const DEFAULT_LEN: usize = 256;
    /// Logarithm of the default table's first entry.
    pub const DEFAULT_LOG_SCALE: u8 = 12;

    /// `T[g] = round(2^log_scale * exp(-g * delta))` for `g` in `0 .. len`, each entry certified
    /// to be the nearest integer.
    ///
    /// # Errors
    /// [`TableError::ZeroDelta`], [`TableError::LogScaleOutOfRange`],
    /// [`TableError::LengthOutOfRange`], and [`TableError::RoundingUndecided`] for an entry within
    /// `2^-80` of the middle of two integers (no such delta is known).
    pub fn exponential(delta: Rational, log_scale: u8, len: usize) -> Result<Self, TableError> {
        if delta.numerator() == 0 {
            return Err(TableError::ZeroDelta);
        }
        if log_scale > Self::MAX_LOG_SCALE {
            return Err(TableError::LogScaleOutOfRange {
                maximum: Self::MAX_LOG_SCALE,
                got: log_scale,
            });
        }
        Self::check_len(len)?;
        let (table, undecided) = Self::round_exponential(delta, log_scale, len);
        match undecided {
            Some(index) => Err(TableError::RoundingUndecided { index }),
            None => Ok(table),
        }
    }

    /// The 256 entries `round(2^12 * exp(-g * delta))`.
    ///
    /// # Errors
    /// As [`WeightTable::exponential`].
    pub fn exp256(delta: Rational) -> Result<Self, TableError> {
        Self::exponential(delta, Self::DEFAULT_LOG_SCALE, Self::DEFAULT_LEN)
    }

    /// The default table: [`exp256`](Self::exp256) with delta 1/16.
    #[must_use]
    pub fn exp256_default() -> Self {
        // That no entry is undecided is a fact about constants, held by a test.
        Self::round_exponential(
            Rational::ONE_SIXTEENTH,
            Self::DEFAULT_LOG_SCALE,
            Self::DEFAULT_LEN,
        )
        .0
    }

    /// The nine entries of the essay that this project starts from.
    #[must_use]
    pub fn essay9() -> Self {
        Self {
            kind: TableKind::Essay9,
            entries: ESSAY9.to_vec(),
        }
    }

    /// A table of any entries.
    ///
    /// # Errors
    /// [`TableError::LengthOutOfRange`], [`TableError::FirstEntryZero`],
    /// [`TableError::EntryTooLarge`]; [`TableError::DescriptionTooLong`] and
    /// [`TableError::DescriptionNotPlain`] for a description that is not one line of plain text.
    pub fn custom(entries: Vec<u32>, description: impl Into<String>) -> Result<Self, TableError> {
        Self::from_parts(
            TableKind::Custom {
                description: description.into(),
            },
            entries,
        )
    }

    /// Puts kind and entries together, and checks that they agree.
    ///
    /// # Errors
    /// As [`WeightTable::custom`] and [`WeightTable::exponential`], and
    /// [`TableError::EntryContradictsKind`] or [`TableError::LengthContradictsKind`] if the kind
    /// determines other entries.
    pub fn from_parts(kind: TableKind, entries: Vec<u32>) -> Result<Self, TableError> {
        Self::check_len(entries.len())?;
        if entries[0] == 0 {
            return Err(TableError::FirstEntryZero);
        }
        for (index, &got) in entries.iter().enumerate() {
            if got > Self::MAX_ENTRY {
                return Err(TableError::EntryTooLarge {
                    index,
                    maximum: Self::MAX_ENTRY,
                    got,
                });
            }
        }
        let expected = match &kind {
            TableKind::Exponential { delta, log_scale } => {
                Some(Self::exponential(*delta, *log_scale, entries.len())?)
            }
            TableKind::Essay9 => Some(Self::essay9()),
            TableKind::Custom { description } => {
                check_description(description)?;
                None
            }
        };
        if let Some(expected) = expected {
            if expected.len() != entries.len() {
                return Err(TableError::LengthContradictsKind {
                    expected: expected.len(),
                    got: entries.len(),
                });
            }
            for (index, (&expected, &got)) in expected.entries.iter().zip(&entries).enumerate() {
                if expected != got {
                    return Err(TableError::EntryContradictsKind {
                        index,
                        expected,
                        got,
                    });
                }
            }
        }
        Ok(Self { kind, entries })
    }

    /// The entries, by index.
    #[must_use]
    pub fn entries(&self) -> &[u32] {
        &self.entries
    }

    /// The number of entries, 2 to 16384; the input domain is `0 .. len`.
    #[must_use]
    #[allow(
        clippy::len_without_is_empty,
        reason = "a table has at least two entries"
    )]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at an index, if the index is in the domain.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<u32> {
        self.entries.get(index).copied()
    }

    /// The largest entry.
    #[must_use]
    pub fn max_weight(&self) -> u32 {
        self.entries.iter().copied().max().unwrap_or(0)
    }

    /// What the table stands for.
    #[must_use]
    pub fn kind(&self) -> &TableKind {
        &self.kind
    }

    /// What the bounds of intermediate values need to know.
    #[must_use]
    pub fn bounds(&self) -> TableBounds {
        TableBounds {
            // At most 16384.
            len: u32::try_from(self.entries.len()).unwrap_or(u32::MAX),
            max_weight: self.max_weight(),
        }
    }

    fn check_len(got: usize) -> Result<(), TableError> {
        if (Self::MIN_LEN..=Self::MAX_LEN).contains(&got) {
            Ok(())
        } else {
            Err(TableError::LengthOutOfRange {
                minimum: Self::MIN_LEN,
                maximum: Self::MAX_LEN,
                got,
            })
        }
    }

    /// The table, and the first index whose rounding the enclosure does not decide.
    fn round_exponential(delta: Rational, log_scale: u8, len: usize) -> (Self, Option<usize>) {
        let exponential = Exponential::new(delta);
        let shift = FRACTION_BITS - u32::from(log_scale);
        // A number of at most 2^23 after the shift.
        let nearest =
            |x: u128| u32::try_from((x + (1 << (shift - 1))) >> shift).unwrap_or(u32::MAX);
        let mut undecided = None;
        let entries = (0u32..)
            .take(len)
            .enumerate()
            .map(|(index, g)| {
                let enclosure = exponential.at(g);
                let entry = nearest(enclosure.low);
                if entry != nearest(enclosure.high) && undecided.is_none() {
                    undecided = Some(index);
                }
                entry
            })
            .collect();
        (
            Self {
                kind: TableKind::Exponential { delta, log_scale },
                entries,
            },
            undecided,
        )
    }
}

fn check_description(description: &str) -> Result<(), TableError> {
    if description.len() > WeightTable::MAX_DESCRIPTION {
        return Err(TableError::DescriptionTooLong {
            maximum: WeightTable::MAX_DESCRIPTION,
            got: description.len(),
        });
    }
    if description.chars().any(char::is_control) || description.trim() != description {
        return Err(TableError::DescriptionNotPlain);
    }
    Ok(())
}

impl TryFrom<RawTable> for WeightTable {
    type Error = TableError;

    fn try_from(raw: RawTable) -> Result<Self, TableError> {
        Self::from_parts(raw.kind, raw.entries)
    }
}

impl From<WeightTable> for RawTable {
    fn from(table: WeightTable) -> Self {
        Self {
            kind: table.kind,
            entries: table.entries,
        }
    }
}

impl core::fmt::Display for TableKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Exponential { delta, log_scale } => {
                write!(f, "exponential, delta {delta}, scale 2^{log_scale}")
            }
            Self::Essay9 => f.write_str("essay9"),
            Self::Custom { description } => write!(f, "custom, {description}"),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn default_table_is_decided() {
        let table = WeightTable::exp256_default();
        assert_eq!(
            table,
            WeightTable::exp256(Rational::new(2, 32).unwrap()).unwrap()
        );
        assert_eq!(
            table.bounds(),
            TableBounds {
                len: 256,
                max_weight: 4096
            }
        );
        assert_eq!(
            (table.get(0), table.get(255), table.get(256)),
            (Some(4096), Some(0), None)
        );
    }

    #[test]
    fn essay_entries() {
        let table = WeightTable::essay9();
        for (g, &entry) in table.entries().iter().enumerate() {
            assert_eq!(entry, (256.0 * 0.5f64.powf(g as f64 / 2.0)).round() as u32);
        }
        assert_eq!(
            table.bounds(),
            TableBounds {
                len: 9,
                max_weight: 256
            }
        );
    }

    #[test]
    fn refused_tables() {
        let custom = |entries: Vec<u32>| WeightTable::custom(entries, "x");
        assert_eq!(custom(vec![0, 1]), Err(TableError::FirstEntryZero));
        assert!(matches!(
            custom(vec![]),
            Err(TableError::LengthOutOfRange { got: 0, .. })
        ));
        assert!(matches!(
            custom(vec![1]),
            Err(TableError::LengthOutOfRange { got: 1, .. })
        ));
        assert!(custom(vec![1; 16_384]).is_ok());
        assert!(matches!(
            custom(vec![1; 16_385]),
            Err(TableError::LengthOutOfRange { .. })
        ));
        assert!(custom(vec![1, (1 << 24) - 1]).is_ok());
        assert!(matches!(
            custom(vec![1, 1 << 24]),
            Err(TableError::EntryTooLarge {
                index: 1,
                got: 16_777_216,
                ..
            })
        ));
        assert!(matches!(
            WeightTable::custom(vec![1, 1], "two\nlines"),
            Err(TableError::DescriptionNotPlain)
        ));
        assert!(WeightTable::custom(vec![1, 1], "x".repeat(200)).is_ok());
        assert!(matches!(
            WeightTable::custom(vec![1, 1], "x".repeat(201)),
            Err(TableError::DescriptionTooLong { got: 201, .. })
        ));
        let zero = Rational::new(0, 1).unwrap();
        assert_eq!(WeightTable::exp256(zero), Err(TableError::ZeroDelta));
        let one = Rational::new(1, 1).unwrap();
        assert!(matches!(
            WeightTable::exponential(one, 24, 2),
            Err(TableError::LogScaleOutOfRange { got: 24, .. })
        ));
    }

    #[test]
    fn false_claims_about_the_kind() {
        let table = WeightTable::exp256_default();
        let mut entries = table.entries().to_vec();
        entries[7] -= 1;
        assert!(matches!(
            WeightTable::from_parts(table.kind().clone(), entries),
            Err(TableError::EntryContradictsKind { index: 7, .. })
        ));
        assert!(matches!(
            WeightTable::from_parts(TableKind::Essay9, ESSAY9[..8].to_vec()),
            Err(TableError::LengthContradictsKind {
                expected: 9,
                got: 8
            })
        ));
    }

    #[test]
    fn serde_goes_through_the_check() {
        let table = WeightTable::essay9();
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<WeightTable>(&json).unwrap(), table);
        assert!(serde_json::from_str::<WeightTable>(&json.replace("256", "255")).is_err());
    }

    proptest! {
        #[test]
        fn near_the_float_exponential(n in 1u64..1 << 50, d in 1u64..1 << 53, s in 0u8..=23) {
            let delta = Rational::new(n, d).unwrap();
            let table = WeightTable::exponential(delta, s, 256).unwrap();
            let scale = f64::from(1u32 << s);
            for (g, &entry) in table.entries().iter().enumerate() {
                let real = scale * (-(g as f64) * delta.to_f64()).exp();
                prop_assert!((f64::from(entry) - real).abs() <= 0.5 + 1e-6, "{g} {entry} {real}");
            }
            prop_assert!(table.entries().windows(2).all(|pair| pair[0] >= pair[1]));
        }
    }
}
