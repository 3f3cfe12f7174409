//! Bounds of a decoder's intermediate values, from shape and arithmetic alone.

use super::arithmetic::{max_norm_exponent, max_square_sum};
use super::{
    ArithmeticTerms, LayerArithmetic, ModelArithmetic, ModelShape, MAX_LINEAR_WIDTH, SQUARE_LIMIT,
    STREAM_BITS,
};
use crate::{QuantError, Rescale, MAX_LOG_ROWS, MODULUS, NORM_PRODUCT_BITS, RSQRT_MAX};

/// That no intermediate value of a decoder can wrap around the field, whatever its tokens are: the only way to
/// one is a check of all of them.
///
/// Accumulators are bounded by the row norms that the arithmetic states; that a model's weights keep them is
/// checked where the model is put together and where its key is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelBounds {
    max_accumulator: u64,
}

impl ModelBounds {
    /// Largest width of the stream: sums of squares stay below `2^28` with any epsilon.
    const MAX_HIDDEN: u64 = (1 << 13) - 32;
    /// No accumulator reaches this: below it, one is an integer of 32 bits with its sign, and an element of
    /// the field.
    pub const ACCUMULATOR_LIMIT: u64 = 1 << 30;

    /// Checks all intermediate values.
    ///
    /// With `r` the largest sum of magnitudes of a matrix's rows and `M` its largest input, an accumulator is at
    /// most `r M`. What is rescaled and what its quotient, excess and remainder make up must differ by less
    /// than `p`, so that they are equal as integers if they are equal in the field.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`], naming the value, [`QuantError::TooManyRows`], and
    /// [`QuantError::ParameterOutOfRange`] for another number of layers.
    pub fn new(shape: &ModelShape, arithmetic: &ModelArithmetic) -> Result<Self, QuantError> {
        let terms = arithmetic.terms();
        Self::check_terms(shape, terms)?;
        let (expected, got) = (shape.layers() as u64, arithmetic.layers().len() as u64);
        if expected != got {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "number of layers of an arithmetic",
                minimum: expected,
                maximum: expected,
                got,
            });
        }
        let max_value = u64::from(terms.value_bits().max_value().unsigned_abs());
        let max_gated = 1_u64 << (terms.gated_bits() - 1);
        // Entries of an activation table are at most eight times the largest gate.
        let max_gate = u64::from(terms.gate_bits().max_value().unsigned_abs());
        let product = 8 * max_gate * max_value;
        let mut max_accumulator = 0;
        let mut accumulator = |quantity, row_norm: u32, input: u64| {
            let bound = u64::from(row_norm) * input;
            max_accumulator = bound.max(max_accumulator);
            below(quantity, bound, Self::ACCUMULATOR_LIMIT).map(|()| bound)
        };
        for layer in arithmetic.layers() {
            // Taken apart, so that a new node is checked.
            let LayerArithmetic {
                attention_norm: _, // Below, with the others.
                query,
                key,
                value,
                output,
                mlp_norm: _,
                gate,
                up,
                gated,
                down,
            } = *layer;
            for (quantity, matrix, rescale) in [
                ("query accumulator", query, terms.rotary_input(query.shift)),
                ("key accumulator", key, terms.rotary_input(key.shift)),
                ("value accumulator", value, terms.value(value.shift)),
                ("gate accumulator", gate, terms.gate(gate.shift)),
                ("up accumulator", up, terms.value(up.shift)),
            ] {
                let bound = accumulator(quantity, matrix.row_norm, max_value)?;
                rescaled(quantity, bound, rescale)?;
            }
            for (quantity, node, input) in [
                ("stream accumulator of the attention", output, max_value),
                ("stream accumulator of the MLP", down, max_gated),
            ] {
                let before = 1 << (STREAM_BITS - 1 + node.residual);
                let bound = accumulator(quantity, node.row_norm, input)? + before;
                rescaled(quantity, bound, terms.stream(node.shift))?;
            }
            rescaled("gated product", product, terms.gated(gated))?;
        }
        let head = accumulator("logit", arithmetic.head_row_norm(), max_value)?;
        below("gap between two logits", 2 * head, Self::ACCUMULATOR_LIMIT)?;
        for stage in 0..shape.stages() {
            let norm = arithmetic.norm_of_stage(stage);
            let squares = max_square_sum(shape.hidden()) + u64::from(norm.epsilon);
            below("sum of squares", squares, SQUARE_LIMIT.unsigned_abs())?;
            // Without an exponent a reciprocal root has 15 bits; with one, 11, as the mantissa is 2^12 at least.
            let most = u64::from(RSQRT_MAX + 1) << (STREAM_BITS - 1);
            rescaled("normalized value", most, terms.norm(norm, 0))?;
            let exponent = max_norm_exponent(shape.hidden(), norm.epsilon);
            let most = 1 << NORM_PRODUCT_BITS;
            rescaled("normalized value", most, terms.norm(norm, exponent))?;
        }
        Ok(Self { max_accumulator })
    }

    /// Checks what follows from the shape and from what a statement says of the arithmetic.
    ///
    /// The components of the relation have to have room for one token as well: those whose heights follow
    /// from the shape, with the widest rows of weights.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`], naming the value, and [`QuantError::TooManyRows`].
    pub fn check_terms(shape: &ModelShape, terms: &ArithmeticTerms) -> Result<(), QuantError> {
        let rotary = 1_u64 << (super::ROTARY_BITS + super::ROTARY_SCALE_LOG);
        rescaled("rotated value", rotary, terms.rotation())?;
        let hidden = shape.hidden() as u64;
        below("width of the stream", hidden, Self::MAX_HIDDEN + 1)?;
        check_rows(shape)
    }

    /// No accumulator of a matrix exceeds this.
    #[must_use]
    pub const fn max_accumulator(&self) -> u64 {
        self.max_accumulator
    }
}

