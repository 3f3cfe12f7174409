//! What a statement says of a decoder's arithmetic.

use serde::{Deserialize, Serialize};

use matchmark_quant::{digest_newtype, QuantError, Rescale, ScoreStep, ValueBits};

use crate::limits::{ROTARY_BITS, STREAM_BITS};
use crate::numbers::shift;
use crate::ops::stream::NormArithmetic;

/// Largest exponent of a sum of squares.
pub(crate) const MAX_NORM_EXPONENT: u8 = 7;
/// Gated products have so many bits more than values.
pub(crate) const GATED_EXTRA_BITS: u8 = 2;

digest_newtype! {
    /// Identity of a [`ModelArithmetic`](crate::ModelArithmetic): SHA-256 over the kinds and constants of all nodes
    /// of a graph, in order.
    pub struct ArithmeticId;
}

/// What a statement says of an arithmetic: what holds for all nodes, and the identity of the rest.
///
/// The constants of the nodes stand in the preprocessed columns, whose root a policy pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArithmeticTerms {
    value_bits: ValueBits,
    rotation: RotationShift,
    score_step: ScoreStep,
    identity: ArithmeticId,
}

/// A shift that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct RotationShift(u8);

impl ArithmeticTerms {
    /// Checks the numbers and puts them together.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for a shift of the rotation outside of 1 to 14.
    pub fn new(
        value_bits: ValueBits,
        rotation: u8,
        score_step: ScoreStep,
        identity: ArithmeticId,
    ) -> Result<Self, QuantError> {
        Ok(Self {
            value_bits,
            rotation: RotationShift::try_from(rotation)?,
            score_step,
            identity,
        })
    }

    /// `b`, the width of values.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.value_bits
    }

    /// Width of gated products, two's complement: two bits more than values have.
    #[must_use]
    pub const fn gated_bits(&self) -> u8 {
        self.value_bits.get() + GATED_EXTRA_BITS
    }

    /// Width of gates, which the domain of the activation's table has: one bit more than values have, at most
    /// 12.
    #[must_use]
    pub const fn gate_bits(&self) -> ValueBits {
        self.value_bits.one_more()
    }

    /// Accumulators of the gate to what its activation takes in.
    #[must_use]
    pub fn gate(&self, shift: u8) -> Rescale {
        checked(Rescale::symmetric(shift, self.gate_bits()))
    }

    /// Shift of rotated queries and keys.
    #[must_use]
    pub const fn rotation_shift(&self) -> u8 {
        self.rotation.0
    }

    /// Rotated queries and keys to values.
    #[must_use]
    pub fn rotation(&self) -> Rescale {
        checked(Rescale::symmetric(self.rotation.0, self.value_bits))
    }

    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    #[must_use]
    pub const fn score_step(&self) -> ScoreStep {
        self.score_step
    }

    /// Identity of the arithmetic of all nodes.
    #[must_use]
    pub const fn identity(&self) -> ArithmeticId {
        self.identity
    }

    /// Accumulators of queries and keys to two's complement of 13 bits.
    #[must_use]
    pub fn rotary_input(&self, shift: u8) -> Rescale {
        checked(Rescale::twos_complement(shift, ROTARY_BITS))
    }

    /// Accumulators to values.
    #[must_use]
    pub fn value(&self, shift: u8) -> Rescale {
        checked(Rescale::symmetric(shift, self.value_bits))
    }

    /// Products of activated gate and up projection.
    #[must_use]
    pub fn gated(&self, shift: u8) -> Rescale {
        checked(Rescale::twos_complement(shift, self.gated_bits()))
    }

    /// Accumulators of an output projection, to which the stream was added, to two's complement of 16 bits,
    /// with all the excess that an accumulator can have.
    #[must_use]
    pub fn stream(&self, shift: u8) -> Rescale {
        checked(Rescale::twos_complement(shift, STREAM_BITS)).of_stream()
    }

    /// Products of stream values and a reciprocal square root to values, for a sum of squares of exponent
    /// `exponent`.
    ///
    /// # Panics
    /// If the exponent is above 7.
    #[must_use]
    pub fn norm(&self, norm: NormArithmetic, exponent: u8) -> Rescale {
        assert!(
            exponent <= MAX_NORM_EXPONENT,
            "the exponent of a sum of squares is at most 7"
        );
        checked(Rescale::symmetric(norm.shift + exponent, self.value_bits)).of_norm()
    }
}

impl TryFrom<u8> for RotationShift {
    type Error = QuantError;

    fn try_from(got: u8) -> Result<Self, QuantError> {
        shift("shift of the rotation", got)?;
        Ok(Self(got))
    }
}

impl From<RotationShift> for u8 {
    fn from(shift: RotationShift) -> Self {
        shift.0
    }
}

/// Every shift was checked by `ModelArithmetic::new`, so that no rescaling is refused.
fn checked(rescale: Result<Rescale, QuantError>) -> Rescale {
    match rescale {
        Ok(rescale) => rescale,
        Err(error) => unreachable!("a checked shift is one of a rescaling: {error}"),
    }
}
