//! The table of reciprocal square roots.

use alloc::vec::Vec;

use matchmark_quant::{TaggedSha256, RSQRT_LOG_LEN, RSQRT_MAX, RSQRT_SCALE_LOG};

use crate::TableId;

const TAG: &str = "matchmark/rsqrt-table/v1";

/// `R[m] = min(2^15 - 1, floor(2^17 / sqrt(max(m, 1))))` for `m` in `0 .. 2^14`.
///
/// There is one such table; its entries follow from the definition by exact integer arithmetic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RsqrtTable(Vec<u32>);

impl RsqrtTable {
    /// Number of entries.
    pub const LEN: usize = 1 << RSQRT_LOG_LEN;

    /// Computes the table.
    #[must_use]
    pub fn new() -> Self {
        Self((0..Self::LEN).map(reciprocal_root).collect())
    }

    /// The entries, by `m`.
    #[must_use]
    pub fn entries(&self) -> &[u32] {
        &self.0
    }

    /// The entry of `m`, if `m` is in the domain.
    #[must_use]
    pub fn get(&self, m: usize) -> Option<u32> {
        self.0.get(m).copied()
    }

    /// The identity: SHA-256 under a tag of its own of the number of entries (eight bytes) and the
    /// entries (four bytes each), little-endian.
    #[must_use]
    pub fn id(&self) -> TableId {
        let mut hasher = TaggedSha256::new(TAG);
        hasher.update_u64(self.0.len() as u64);
        for entry in &self.0 {
            hasher.update(&entry.to_le_bytes());
        }
        TableId::from_bytes(hasher.finish())
    }
}

/// An entry of the table, by its definition; entries beyond the table are there as well.
#[must_use]
pub fn reciprocal_root(mantissa: usize) -> u32 {
    let square = 1u64 << (2 * RSQRT_SCALE_LOG);
    // floor(sqrt(floor(x))) is floor(sqrt(x)).
    let root = (square / (mantissa.max(1) as u64)).isqrt();
    u32::try_from(root).unwrap_or(u32::MAX).min(RSQRT_MAX)
}

impl Default for RsqrtTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// `R <= 2^17 / sqrt(m) < R + 1` is `R^2 m <= 2^34 < (R + 1)^2 m`, where the limit does not cut.
    #[test]
    fn every_entry_by_inequalities() {
        let table = RsqrtTable::new();
        assert_eq!(table.entries().len(), 16_384);
        for (m, &entry) in table.entries().iter().enumerate() {
            let (m, r) = (m.max(1) as u128, u128::from(entry));
            assert!(r * r * m <= 1 << 34, "{m}");
            assert!((r + 1) * (r + 1) * m > 1 << 34 || entry == RSQRT_MAX, "{m}");
        }
        // The limit cuts below m = 2^4 and touches nothing from 17 on.
        assert_eq!(table.get(0), Some(32_767));
        assert_eq!(table.get(16), Some(32_767));
        assert_eq!(table.get(17), Some(31_789));
        assert_eq!(table.get(4096), Some(2048));
        assert_eq!(table.get(16_383), Some(1024));
        assert_eq!(table.get(16_384), None);
        assert!(table.entries().windows(2).all(|pair| pair[0] >= pair[1]));
    }

    #[test]
    fn pinned() {
        assert_eq!(RsqrtTable::default(), RsqrtTable::new());
        assert_eq!(
            RsqrtTable::new().id().to_string(),
            "a8911c77673dbaf400d42346d57eef67fde71c09312e38b6ff930dae778e45a8"
        );
    }
}
