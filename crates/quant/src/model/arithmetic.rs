//! Widths, shifts and constants of a decoder's arithmetic, for every node of its graph.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::nodes::{
    in_range, LayerArithmetic, MatrixArithmetic, NormArithmetic, ResidualArithmetic, LAYER_NUMBERS,
};
use super::terms::{ArithmeticId, ArithmeticTerms};
use super::{nodes, terms, SQUARE_SHIFT, STREAM_BITS};
use crate::{QuantError, ScoreStep, TaggedSha256, ValueBits};

/// Widths, shifts and constants of a decoder's arithmetic, node by node; part of a model's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "ModelArithmeticParts", into = "ModelArithmeticParts")]
pub struct ModelArithmetic {
    parts: ModelArithmeticParts,
    terms: ArithmeticTerms,
}

/// What a [`ModelArithmetic`] is made of. Plain numbers: [`ModelArithmetic::new`] checks them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelArithmeticParts {
    /// `b`, the width of values.
    pub value_bits: ValueBits,
    /// Shift of rotated queries and keys, the same in all layers: 1 to 14.
    pub rotation: u8,
    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    pub score_step: ScoreStep,
    /// The layers.
    pub layers: Vec<LayerArithmetic>,
    /// Normalization before the output head.
    pub final_norm: NormArithmetic,
    /// The largest sum of magnitudes of a row of the output head.
    pub head_row_norm: u32,
}

impl ModelArithmetic {
    /// Largest shift of every kind but that of normalization.
    pub const MAX_SHIFT: u8 = nodes::MAX_SHIFT;
    /// Smallest shift of normalization: the excess of normalized values, below
    /// `2^(NORM_PRODUCT_BITS - 11)`, then has at most 15 bits, as that of all other values.
    pub const MIN_NORM_SHIFT: u8 = nodes::MIN_NORM_SHIFT;
    /// Largest shift of normalization.
    pub const MAX_NORM_SHIFT: u8 = nodes::MAX_NORM_SHIFT;
    /// Largest exponent of a sum of squares.
    pub const MAX_NORM_EXPONENT: u8 = terms::MAX_NORM_EXPONENT;
    /// Epsilon of normalization stays below this.
    pub const NORM_EPSILON_LIMIT: u32 = nodes::NORM_EPSILON_LIMIT;
    /// The value width in use where nothing else is said: 11 bits.
    pub const DEFAULT_VALUE_BITS: u8 = 11;
    /// Gated products have so many bits more than values.
    pub const GATED_EXTRA_BITS: u8 = terms::GATED_EXTRA_BITS;
    /// The embedding is the first stream, times two to this power in the accumulators of the stream.
    pub const EMBEDDING_SHIFT: u8 = 1;

    /// Checks the numbers and puts them together.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`], naming the number.
    pub fn new(parts: ModelArithmeticParts) -> Result<Self, QuantError> {
        for layer in &parts.layers {
            layer.check()?;
        }
        parts.final_norm.check()?;
        let identity = parts.identity();
        let terms =
            ArithmeticTerms::new(parts.value_bits, parts.rotation, parts.score_step, identity)?;
        Ok(Self { parts, terms })
    }

    /// The parts.
    #[must_use]
    pub const fn parts(&self) -> &ModelArithmeticParts {
        &self.parts
    }

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> ModelArithmeticParts {
        self.parts
    }

    /// What a statement says of it.
    #[must_use]
    pub const fn terms(&self) -> &ArithmeticTerms {
        &self.terms
    }

    /// The nodes of each layer.
    #[must_use]
    pub fn layers(&self) -> &[LayerArithmetic] {
        &self.parts.layers
    }

    /// Normalization before the output head.
    #[must_use]
    pub const fn final_norm(&self) -> NormArithmetic {
        self.parts.final_norm
    }

    /// The largest sum of magnitudes of a row of the output head.
    #[must_use]
    pub const fn head_row_norm(&self) -> u32 {
        self.parts.head_row_norm
    }

