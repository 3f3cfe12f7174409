//! Rotary embedding of the queries and keys of a layer.

use alloc::vec::Vec;

use matchmark_quant::{AttentionShape, QuantError};
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::numbers::{shift, Numbers};

/// Rescales the accumulators of queries and keys, and rotates dimension `j` of a head with dimension `j + d/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rotary {
    /// Heads and their dimension.
    pub attention: AttentionShape,
}

impl Rotary {
    /// Query heads and key heads.
    #[must_use]
    pub const fn heads(&self) -> usize {
        self.attention.query_heads() + self.attention.kv_heads()
    }

    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, 2 * self.rows())]
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Entries, 2 * self.rows())]
    }

    /// Rows (head, pair of dimensions); key heads follow query heads.
    pub(crate) const fn rows(&self) -> usize {
        self.heads() * (self.attention.head_dim() / 2)
    }
}

/// Shifts before the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotaryArithmetic {
    /// Accumulators of queries are divided by two to this power: 1 to 14.
    pub query: u8,
    /// Those of keys: 1 to 14.
    pub key: u8,
}

impl RotaryArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        shift("shift of queries", self.query)?;
        shift("shift of keys", self.key)
    }

    pub(super) fn append_numbers(&self, numbers: &mut Vec<u32>) {
        let Self { query, key } = *self;
        numbers.extend([query, key].map(u32::from));
    }

    pub(super) fn read(_: &Rotary, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        Ok(Self {
            query: numbers.byte("shift of queries")?,
            key: numbers.byte("shift of keys")?,
        })
    }

    pub(super) const fn count(_: &Rotary) -> usize {
        2
    }

    #[allow(clippy::unused_self)]
    pub(super) const fn is_of(&self, _: &Rotary) -> bool {
        true
    }
}