/// A quantity stays below its limit.
fn below(quantity: &'static str, bound: u64, limit: u64) -> Result<(), QuantError> {
    if bound < limit {
        return Ok(());
    }
    Err(QuantError::AccumulatorTooLarge {
        quantity,
        bound,
        limit,
    })
}

/// What is rescaled and what makes it up differ by less than the modulus. The remainder and the half unit are
/// below one unit.
fn rescaled(quantity: &'static str, bound: u64, rescale: Rescale) -> Result<(), QuantError> {
    let made_up = rescale.reach() + (1 << rescale.shift());
    below(quantity, bound + made_up, u64::from(MODULUS))
}

/// The relation has room for one token of a model of this shape.
fn check_rows(shape: &ModelShape) -> Result<(), QuantError> {
    let attention = shape.attention();
    let (layers, hidden, mlp) = (shape.layers(), shape.hidden(), shape.mlp());
    let (queries, keys) = (shape.query_width(), shape.kv_width());
    let vocabulary = shape.vocabulary();
    let rows =
        |outputs: usize, inputs: usize| outputs.div_ceil(MAX_LINEAR_WIDTH) as u64 * inputs as u64;
    // Queries with keys, up with gate; see `crates/air/src/layout/decoder.rs`.
    let layer = rows(queries + keys, hidden)
        + rows(keys, hidden)
        + rows(hidden, queries)
        + rows(2 * mlp, hidden)
        + rows(hidden, mlp);
    let linear = rows(hidden, vocabulary) + layers as u64 * layer + rows(vocabulary, hidden);
    let pairs = attention.head_dim() / 2;
    for (component, got) in [
        ("linear", linear),
        ("stream", (shape.stages() * hidden) as u64),
        ("rotary", (layers * (queries + keys)) as u64 / 2),
        ("values", (layers * keys) as u64),
        ("gated", (layers * mlp) as u64),
        ("argmax", vocabulary as u64),
        ("rotary table", (shape.positions() * pairs) as u64),
    ] {
        let expected = 1 << MAX_LOG_ROWS;
        if got > expected {
            return Err(QuantError::TooManyRows {
                component,
                expected,
                got,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MatrixArithmetic,
        MlpSize, ModelArithmeticParts, NormArithmetic, QueryHeads, ResidualArithmetic, ScoreStep,
        ValueBits, VocabularySize,
    };

    fn shape(hidden: u32, mlp: u32) -> ModelShape {
        ModelShape::new(
            Layers::new(2).unwrap(),
            HiddenSize::new(hidden).unwrap(),
            AttentionShape::new(
                QueryHeads::new(4).unwrap(),
                KvHeads::new(4).unwrap(),
                HeadDim::new(64).unwrap(),
            )
            .unwrap(),
            MlpSize::new(mlp).unwrap(),
            VocabularySize::new(1024).unwrap(),
            CacheCapacity::new(256).unwrap(),
        )
        .unwrap()
    }

    fn layer() -> LayerArithmetic {
        let matrix = |shift| MatrixArithmetic {
            shift,
            row_norm: 500_000,
        };
        let residual = ResidualArithmetic {
            shift: 10,
            residual: 10,
            row_norm: 200_000,
        };
        let norm = NormArithmetic {
            shift: 13,
            epsilon: 5,
        };
        LayerArithmetic {
            attention_norm: norm,
            query: matrix(8),
            key: matrix(8),
            value: matrix(10),
            output: residual,
            mlp_norm: norm,
            gate: matrix(10),
            up: matrix(10),
            gated: 10,
            down: residual,
        }
    }

    fn of(layers: vec::Vec<LayerArithmetic>, hidden: u32) -> Result<ModelBounds, QuantError> {
        let arithmetic = ModelArithmetic::new(ModelArithmeticParts {
            value_bits: ValueBits::new(11).unwrap(),
            rotation: 14,
            score_step: ScoreStep::new(100).unwrap(),
            final_norm: layers[0].attention_norm,
            layers,
            head_row_norm: 500_000,
        });
        ModelBounds::new(&shape(hidden, 704), &arithmetic.unwrap())
    }

    fn with(change: impl FnOnce(&mut LayerArithmetic)) -> Result<ModelBounds, QuantError> {
        let mut second = layer();
        change(&mut second);
        of(vec![layer(), second], 256)
    }

    fn quantity(result: Result<ModelBounds, QuantError>) -> &'static str {
        match result {
            Err(QuantError::AccumulatorTooLarge { quantity, .. }) => quantity,
            other => panic!("{other:?}"),
        }
    }

    /// The largest of all is the last number before a power of two, which the bound on normalized values
    /// counts with.
    #[test]
    fn reciprocal_roots_fill_fifteen_bits() {
        let bits = (RSQRT_MAX.trailing_ones(), RSQRT_MAX.count_ones());
        assert_eq!(bits, (15, 15));
    }

    #[test]
    fn what_fits() {
        let bounds = with(|_| {}).unwrap();
        assert_eq!(bounds.max_accumulator(), 200_000 * 4096);
    }

    #[test]
    fn every_node_is_checked() {
        type Case = (&'static str, fn(&mut LayerArithmetic));
        let changes: [Case; 10] = [
            ("query accumulator", |it| it.query.row_norm = 1_050_000),
            ("key accumulator", |it| it.key.row_norm = 1_050_000),
            ("value accumulator", |it| it.value.row_norm = 1_050_000),
            ("gate accumulator", |it| it.gate.row_norm = 1_050_000),
            ("up accumulator", |it| it.up.row_norm = 1_050_000),
            ("stream accumulator of the attention", |it| {
                it.output.row_norm = 1_050_000;
            }),
            ("stream accumulator of the MLP", |it| {
                it.down.row_norm = 262_144;
            }),
            ("stream accumulator of the MLP", |it| it.down.shift = 13),
            ("stream accumulator of the attention", |it| {
                it.output.residual = 14;
                it.output.row_norm = 600_000;
            }),
            ("normalized value", |it| it.mlp_norm.shift = 16),
        ];
        for (expected, change) in changes {
            assert_eq!(quantity(with(change)), expected);
        }
        assert!(with(|it| it.value.row_norm = 1_049_000).is_ok());
        assert!(with(|it| it.mlp_norm.shift = 15).is_ok());
    }

    #[test]
    fn what_follows_from_the_shape() {
        assert_eq!(quantity(of(vec![layer(); 2], 8200)), "width of the stream");
        assert!(of(vec![layer(); 2], 4096).is_ok());
        assert!(matches!(
            of(vec![layer()], 256),
            Err(QuantError::ParameterOutOfRange {
                minimum: 2,
                got: 1,
                ..
            })
        ));
    }
}