    /// The normalization of a stage of the stream: the embedding, then after each attention and MLP.
    ///
    /// # Panics
    /// If there is no such stage.
    #[must_use]
    pub fn norm_of_stage(&self, stage: usize) -> NormArithmetic {
        let layers = self.layers();
        assert!(stage <= 2 * layers.len(), "no such stage");
        match layers.get(stage / 2) {
            None => self.final_norm(),
            Some(layer) if stage.is_multiple_of(2) => layer.attention_norm,
            Some(layer) => layer.mlp_norm,
        }
    }

    /// By what the stream of a stage is rescaled, and the stream before multiplied: nothing comes before the
    /// embedding.
    ///
    /// # Panics
    /// If there is no such stage.
    #[must_use]
    pub fn residual_of_stage(&self, stage: usize) -> (u8, Option<u8>) {
        let Some(before) = stage.checked_sub(1) else {
            return (Self::EMBEDDING_SHIFT, None);
        };
        let layer = &self.layers()[before / 2];
        let node = if before.is_multiple_of(2) {
            layer.output
        } else {
            layer.down
        };
        (node.shift, Some(node.residual))
    }

    /// `b`, the width of values.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.terms.value_bits()
    }

    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    #[must_use]
    pub const fn score_step(&self) -> ScoreStep {
        self.terms.score_step()
    }

    /// The largest exponent that the sum of squares of a stream of width `hidden` can have: the least
    /// `e` with `2^15 hidden + epsilon < 2^14 * 4^e`.
    #[must_use]
    pub fn max_norm_exponent(&self, hidden: usize) -> u8 {
        let stages = 0..=2 * self.layers().len();
        let epsilon = stages.map(|stage| self.norm_of_stage(stage).epsilon).max();
        max_norm_exponent(hidden, epsilon.unwrap_or(0))
    }
}

/// The least `e` with `2^(2 * 15 - 15) hidden + epsilon < 2^14 * 4^e`.
pub(super) const fn max_norm_exponent(hidden: usize, epsilon: u32) -> u8 {
    let most = max_square_sum(hidden) + epsilon as u64;
    let mut exponent = 0;
    while most >= 1 << (super::RSQRT_LOG_LEN + 2 * exponent) {
        exponent += 1;
    }
    exponent
}

/// No sum of squares of so many channels is larger, in its units.
pub(super) const fn max_square_sum(hidden: usize) -> u64 {
    (hidden as u64) << (2 * (STREAM_BITS - 1) - SQUARE_SHIFT)
}

impl ModelArithmeticParts {
    /// The numbers of all nodes, in the order of the canonical encoding: each a `u32`.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        let Self {
            value_bits,
            rotation,
            score_step,
            layers,
            final_norm,
            head_row_norm,
        } = self;
        let mut numbers = alloc::vec![
            u32::from(value_bits.get()),
            u32::from(*rotation),
            score_step.get(),
            u32::try_from(layers.len()).unwrap_or(u32::MAX),
        ];
        for layer in layers {
            numbers.extend(layer.numbers());
        }
        numbers.extend([
            u32::from(final_norm.shift),
            final_norm.epsilon,
            *head_row_norm,
        ]);
        numbers
    }

    /// How many numbers an arithmetic of so many layers has.
    #[must_use]
    pub const fn numbers_for(layers: usize) -> usize {
        HEAD_NUMBERS + layers * LAYER_NUMBERS + TAIL_NUMBERS
    }

    /// The arithmetic of these numbers, in the order of [`Self::numbers`].
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for another number of numbers, and for a value width, a score step or
    /// a shift that is none.
    pub fn from_numbers(numbers: &[u32]) -> Result<Self, QuantError> {
        let layers = numbers.get(HEAD_NUMBERS - 1).copied().unwrap_or(0) as usize;
        let expected = layers
            .saturating_mul(LAYER_NUMBERS)
            .saturating_add(HEAD_NUMBERS + TAIL_NUMBERS) as u64;
        let got = numbers.len() as u64;
        in_range("count of numbers of an arithmetic", got, expected, expected)?;
        let mut reader = Numbers(numbers.iter());
        let value_bits = ValueBits::new(reader.byte("value width")?)?;
        let rotation = reader.byte("shift of the rotation")?;
        let score_step = ScoreStep::new(reader.number())?;
        reader.number();
        let layers = (0..layers).map(|_| reader.layer());
        Ok(Self {
            value_bits,
            rotation,
            score_step,
            layers: layers.collect::<Result<_, _>>()?,
            final_norm: reader.norm()?,
            head_row_norm: reader.number(),
        })
    }

    fn identity(&self) -> ArithmeticId {
        let mut hasher = TaggedSha256::new("matchmark/arithmetic/v1");
        for number in self.numbers() {
            hasher.update(&number.to_le_bytes());
        }
        ArithmeticId::from_bytes(hasher.finish())
    }
}

