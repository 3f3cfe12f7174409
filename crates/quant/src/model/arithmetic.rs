//! Widths, shifts and constants of a decoder's arithmetic.

use serde::{Deserialize, Serialize};

use super::{EXPONENT_LIMIT, ROTARY_BITS, SQUARE_SHIFT, STREAM_BITS};
use crate::{QuantError, Rescale, ScoreStep, ValueBits};

/// The shifts of a decoder's rescalings, one for each kind, the same in all layers.
///
/// Plain numbers: [`ModelArithmetic::new`] checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelShifts {
    /// From accumulators of queries and keys to what is rotated: 1 to 14.
    pub rotary_input: u8,
    /// From accumulators of values to values: 1 to 14.
    pub value: u8,
    /// From accumulators of the attention's and the MLP's output to the residual stream: 1 to 14.
    pub stream: u8,
    /// What the embedding is multiplied by, as a power of two, where the first attention's accumulators
    /// are added to it: at most `stream`. One unit of the embedding stands for `2^(embedding - stream)`
    /// of a unit of the later stream, which is larger by far.
    pub embedding: u8,
    /// From accumulators of the gate to what its activation takes in: 1 to 14.
    pub gate: u8,
    /// From accumulators of the up projection: 1 to 14.
    pub up: u8,
    /// From the product of activated gate and up projection: 1 to 14.
    pub gated: u8,
    /// From rotated queries and keys: 1 to 14.
    pub rotation: u8,
    /// From the product of a stream value and a reciprocal square root, to which the exponent of the
    /// sum of squares is added: 10 to 15.
    pub norm: u8,
}

/// Widths, shifts and constants of a decoder's arithmetic; part of a model's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawArithmetic", into = "RawArithmetic")]
pub struct ModelArithmetic {
    value_bits: ValueBits,
    shifts: ModelShifts,
    norm_epsilon: u32,
    embedding_epsilon: u32,
    score_step: ScoreStep,
    weight_exponent: u8,
}

/// What is written; reading goes through [`ModelArithmetic::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArithmetic {
    value_bits: ValueBits,
    shifts: ModelShifts,
    norm_epsilon: u32,
    embedding_epsilon: u32,
    score_step: ScoreStep,
    weight_exponent: u8,
}

impl ModelArithmetic {
    /// Largest shift of every kind but that of normalization.
    pub const MAX_SHIFT: u8 = 14;
    /// Smallest shift of normalization: the excess of normalized values, below
    /// `2^(NORM_PRODUCT_BITS - 10)`, then has at most 15 bits, as that of all other values.
    pub const MIN_NORM_SHIFT: u8 = 10;
    /// Largest shift of normalization.
    pub const MAX_NORM_SHIFT: u8 = 15;
    /// Largest exponent of a sum of squares.
    pub const MAX_NORM_EXPONENT: u8 = 7;
    /// Epsilon of normalization stays below this.
    pub const NORM_EPSILON_LIMIT: u32 = 1 << 20;
    /// The value width in use where nothing else is said: 11 bits.
    pub const DEFAULT_VALUE_BITS: u8 = 11;

    /// Checks the numbers and puts them together. Both epsilons are in the units in which
    /// normalization takes its sum of squares.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`], naming the number.
    pub const fn new(
        value_bits: ValueBits,
        shifts: ModelShifts,
        norm_epsilon: u32,
        embedding_epsilon: u32,
        score_step: ScoreStep,
        weight_exponent: u8,
    ) -> Result<Self, QuantError> {
        // Taken apart, so that a new field is checked.
        let ModelShifts {
            rotary_input,
            value,
            stream,
            embedding,
            gate,
            up,
            gated,
            rotation,
            norm,
        } = shifts;
        let max = Self::MAX_SHIFT as u64;
        let checks = [
            ("shift of rotary inputs", rotary_input as u64, 1, max),
            ("shift of values", value as u64, 1, max),
            ("shift of the stream", stream as u64, 1, max),
            ("shift of the embedding", embedding as u64, 0, stream as u64),
            ("shift of the gate", gate as u64, 1, max),
            ("shift of the up projection", up as u64, 1, max),
            ("shift of the gated product", gated as u64, 1, max),
            ("shift of the rotation", rotation as u64, 1, max),
            (
                "shift of normalization",
                norm as u64,
                Self::MIN_NORM_SHIFT as u64,
                Self::MAX_NORM_SHIFT as u64,
            ),
            (
                "epsilon of normalization",
                norm_epsilon as u64,
                0,
                Self::NORM_EPSILON_LIMIT as u64 - 1,
            ),
            (
                "epsilon of the embedding's normalization",
                embedding_epsilon as u64,
                0,
                Self::NORM_EPSILON_LIMIT as u64 - 1,
            ),
            (
                "exponent of weights",
                weight_exponent as u64,
                0,
                EXPONENT_LIMIT as u64,
            ),
        ];
        let mut index = 0;
        while index < checks.len() {
            let (parameter, got, minimum, maximum) = checks[index];
            if got < minimum || got > maximum {
                return Err(QuantError::ParameterOutOfRange {
                    parameter,
                    minimum,
                    maximum,
                    got,
                });
            }
            index += 1;
        }
        Ok(Self {
            value_bits,
            shifts,
            norm_epsilon,
            embedding_epsilon,
            score_step,
            weight_exponent,
        })
    }

