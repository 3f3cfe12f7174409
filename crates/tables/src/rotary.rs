//! The table of rotary embedding.

use alloc::vec::Vec;

use matchmark_quant::{AttentionShape, CacheCapacity, TaggedSha256, ROTARY_SCALE_LOG};

use crate::activations::check_magnitudes;
use crate::{TableError, TableId};

const TAG: &str = "matchmark/rotary-table/v1";

/// Rotary embedding as content: for every position and every pair of channels `(j, j + d/2)` a cosine
/// and a sine, scaled by `2^12`.
///
/// Whether the entries are those of the angles of a model is for whoever made the table to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RotaryTable {
    positions: usize,
    pairs: usize,
    /// Cosine and sine of each pair, one position after another.
    entries: Vec<i32>,
}

impl RotaryTable {
    /// Largest magnitude of an entry: `2^12` stands for 1.
    pub const MAX_ENTRY: i32 = 1 << ROTARY_SCALE_LOG;

    /// Takes cosine and sine of each pair, pairs in order within each position, positions in order:
    /// `[positions, d/2, 2]`.
    ///
    /// # Errors
    /// [`TableError::OddHeadDim`], [`TableError::LengthContradictsDomain`], and
    /// [`TableError::SignedEntryTooLarge`] for an entry above `2^12` in magnitude.
    pub fn new(
        shape: &AttentionShape,
        positions: CacheCapacity,
        entries: Vec<i32>,
    ) -> Result<Self, TableError> {
        let d = shape.head_dim();
        if !d.is_multiple_of(2) {
            return Err(TableError::OddHeadDim { got: d });
        }
        let positions = positions.get() as usize;
        // At most 2^20 times 2^10.
        let expected = positions * d;
        if entries.len() != expected {
            return Err(TableError::LengthContradictsDomain {
                expected,
                got: entries.len(),
            });
        }
        check_magnitudes(&entries, Self::MAX_ENTRY)?;
        Ok(Self {
            positions,
            pairs: d / 2,
            entries,
        })
    }

    /// Number of positions.
    #[must_use]
    pub const fn positions(&self) -> usize {
        self.positions
    }

    /// `d/2`, the number of pairs of channels.
    #[must_use]
    pub const fn pairs(&self) -> usize {
        self.pairs
    }

    /// Cosine and sine of one pair at one position, if both are in the domain.
    #[must_use]
    pub fn get(&self, position: usize, pair: usize) -> Option<(i32, i32)> {
        if position >= self.positions || pair >= self.pairs {
            return None;
        }
        let at = 2 * (position * self.pairs + pair);
        Some((self.entries[at], self.entries[at + 1]))
    }

    /// All entries, `[positions, d/2, 2]`: cosine, then sine.
    #[must_use]
    pub fn entries(&self) -> &[i32] {
        &self.entries
    }

    /// The identity: SHA-256 under a tag of its own of the numbers of positions and of pairs (eight
    /// bytes each) and the entries (four bytes each, two's complement), little-endian.
    #[must_use]
    pub fn id(&self) -> TableId {
        let mut hasher = TaggedSha256::new(TAG);
        hasher.update_u64(self.positions as u64);
        hasher.update_u64(self.pairs as u64);
        for entry in &self.entries {
            hasher.update(&entry.to_le_bytes());
        }
        TableId::from_bytes(hasher.finish())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;
    use matchmark_quant::{HeadDim, KvHeads, QueryHeads};

    fn table(d: u32, positions: u32, entries: Vec<i32>) -> Result<RotaryTable, TableError> {
        let shape = AttentionShape::new(
            QueryHeads::new(2).unwrap(),
            KvHeads::new(1).unwrap(),
            HeadDim::new(d).unwrap(),
        )
        .unwrap();
        RotaryTable::new(&shape, CacheCapacity::new(positions).unwrap(), entries)
    }

    #[test]
    fn where_entries_stand() {
        let table = table(4, 3, (0..12).collect()).unwrap();
        assert_eq!((table.positions(), table.pairs()), (3, 2));
        assert!(table.entries().iter().copied().eq(0..12));
        assert_eq!(table.get(0, 0), Some((0, 1)));
        assert_eq!(table.get(1, 1), Some((6, 7)));
        assert_eq!(table.get(2, 1), Some((10, 11)));
        assert_eq!((table.get(3, 0), table.get(0, 2)), (None, None));
    }

    #[test]
    fn refused() {
        assert_eq!(
            table(3, 1, vec![0; 3]),
            Err(TableError::OddHeadDim { got: 3 })
        );
        assert_eq!(
            table(4, 2, vec![0; 7]),
            Err(TableError::LengthContradictsDomain {
                expected: 8,
                got: 7
            })
        );
        for (got, good) in [(4096, true), (-4096, true), (4097, false), (-4097, false)] {
            assert_eq!(table(2, 1, vec![0, got]).is_ok(), good);
        }
    }

    #[test]
    fn everything_counts() {
        let entries: Vec<i32> = (0..8).collect();
        let id = |d, positions, entries| table(d, positions, entries).unwrap().id();
        let first = id(4, 2, entries.clone());
        assert_ne!(first, id(2, 4, entries.clone()));
        for index in 0..8 {
            let mut changed = entries.clone();
            changed[index] += 1;
            assert_ne!(first, id(4, 2, changed));
        }
    }
}