/// Numbers of an arithmetic before its layers, of each layer, and after all.
const HEAD_NUMBERS: usize = 4;
const TAIL_NUMBERS: usize = 3;

/// Reads the numbers of an arithmetic, of which there are enough.
struct Numbers<'a>(core::slice::Iter<'a, u32>);

impl Numbers<'_> {
    fn number(&mut self) -> u32 {
        self.0.next().copied().unwrap_or(0)
    }

    fn byte(&mut self, name: &'static str) -> Result<u8, QuantError> {
        let number = self.number();
        in_range(name, number.into(), 0, u8::MAX.into())?;
        Ok(number.to_le_bytes()[0])
    }

    fn norm(&mut self) -> Result<NormArithmetic, QuantError> {
        Ok(NormArithmetic {
            shift: self.byte("shift of normalization")?,
            epsilon: self.number(),
        })
    }

    fn matrix(&mut self, name: &'static str) -> Result<MatrixArithmetic, QuantError> {
        Ok(MatrixArithmetic {
            shift: self.byte(name)?,
            row_norm: self.number(),
        })
    }

    fn residual(&mut self) -> Result<ResidualArithmetic, QuantError> {
        Ok(ResidualArithmetic {
            shift: self.byte("shift of the stream")?,
            residual: self.byte("shift of the stream before")?,
            row_norm: self.number(),
        })
    }

    fn layer(&mut self) -> Result<LayerArithmetic, QuantError> {
        Ok(LayerArithmetic {
            attention_norm: self.norm()?,
            query: self.matrix("shift of queries")?,
            key: self.matrix("shift of keys")?,
            value: self.matrix("shift of values")?,
            output: self.residual()?,
            mlp_norm: self.norm()?,
            gate: self.matrix("shift of the gate")?,
            up: self.matrix("shift of the up projection")?,
            gated: self.byte("shift of the gated product")?,
            down: self.residual()?,
        })
    }
}

impl TryFrom<ModelArithmeticParts> for ModelArithmetic {
    type Error = QuantError;

    fn try_from(parts: ModelArithmeticParts) -> Result<Self, QuantError> {
        Self::new(parts)
    }
}

impl From<ModelArithmetic> for ModelArithmeticParts {
    fn from(arithmetic: ModelArithmetic) -> Self {
        arithmetic.parts
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec;

    use super::*;

    const LAYER: LayerArithmetic = LayerArithmetic {
        attention_norm: NormArithmetic {
            shift: 12,
            epsilon: 300,
        },
        query: matrix(5, 50),
        key: matrix(6, 60),
        value: matrix(7, 70),
        output: ResidualArithmetic {
            shift: 8,
            residual: 9,
            row_norm: 80,
        },
        mlp_norm: NormArithmetic {
            shift: 13,
            epsilon: 150,
        },
        gate: matrix(9, 90),
        up: matrix(10, 100),
        gated: 11,
        down: ResidualArithmetic {
            shift: 12,
            residual: 10,
            row_norm: 120,
        },
    };

    const fn matrix(shift: u8, row_norm: u32) -> MatrixArithmetic {
        MatrixArithmetic { shift, row_norm }
    }

    fn parts() -> ModelArithmeticParts {
        ModelArithmeticParts {
            value_bits: ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS).unwrap(),
            rotation: 14,
            score_step: ScoreStep::new(100).unwrap(),
            layers: vec![LAYER; 2],
            final_norm: NormArithmetic {
                shift: 14,
                epsilon: 0,
            },
            head_row_norm: 1000,
        }
    }