    /// `b`, the width of values.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.value_bits
    }

    /// All shifts.
    #[must_use]
    pub const fn shifts(&self) -> ModelShifts {
        self.shifts
    }

    /// Epsilon of normalization, in units of the scaled sum of squares, below `2^20`.
    #[must_use]
    pub const fn norm_epsilon(&self) -> u32 {
        self.norm_epsilon
    }

    /// Epsilon of the normalization of the embedding, the first of all, whose units are other ones: below
    /// `2^20`.
    #[must_use]
    pub const fn embedding_epsilon(&self) -> u32 {
        self.embedding_epsilon
    }

    /// Epsilon of the normalization of a stage: that of the embedding at stage 0.
    #[must_use]
    pub const fn epsilon_of_stage(&self, stage: usize) -> u32 {
        if stage == 0 {
            self.embedding_epsilon
        } else {
            self.norm_epsilon
        }
    }

    /// By which power of two the stream of a stage is multiplied where the accumulators of the next output
    /// projection are added to it: `embedding` at stage 0, `stream` afterwards.
    #[must_use]
    pub const fn residual_shift(&self, stage: usize) -> u8 {
        if stage == 0 {
            self.shifts.embedding
        } else {
            self.shifts.stream
        }
    }

    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    #[must_use]
    pub const fn score_step(&self) -> ScoreStep {
        self.score_step
    }

    /// Accumulators of queries and keys to two's complement of 13 bits.
    #[must_use]
    pub fn rotary_input(&self) -> Rescale {
        checked(Rescale::twos_complement(
            self.shifts.rotary_input,
            ROTARY_BITS,
        ))
    }

    /// Rotated queries and keys to values.
    #[must_use]
    pub fn rotation(&self) -> Rescale {
        self.symmetric(self.shifts.rotation)
    }

    /// Accumulators of values to values.
    #[must_use]
    pub fn value(&self) -> Rescale {
        self.symmetric(self.shifts.value)
    }

    /// Accumulators of an output projection, to which the stream times `2^shift` was added, to two's
    /// complement of 15 bits.
    #[must_use]
    pub fn stream(&self) -> Rescale {
        checked(Rescale::twos_complement(self.shifts.stream, STREAM_BITS))
    }

    /// Accumulators of the gate to values.
    #[must_use]
    pub fn gate(&self) -> Rescale {
        self.symmetric(self.shifts.gate)
    }

    /// Accumulators of the up projection to values.
    #[must_use]
    pub fn up(&self) -> Rescale {
        self.symmetric(self.shifts.up)
    }

    /// Products of activated gate and up projection to values.
    #[must_use]
    pub fn gated(&self) -> Rescale {
        self.symmetric(self.shifts.gated)
    }

    /// Products of stream values and a reciprocal square root to values, for a sum of squares of
    /// exponent `exponent`.
    ///
    /// # Panics
    /// If the exponent is above 7.
    #[must_use]
    pub fn norm(&self, exponent: u8) -> Rescale {
        assert!(
            exponent <= Self::MAX_NORM_EXPONENT,
            "the exponent of a sum of squares is at most 7"
        );
        self.symmetric(self.shifts.norm + exponent).of_norm()
    }

    /// The largest exponent that the sum of squares of a stream of width `hidden` can have: the least
    /// `e` with `2^14 hidden + epsilon < 2^14 * 4^e`.
    #[must_use]
    pub const fn max_norm_exponent(&self, hidden: usize) -> u8 {
        let epsilon = if self.norm_epsilon > self.embedding_epsilon {
            self.norm_epsilon
        } else {
            self.embedding_epsilon
        };
        let most = ((hidden as u64) << SQUARE_SHIFT) + epsilon as u64;
        let mut exponent = 0;
        while most >= 1 << (SQUARE_SHIFT + 2 * exponent) {
            exponent += 1;
        }
        exponent
    }

    /// Largest exponent of any output channel of any matrix.
    #[must_use]
    pub const fn weight_exponent(&self) -> u8 {
        self.weight_exponent
    }

    fn symmetric(&self, shift: u8) -> Rescale {
        checked(Rescale::symmetric(shift, self.value_bits))
    }
}

/// Every shift was checked by [`ModelArithmetic::new`], so that no rescaling is refused.
fn checked(rescale: Result<Rescale, QuantError>) -> Rescale {
    match rescale {
        Ok(rescale) => rescale,
        Err(error) => unreachable!("a checked shift is one of a rescaling: {error}"),
    }
}

impl TryFrom<RawArithmetic> for ModelArithmetic {
    type Error = QuantError;

    fn try_from(raw: RawArithmetic) -> Result<Self, QuantError> {
        Self::new(
            raw.value_bits,
            raw.shifts,
            raw.norm_epsilon,
            raw.embedding_epsilon,
            raw.score_step,
            raw.weight_exponent,
        )
    }
}

