//! Attention of a layer to the cache.

use alloc::vec::Vec;

use matchmark_quant::AttentionShape;

use crate::edge::EdgeKind;

/// Attention: queries, keys and values in, outputs of all heads out. Its constants are those of all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attention {
    /// Heads and their dimension.
    pub shape: AttentionShape,
}

impl Attention {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        let (rows, dim) = (self.rows(), self.shape.head_dim());
        let keys = self.shape.kv_heads() * dim;
        alloc::vec![(EdgeKind::Entries, rows + keys), (EdgeKind::Entries, keys)]
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Values, self.rows())]
    }

    /// Rows (query head, dimension).
    pub(crate) const fn rows(&self) -> usize {
        self.shape.query_heads() * self.shape.head_dim()
    }
}