    fn with(change: impl FnOnce(&mut LayerArithmetic)) -> Result<ModelArithmetic, QuantError> {
        let mut parts = parts();
        change(&mut parts.layers[1]);
        ModelArithmetic::new(parts)
    }

    #[test]
    fn stages_have_their_nodes() {
        let arithmetic = with(|it| it.attention_norm.shift = 15).unwrap();
        let shifts = [0, 1, 2, 3, 4].map(|stage| arithmetic.norm_of_stage(stage).shift);
        assert_eq!(shifts, [12, 13, 15, 13, 14]);
        let residuals = [0, 1, 2, 3, 4].map(|stage| arithmetic.residual_of_stage(stage));
        let (output, down) = ((8, Some(9)), (12, Some(10)));
        assert_eq!(residuals, [(1, None), output, down, output, down]);
    }

    #[test]
    fn ranges() {
        let terms = *with(|_| {}).unwrap().terms();
        let stream = terms.stream(3);
        assert_eq!((stream.min(), stream.max()), (-(1 << 15), (1 << 15) - 1));
        assert_eq!(stream.excess_bits(), 27);
        let rotary = terms.rotary_input(3);
        assert_eq!((rotary.min(), rotary.max()), (-(1 << 12), (1 << 12) - 1));
        let gated = terms.gated(3);
        assert_eq!((gated.min(), gated.max()), (-(1 << 12), (1 << 12) - 1));
        assert_eq!(terms.value(3).max(), 1023);
        assert_eq!(
            (terms.rotation().shift(), terms.rotation().max()),
            (14, 1023)
        );
        let norm = terms.norm(LAYER.mlp_norm, 7);
        assert_eq!(
            (norm.shift(), norm.max(), norm.excess_bits()),
            (20, 1023, 6)
        );
    }

    /// The sum of squares of 1 channel is below `2^14 * 4^1` with any epsilon below `2^15`, and not with
    /// `2^15` itself, whichever normalization has it.
    #[test]
    fn the_larger_epsilon_decides_the_exponent() {
        let limit = 1 << 15;
        for (first, second, exponent) in [
            (limit - 1, limit - 1, 1),
            (limit, 0, 2),
            (0, limit, 2),
            (limit, limit, 2),
        ] {
            let arithmetic = with(|it| {
                it.attention_norm.epsilon = first;
                it.mlp_norm.epsilon = second;
            });
            let got = arithmetic.unwrap().max_norm_exponent(1);
            assert_eq!(got, exponent, "{first} {second}");
        }
    }

