//! The nodes of a decoder's graph, with the constants of each.

use serde::{Deserialize, Serialize};

use crate::QuantError;

/// Largest shift of every kind but that of normalization.
pub(super) const MAX_SHIFT: u8 = 14;
/// Smallest shift of normalization.
pub(super) const MIN_NORM_SHIFT: u8 = 11;
/// Largest shift of normalization.
pub(super) const MAX_NORM_SHIFT: u8 = 16;
/// Epsilon of normalization stays below this.
pub(super) const NORM_EPSILON_LIMIT: u32 = 1 << 20;
/// Numbers of a layer.
pub(super) const LAYER_NUMBERS: usize = 21;

/// A matrix whose accumulators are rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixArithmetic {
    /// Accumulators are divided by two to this power: 1 to 14.
    pub shift: u8,
    /// The largest sum of magnitudes of a row, `max_o sum_j |W[o][j]|`: what bounds the accumulators.
    pub row_norm: u32,
}

/// A matrix whose accumulators are added to the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidualArithmetic {
    /// The sum of accumulators and stream is divided by two to this power: 1 to 14.
    pub shift: u8,
    /// The stream before is multiplied by two to this power: 0 to 14. The unit of the stream grows by
    /// `2^(shift - residual)` here.
    pub residual: u8,
    /// The largest sum of magnitudes of a row of weights.
    pub row_norm: u32,
}

/// A normalization of the residual stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NormArithmetic {
    /// The product of a stream value and a reciprocal square root is divided by two to this power and the
    /// exponent of the sum of squares: 11 to 16.
    pub shift: u8,
    /// Epsilon, in units of the scaled sum of squares: below `2^20`.
    pub epsilon: u32,
}

/// The nodes of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerArithmetic {
    /// Normalization before the attention.
    pub attention_norm: NormArithmetic,
    /// Query projection, to what is rotated.
    pub query: MatrixArithmetic,
    /// Key projection, to what is rotated.
    pub key: MatrixArithmetic,
    /// Value projection.
    pub value: MatrixArithmetic,
    /// Output projection of the attention.
    pub output: ResidualArithmetic,
    /// Normalization before the MLP.
    pub mlp_norm: NormArithmetic,
    /// Gate projection, to what its activation takes in.
    pub gate: MatrixArithmetic,
    /// Up projection.
    pub up: MatrixArithmetic,
    /// Shift of the product of activated gate and up projection: 1 to 14.
    pub gated: u8,
    /// Down projection.
    pub down: ResidualArithmetic,
}

impl MatrixArithmetic {
    pub(super) const fn check(&self, name: &'static str) -> Result<(), QuantError> {
        let max = MAX_SHIFT as u64;
        in_range(name, self.shift as u64, 1, max)
    }
}

impl ResidualArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        let max = u64::from(MAX_SHIFT);
        in_range("shift of the stream", self.shift.into(), 1, max)?;
        in_range("shift of the stream before", self.residual.into(), 0, max)
    }
}

impl NormArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        let (min, max) = (MIN_NORM_SHIFT, MAX_NORM_SHIFT);
        let shift = u64::from(self.shift);
        in_range("shift of normalization", shift, min.into(), max.into())?;
        let limit = u64::from(NORM_EPSILON_LIMIT);
        in_range(
            "epsilon of normalization",
            self.epsilon.into(),
            0,
            limit - 1,
        )
    }
}

impl LayerArithmetic {
    pub(super) fn check(&self) -> Result<(), QuantError> {
        // Taken apart, so that a new node is checked.
        let Self {
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            gated,
            down,
        } = self;
        attention_norm.check()?;
        query.check("shift of queries")?;
        key.check("shift of keys")?;
        value.check("shift of values")?;
        output.check()?;
        mlp_norm.check()?;
        gate.check("shift of the gate")?;
        up.check("shift of the up projection")?;
        let max = u64::from(MAX_SHIFT);
        in_range("shift of the gated product", (*gated).into(), 1, max)?;
        down.check()
    }

    /// The numbers in the order of the canonical encoding.
    pub(super) fn numbers(&self) -> [u32; LAYER_NUMBERS] {
        let Self {
            attention_norm,
            query,
            key,
            value,
            output,
            mlp_norm,
            gate,
            up,
            gated,
            down,
        } = *self;
        let byte = u32::from;
        [
            byte(attention_norm.shift),
            attention_norm.epsilon,
            byte(query.shift),
            query.row_norm,
            byte(key.shift),
            key.row_norm,
            byte(value.shift),
            value.row_norm,
            byte(output.shift),
            byte(output.residual),
            output.row_norm,
            byte(mlp_norm.shift),
            mlp_norm.epsilon,
            byte(gate.shift),
            gate.row_norm,
            byte(up.shift),
            up.row_norm,
            byte(gated),
            byte(down.shift),
            byte(down.residual),
            down.row_norm,
        ]
    }
}

pub(super) const fn in_range(
    parameter: &'static str,
    got: u64,
    minimum: u64,
    maximum: u64,
) -> Result<(), QuantError> {
    if minimum <= got && got <= maximum {
        return Ok(());
    }
    Err(QuantError::ParameterOutOfRange {
        parameter,
        minimum,
        maximum,
        got,
    })
}
