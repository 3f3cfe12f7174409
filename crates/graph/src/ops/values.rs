//! Values on their way into the attention of a layer.

use alloc::vec::Vec;

use matchmark_quant::{AttentionShape, QuantError};
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::numbers::{shift, Numbers};

/// Rescales the accumulators of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Values {
    /// Heads and their dimension.
    pub attention: AttentionShape,
}

impl Values {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, self.rows())]
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Entries, self.rows())]
    }

    /// Rows (head, dimension).
    pub(crate) const fn rows(&self) -> usize {
        self.attention.kv_heads() * self.attention.head_dim()
    }
}

/// The shift of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValuesArithmetic {
    /// Accumulators are divided by two to this power: 1 to 14.
    pub shift: u8,
}

impl ValuesArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        shift("shift of values", self.shift)
    }

    pub(super) fn append_numbers(&self, numbers: &mut Vec<u32>) {
        let Self { shift } = *self;
        numbers.push(shift.into());
    }

    pub(super) fn read(_: &Values, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        let shift = numbers.byte("shift of values")?;
        Ok(Self { shift })
    }

    pub(super) const fn count(_: &Values) -> usize {
        1
    }

    #[allow(clippy::unused_self)]
    pub(super) const fn is_of(&self, _: &Values) -> bool {
        true
    }
}
