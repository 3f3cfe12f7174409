//! Bounds of a decoder's intermediate values, from shape and arithmetic alone.

use super::{
    ModelArithmetic, ModelShape, MANTISSA_LIMIT, MAX_LINEAR_WIDTH, SQUARE_LIMIT, SQUARE_SHIFT,
    STREAM_BITS,
};
use crate::{QuantError, Rescale, MAX_LOG_ROWS, MODULUS, RSQRT_MAX};

/// That no intermediate value of a decoder can wrap around the field, whatever its weights and tokens
/// are: the only way to one is a check of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelBounds {
    max_accumulator: u64,
    max_norm_exponent: u8,
}

impl ModelBounds {
    /// Largest width of the stream: sums of squares stay below `2^28`.
    const MAX_HIDDEN: u64 = 1 << 13;

    /// Checks all intermediate values.
    ///
    /// With `W = 127 * 2^exponent` the largest weight, `M` the largest value and `n` the number of a
    /// matrix's inputs, an accumulator is at most `n W M`. What is rescaled and what its quotient,
    /// excess and remainder make up must differ by less than `p`, so that they are equal as integers if
    /// they are equal in the field.
    ///
    /// The components of the relation have to have room for one token as well: those whose heights follow
    /// from the shape, with the widest rows of weights.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`], naming the value, and [`QuantError::TooManyRows`].
    pub fn new(shape: &ModelShape, arithmetic: &ModelArithmetic) -> Result<Self, QuantError> {
        let modulus = u64::from(MODULUS);
        let max_value = u64::from(arithmetic.value_bits().max_value().unsigned_abs());
        let max_weight = u64::from(MANTISSA_LIMIT.unsigned_abs()) << arithmetic.weight_exponent();
        let accumulator = |inputs: usize| inputs as u64 * max_weight * max_value;
        let (hidden, queries, mlp) = (shape.hidden(), shape.query_width(), shape.mlp());
        let below = |quantity, bound: u64, limit: u64| {
            if bound < limit {
                return Ok(bound);
            }
            Err(QuantError::AccumulatorTooLarge {
                quantity,
                bound,
                limit,
            })
        };
        let rescaled = |quantity, bound: u64, rescale: Rescale| {
            // The remainder and the half unit are below one unit.
            below(
                quantity,
                bound + rescale.reach() + (1 << rescale.shift()),
                modulus,
            )
        };
        let before = 1_u64 << (STREAM_BITS - 1 + arithmetic.stream().shift());
        let rotary = 1_u64 << (super::ROTARY_BITS + super::ROTARY_SCALE_LOG);
        // Entries of an activation table are at most 8 M.
        let product = 8 * max_value * max_value;
        rescaled(
            "query and key accumulator",
            accumulator(hidden),
            arithmetic.rotary_input(),
        )?;
        rescaled("rotated value", rotary, arithmetic.rotation())?;
        rescaled("value accumulator", accumulator(hidden), arithmetic.value())?;
        let output = accumulator(queries.max(mlp)) + before;
        rescaled("stream accumulator", output, arithmetic.stream())?;
        rescaled("gate accumulator", accumulator(hidden), arithmetic.gate())?;
        rescaled("up accumulator", accumulator(hidden), arithmetic.up())?;
        rescaled("gated product", product, arithmetic.gated())?;
        below("gap between two logits", 2 * accumulator(hidden), 1 << 30)?;

        below("width of the stream", hidden as u64, Self::MAX_HIDDEN + 1)?;
        let squares = (hidden as u64) << SQUARE_SHIFT;
        let epsilon = u64::from(
            arithmetic
                .norm_epsilon()
                .max(arithmetic.embedding_epsilon()),
        );
        below(
            "sum of squares",
            squares + epsilon,
            SQUARE_LIMIT.unsigned_abs(),
        )?;
        let max_norm_exponent = arithmetic.max_norm_exponent(hidden);
        let scaled = u64::from(RSQRT_MAX + 1) << (STREAM_BITS - 1);
        rescaled(
            "normalized value",
            scaled,
            arithmetic.norm(max_norm_exponent),
        )?;
        check_rows(shape)?;
        Ok(Self {
            max_accumulator: accumulator(hidden.max(queries).max(mlp)),
            max_norm_exponent,
        })
    }

    /// No accumulator of a matrix exceeds this.
    #[must_use]
    pub const fn max_accumulator(&self) -> u64 {
        self.max_accumulator
    }

    /// No sum of squares has a larger exponent.
    #[must_use]
    pub const fn max_norm_exponent(&self) -> u8 {
        self.max_norm_exponent
    }
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
    use super::*;
    use crate::{
        AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelShifts,
        QueryHeads, ScoreStep, ValueBits, VocabularySize,
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

    fn arithmetic(stream: u8, norm: u8, weight_exponent: u8) -> ModelArithmetic {
        let shifts = ModelShifts {
            rotary_input: 8,
            value: 10,
            stream,
            embedding: 2,
            gate: 10,
            up: 10,
            gated: 10,
            rotation: 14,
            norm,
        };
        let bits = ValueBits::new(11).unwrap();
        ModelArithmetic::new(
            bits,
            shifts,
            5,
            6,
            ScoreStep::new(100).unwrap(),
            weight_exponent,
        )
        .unwrap()
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
        let bounds = ModelBounds::new(&shape(256, 704), &arithmetic(10, 13, 3)).unwrap();
        assert_eq!(bounds.max_accumulator(), 704 * 127 * 8 * 1023);
        assert_eq!(bounds.max_norm_exponent(), 5);
    }

    #[test]
    fn what_does_not() {
        let with = |shape, arithmetic| quantity(ModelBounds::new(&shape, &arithmetic));
        assert_eq!(
            with(shape(256, 704), arithmetic(10, 13, 5)),
            "stream accumulator"
        );
        assert_eq!(
            with(shape(256, 704), arithmetic(14, 13, 4)),
            "stream accumulator"
        );
        assert_eq!(
            with(shape(704, 704), arithmetic(10, 13, 3)),
            "gap between two logits"
        );
        // 2^20 (M + 1) + 2^29 + 2^25 with exponents of up to 5 fits; one more does not.
        let fits = |shape, arithmetic| ModelBounds::new(&shape, &arithmetic).is_ok();
        assert!(fits(shape(256, 704), arithmetic(10, 15, 3)));
        assert!(fits(shape(1023, 704), arithmetic(10, 15, 1)));
        assert_eq!(
            with(shape(1024, 704), arithmetic(10, 15, 1)),
            "normalized value"
        );
        assert!(fits(shape(1024, 704), arithmetic(10, 14, 1)));
        assert_eq!(
            with(shape(16_384, 64), arithmetic(10, 10, 0)),
            "value accumulator"
        );
    }
}