    #[test]
    fn every_number_is_checked() {
        /// Sets a number; the least and the largest that it can be.
        type Case = (fn(&mut LayerArithmetic, u8), u8, u8);
        let changes: [Case; 12] = [
            (|it, x| it.query.shift = x, 1, 14),
            (|it, x| it.key.shift = x, 1, 14),
            (|it, x| it.value.shift = x, 1, 14),
            (|it, x| it.output.shift = x, 1, 14),
            (|it, x| it.output.residual = x, 0, 14),
            (|it, x| it.gate.shift = x, 1, 14),
            (|it, x| it.up.shift = x, 1, 14),
            (|it, x| it.gated = x, 1, 14),
            (|it, x| it.down.shift = x, 1, 14),
            (|it, x| it.down.residual = x, 0, 14),
            (|it, x| it.attention_norm.shift = x, 11, 16),
            (|it, x| it.mlp_norm.shift = x, 11, 16),
        ];
        for (index, (change, low, high)) in changes.into_iter().enumerate() {
            assert!(with(|it| change(it, low)).is_ok(), "{index}");
            assert!(with(|it| change(it, high)).is_ok(), "{index}");
            assert!(with(|it| change(it, high + 1)).is_err(), "{index}");
            if let Some(below) = low.checked_sub(1) {
                assert!(with(|it| change(it, below)).is_err(), "{index}");
            }
        }
        assert!(with(|it| it.mlp_norm.epsilon = (1 << 20) - 1).is_ok());
        assert!(with(|it| it.mlp_norm.epsilon = 1 << 20).is_err());
        for rotation in [0, 15] {
            let parts = ModelArithmeticParts {
                rotation,
                ..parts()
            };
            assert!(ModelArithmetic::new(parts).is_err());
        }
        let mut last = parts();
        last.final_norm.shift = 17;
        assert!(ModelArithmetic::new(last).is_err());
    }

    /// Every number that can change changes the identity.
    #[test]
    fn the_identity_is_of_all_numbers() {
        let numbers = parts().numbers();
        assert_eq!(numbers.len(), ModelArithmeticParts::numbers_for(2));
        assert_eq!(ModelArithmeticParts::from_numbers(&numbers), Ok(parts()));
        for end in 0..numbers.len() {
            assert!(ModelArithmeticParts::from_numbers(&numbers[..end]).is_err());
        }
        let own = *with(|_| {}).unwrap().terms();
        let changes: [fn(&mut LayerArithmetic); 21] = [
            |it| it.attention_norm.shift += 1,
            |it| it.attention_norm.epsilon += 1,
            |it| it.query.shift += 1,
            |it| it.query.row_norm += 1,
            |it| it.key.shift += 1,
            |it| it.key.row_norm += 1,
            |it| it.value.shift += 1,
            |it| it.value.row_norm += 1,
            |it| it.output.shift += 1,
            |it| it.output.residual += 1,
            |it| it.output.row_norm += 1,
            |it| it.mlp_norm.shift += 1,
            |it| it.mlp_norm.epsilon += 1,
            |it| it.gate.shift += 1,
            |it| it.gate.row_norm += 1,
            |it| it.up.shift += 1,
            |it| it.up.row_norm += 1,
            |it| it.gated += 1,
            |it| it.down.shift += 1,
            |it| it.down.residual += 1,
            |it| it.down.row_norm += 1,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let other = *with(change).unwrap().terms();
            assert_ne!(other.identity(), own.identity(), "{index}");
            let mut layer = LAYER;
            change(&mut layer);
            assert_eq!(layer.numbers()[index], LAYER.numbers()[index] + 1);
        }
        // Two layers of which constants are exchanged.
        let mut exchanged = parts();
        exchanged.layers[1].query.shift += 1;
        let one = ModelArithmetic::new(exchanged.clone()).unwrap();
        exchanged.layers.swap(0, 1);
        let other = ModelArithmetic::new(exchanged).unwrap();
        assert_ne!(one.terms().identity(), other.terms().identity());
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        let good = with(|_| {}).unwrap();
        let json = serde_json::to_string(&good).unwrap();
        let read: ModelArithmetic = serde_json::from_str(&json).unwrap();
        assert_eq!(read, good);
        assert!(json.contains("\"gated\":11"));
        let bad = json.replace("\"gated\":11", "\"gated\":15");
        assert!(serde_json::from_str::<ModelArithmetic>(&bad).is_err());
        let terms = serde_json::to_string(good.terms()).unwrap();
        let read: ArithmeticTerms = serde_json::from_str(&terms).unwrap();
        assert_eq!(read, *good.terms());
        let bad = terms.replace("\"rotation\":14", "\"rotation\":15");
        assert!(serde_json::from_str::<ArithmeticTerms>(&bad).is_err());
    }
}
