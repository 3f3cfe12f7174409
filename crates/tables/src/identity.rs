//! A table's identity is its content.

use matchmark_quant::{digest_newtype, TaggedSha256};

use crate::{TableKind, WeightTable};

digest_newtype! {
    /// Identity of a table: SHA-256 over its kind (or the tag of its kind), domain and entries.
    pub struct TableId;
}

const TAG: &str = "matchmark/table/v1";

impl WeightTable {
    /// The identity: SHA-256 under a tag of the canonical encoding, all numbers little-endian.
    ///
    /// Kind: one byte, 0 for an exponential (then numerator and denominator of delta, eight bytes
    /// each, and one byte of log scale), 1 for the nine-entry table, 2 for a custom one (then the
    /// length of the description in eight bytes, and its UTF-8). Domain: first index (0) and
    /// length, eight bytes each. Entries: four bytes each.
    #[must_use]
    pub fn id(&self) -> TableId {
        let mut hasher = TaggedSha256::new(TAG);
        match self.kind() {
            TableKind::Exponential { delta, log_scale } => {
                hasher.update(&[0]);
                hasher.update_u64(delta.numerator());
                hasher.update_u64(delta.denominator());
                hasher.update(&[*log_scale]);
            }
            TableKind::Essay9 => hasher.update(&[1]),
            TableKind::Custom { description } => {
                hasher.update(&[2]);
                hasher.update_u64(description.len() as u64);
                hasher.update(description.as_bytes());
            }
        }
        hasher.update_u64(0);
        hasher.update_u64(self.len() as u64);
        for entry in self.entries() {
            hasher.update(&entry.to_le_bytes());
        }
        TableId::from_bytes(hasher.finish())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use crate::Rational;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn custom(entries: &[u32]) -> WeightTable {
        WeightTable::custom(entries.to_vec(), "t").unwrap()
    }

    #[test]
    fn every_entry_counts() {
        let entries = WeightTable::exp256_default().entries().to_vec();
        let mut ids = BTreeSet::from([custom(&entries).id()]);
        for index in 0..entries.len() {
            let mut changed = entries.clone();
            changed[index] += 1;
            assert!(ids.insert(custom(&changed).id()));
        }
        // Order: neighbours that differ, swapped.
        for index in 1..entries.len() {
            let mut changed = entries.clone();
            changed.swap(index - 1, index);
            assert_eq!(
                ids.insert(custom(&changed).id()),
                entries[index - 1] != entries[index]
            );
        }
        // Domain: one entry fewer, one more, even if it is zero.
        assert!(ids.insert(custom(&entries[..255]).id()));
        let longer: Vec<u32> = entries.iter().copied().chain([0]).collect();
        assert!(ids.insert(custom(&longer).id()));
    }

    #[test]
    fn the_kind_counts() {
        let default = WeightTable::exp256_default();
        let same_entries =
            |words: &str| WeightTable::custom(default.entries().to_vec(), words).unwrap();
        // Two deltas far beyond the last nonzero entry, with the same entries.
        let steep = |n| WeightTable::exp256(Rational::new(n, 1).unwrap()).unwrap();
        assert_eq!(steep(100).entries(), steep(101).entries());
        let essay = WeightTable::essay9();
        let ids = BTreeSet::from([
            default.id(),
            same_entries("a").id(),
            same_entries("b").id(),
            steep(100).id(),
            steep(101).id(),
            essay.id(),
            WeightTable::custom(essay.entries().to_vec(), "")
                .unwrap()
                .id(),
        ]);
        assert_eq!(ids.len(), 7);
    }

    proptest! {
        #[test]
        fn equal_id_is_equal_content(a in prop::collection::vec(1u32..4, 2..5), b in prop::collection::vec(1u32..4, 2..5)) {
            prop_assert_eq!(custom(&a).id() == custom(&b).id(), a == b);
        }
    }
}
