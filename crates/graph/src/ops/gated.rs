//! Gated products of a layer.

use alloc::vec::Vec;

use matchmark_quant::QuantError;
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::numbers::{shift, Numbers};

/// Rescales accumulators of the up projection and of the gate, looks the activation of the gate up, multiplies
/// and rescales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gated {
    /// Number of channels.
    pub channels: usize,
}

impl Gated {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, 2 * self.channels)]
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Gated, self.channels)]
    }

    /// A row for each channel.
    pub(crate) const fn rows(&self) -> usize {
        self.channels
    }
}

/// Shifts of gates and of what they multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatedArithmetic {
    /// Accumulators of the gate are divided by two to this power: 1 to 14.
    pub gate: u8,
    /// Those of the up projection: 1 to 14.
    pub up: u8,
    /// Products of activated gate and up projection: 1 to 14.
    pub product: u8,
}

impl GatedArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        shift("shift of the gate", self.gate)?;
        shift("shift of the up projection", self.up)?;
        shift("shift of the gated product", self.product)
    }

    pub(super) fn append_numbers(&self, numbers: &mut Vec<u32>) {
        let Self { gate, up, product } = *self;
        numbers.extend([gate, up, product].map(u32::from));
    }

    pub(super) fn read(_: &Gated, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        Ok(Self {
            gate: numbers.byte("shift of the gate")?,
            up: numbers.byte("shift of the up projection")?,
            product: numbers.byte("shift of the gated product")?,
        })
    }

    pub(super) const fn count(_: &Gated) -> usize {
        3
    }

    #[allow(clippy::unused_self)]
    pub(super) const fn is_of(&self, _: &Gated) -> bool {
        true
    }
}