impl From<ModelArithmetic> for RawArithmetic {
    fn from(arithmetic: ModelArithmetic) -> Self {
        Self {
            value_bits: arithmetic.value_bits,
            shifts: arithmetic.shifts,
            norm_epsilon: arithmetic.norm_epsilon,
            embedding_epsilon: arithmetic.embedding_epsilon,
            score_step: arithmetic.score_step,
            weight_exponent: arithmetic.weight_exponent,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SHIFTS: ModelShifts = ModelShifts {
        rotary_input: 5,
        value: 6,
        stream: 7,
        embedding: 2,
        gate: 8,
        up: 9,
        gated: 10,
        rotation: 11,
        norm: 12,
    };

    fn with(shifts: ModelShifts, epsilon: u32) -> Result<ModelArithmetic, QuantError> {
        let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS).unwrap();
        ModelArithmetic::new(
            bits,
            shifts,
            epsilon,
            epsilon / 2,
            ScoreStep::new(100).unwrap(),
            3,
        )
    }

    #[test]
    fn each_rescaling_has_its_own_shift() {
        let arithmetic = with(SHIFTS, 3).unwrap();
        let shifts = [
            arithmetic.rotary_input(),
            arithmetic.value(),
            arithmetic.stream(),
            arithmetic.gate(),
            arithmetic.up(),
            arithmetic.gated(),
            arithmetic.rotation(),
            arithmetic.norm(0),
            arithmetic.norm(1),
        ]
        .map(Rescale::shift);
        assert_eq!(shifts, [5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(arithmetic.stream().min(), -(1 << 14));
        assert_eq!(arithmetic.rotary_input().max(), (1 << 12) - 1);
        assert_eq!(arithmetic.norm(7).max(), 1023);
    }

    #[test]
    fn the_embedding_has_numbers_of_its_own() {
        let arithmetic = with(SHIFTS, 300).unwrap();
        assert_eq!(
            (arithmetic.norm_epsilon(), arithmetic.embedding_epsilon()),
            (300, 150)
        );
        let of_stages = [0, 1, 2].map(|stage| {
            (
                arithmetic.epsilon_of_stage(stage),
                arithmetic.residual_shift(stage),
            )
        });
        assert_eq!(of_stages, [(150, 2), (300, 7), (300, 7)]);
    }

    /// The sum of squares of 3 channels is below `2^14 * 4^1` with any epsilon below `2^14`, and not with
    /// `2^14` itself, whichever normalization has it.
    #[test]
    fn the_larger_epsilon_decides_the_exponent() {
        let limit = 1 << SQUARE_SHIFT;
        for (norm, embedding, exponent) in [
            (limit - 1, limit - 1, 1),
            (limit, 0, 2),
            (0, limit, 2),
            (limit, limit, 2),
        ] {
            let arithmetic = ModelArithmetic {
                norm_epsilon: norm,
                embedding_epsilon: embedding,
                ..with(SHIFTS, 0).unwrap()
            };
            assert_eq!(
                arithmetic.max_norm_exponent(3),
                exponent,
                "{norm} {embedding}"
            );
        }
    }

    #[test]
    fn every_number_is_checked() {
        let changes: [fn(&mut ModelShifts, u8); 8] = [
            |s, x| s.rotary_input = x,
            |s, x| s.value = x,
            |s, x| s.stream = x,
            |s, x| s.gate = x,
            |s, x| s.up = x,
            |s, x| s.gated = x,
            |s, x| s.rotation = x,
            |s, x| s.norm = x,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let (low, high) = if index == 7 { (10, 15) } else { (1, 14) };
            for (shift, good) in [
                (low - 1, false),
                (low, true),
                (high, true),
                (high + 1, false),
            ] {
                let mut shifts = SHIFTS;
                shifts.embedding = 0;
                change(&mut shifts, shift);
                assert_eq!(with(shifts, 0).is_ok(), good, "{index} {shift}");
            }
        }
        for (stream, embedding, good) in [(7, 0, true), (7, 7, true), (7, 8, false), (1, 2, false)]
        {
            let mut shifts = SHIFTS;
            (shifts.stream, shifts.embedding) = (stream, embedding);
            assert_eq!(with(shifts, 0).is_ok(), good, "{stream} {embedding}");
        }
        assert!(with(SHIFTS, (1 << 20) - 1).is_ok());
        assert!(with(SHIFTS, 1 << 20).is_err());
    }

    #[test]
    #[should_panic(expected = "at most 7")]
    fn exponents_end() {
        let _ = with(SHIFTS, 0).unwrap().norm(8);
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        let good = with(SHIFTS, 3).unwrap();
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(
            serde_json::from_str::<ModelArithmetic>(&json).unwrap(),
            good
        );
        assert!(json.contains("\"norm\":12"));
        let bad = json.replace("\"norm\":12", "\"norm\":16");
        assert!(serde_json::from_str::<ModelArithmetic>(&bad).is_err());
    }
}
