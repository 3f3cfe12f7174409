//! How large every intermediate value can become.

use serde::{Deserialize, Serialize};

use crate::{
    AttentionShape, CacheCapacity, DigitBounds, QuantError, ScoreStep, ValueBits,
    ACCUMULATOR_LIMIT, MAX_LIMB_BITS, MODULUS,
};

/// What the bounds need to know of a weight table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableBounds {
    /// Number of entries, `L`.
    pub len: u32,
    /// Largest entry.
    pub max_weight: u32,
}

/// The largest magnitude of every intermediate value of a decode, proven to stay below
/// [`ACCUMULATOR_LIMIT`], or, of numerators, to be sums of two digits that can be told apart in the field
/// ([`DigitBounds`]).
///
/// A rounded quotient is checked in the form `N = o*Z + u` with `-Z <= 2u < Z` (or `0 <= u < Z`
/// when rounding down); `2N + Z` is never formed, which is why `2N` has no bound here and `2Z` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccumulatorBounds {
    max_score: i64,
    max_gap: i64,
    max_quotient: i64,
    max_denominator: i64,
    max_numerator: i64,
    digits: Option<DigitBounds>,
}

impl AccumulatorBounds {
    /// Computes the bounds from the shape, the largest number of cache entries, the value width,
    /// the score step and the table.
    ///
    /// With `M` the largest value and `d` the head dimension: scores reach `M*M*d`, gaps twice
    /// that, denominators `capacity * max_weight`, numerators `(M+1)` times the denominator. The
    /// last is one denominator more than the sum itself reaches, so that `o*Z + u` fits as well. Where
    /// numerators could reach [`ACCUMULATOR_LIMIT`], values have two digits.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`] if the gap or `D * L` could reach [`ACCUMULATOR_LIMIT`];
    /// [`QuantError::TooManyEntries`] if two digits are not enough for the numerators;
    /// [`QuantError::ParameterOutOfRange`] for a table without entries or whose largest entry is 0.
    pub fn new(
        shape: &AttentionShape,
        capacity: CacheCapacity,
        bits: ValueBits,
        step: ScoreStep,
        table: TableBounds,
    ) -> Result<Self, QuantError> {
        for (parameter, got) in [
            ("table length", table.len),
            ("largest weight", table.max_weight),
        ] {
            if got == 0 {
                return Err(QuantError::ParameterOutOfRange {
                    parameter,
                    minimum: 1,
                    maximum: u64::from(u32::MAX),
                    got: 0,
                });
            }
        }
        let max_value = u64::from(bits.max_value().unsigned_abs());
        // The largest product below is 2^11 * 2^20 * 2^32 = 2^63: u64 holds all of them.
        let score = max_value * max_value * shape.head_dim() as u64;
        let denominator = u64::from(capacity.get()) * u64::from(table.max_weight);
        let max_gap = below_limit("score gap (2 * M * M * d)", 2 * score)?;
        below_limit(
            "score step times table length",
            u64::from(step.get()) * u64::from(table.len),
        )?;
        let numerator = (max_value + 1) * denominator;
        let digits = match numerator < ACCUMULATOR_LIMIT {
            true => None,
            false => Some(DigitBounds::new(bits, denominator).ok_or_else(|| {
                QuantError::TooManyEntries {
                    bits: bits.get(),
                    max_weight: table.max_weight,
                    expected: Self::max_entries(bits, table.max_weight),
                    got: capacity.get(),
                }
            })?),
        };
        // With one digit M + 1 is at least 8, with two a denominator has at most 2^27: twice of it is below
        // the limit as well.
        let twice = below_limit("twice the denominator", 2 * denominator)?;
        Ok(Self {
            max_score: max_gap / 2,
            max_gap,
            max_quotient: max_gap / i64::from(step.get()),
            max_denominator: twice / 2,
            max_numerator: (i64::from(bits.max_value()) + 1) * (twice / 2),
            digits,
        })
    }

    /// The most cache entries that values of this width and weights of up to this allow, in one digit or
    /// two, whatever the rest of the shape.
    #[must_use]
    pub fn max_entries(bits: ValueBits, max_weight: u32) -> u64 {
        let one = (ACCUMULATOR_LIMIT - 1) >> (u32::from(bits.get()) - 1);
        let two = DigitBounds::max_denominator_of(bits);
        one.max(two) / u64::from(max_weight.max(1))
    }

    /// `M*M*d`: no score is larger in magnitude.
    #[must_use]
    pub const fn max_score(&self) -> i64 {
        self.max_score
    }

    /// `2*M*M*d`: no gap between the maximum and a score is larger.
    #[must_use]
    pub const fn max_gap(&self) -> i64 {
        self.max_gap
    }

    /// `floor(max_gap / D)`: no gap quotient is larger, before clipping.
    #[must_use]
    pub const fn max_quotient(&self) -> i64 {
        self.max_quotient
    }

    /// `capacity * max_weight`: no denominator is larger.
    #[must_use]
    pub const fn max_denominator(&self) -> i64 {
        self.max_denominator
    }

    /// `(M+1) * max_denominator`: no numerator, and no `o*Z + u`, is larger in magnitude.
    #[must_use]
    pub const fn max_numerator(&self) -> i64 {
        self.max_numerator
    }

    /// The digits of values and outputs; `None` where values are carried whole, because no numerator reaches
    /// [`ACCUMULATOR_LIMIT`].
    #[must_use]
    pub const fn digits(&self) -> Option<&DigitBounds> {
        self.digits.as_ref()
    }
}

/// How far a gap, taken apart as `D * (index + excess) + remainder`, can reach before gaps are no longer
/// unique: what a proof needs of a score step besides [`AccumulatorBounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapBounds {
    max_excess: u64,
    limit: u64,
}

impl GapBounds {
    /// Computes the largest excess of a quotient over the last index, and checks that no gap could be
    /// taken for another.
    ///
    /// The true gap lies within `+-max_gap`, so a decomposition that cannot reach `p - max_gap` gives it.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`] if the decomposition could reach `p - max_gap`, or the excess
    /// does not fit two limbs.
    pub fn new(
        bounds: &AccumulatorBounds,
        step: ScoreStep,
        table_len: u32,
    ) -> Result<Self, QuantError> {
        let limit = u64::from(MODULUS) - bounds.max_gap.unsigned_abs();
        let max_excess =
            (bounds.max_quotient.unsigned_abs() + 1).saturating_sub(u64::from(table_len));
        let gaps = Self { max_excess, limit };
        for (quantity, bound, limit) in [
            (
                "decomposed gap (score step times table length and clipped part)",
                gaps.reach(step, table_len, max_excess),
                limit,
            ),
            (
                "clipped part of a gap quotient (a larger score step makes it smaller)",
                max_excess,
                1 << (2 * MAX_LIMB_BITS),
            ),
        ] {
            if bound >= limit {
                return Err(QuantError::AccumulatorTooLarge {
                    quantity,
                    bound,
                    limit,
                });
            }
        }
        Ok(gaps)
    }

    /// The largest excess of a quotient over the table's last index; 0 if no gap clips.
    #[must_use]
    pub const fn max_excess(&self) -> u64 {
        self.max_excess
    }

    /// Whether gaps are unique if the excess is an integer of at most `excess`.
    #[must_use]
    pub fn allow(&self, step: ScoreStep, table_len: u32, excess: u64) -> bool {
        self.reach(step, table_len, excess) < self.limit
    }

    fn reach(&self, step: ScoreStep, table_len: u32, excess: u64) -> u64 {
        u64::from(step.get()) * (u64::from(table_len) + excess)
    }
}

fn below_limit(quantity: &'static str, bound: u64) -> Result<i64, QuantError> {
    let too_large = QuantError::AccumulatorTooLarge {
        quantity,
        bound,
        limit: ACCUMULATOR_LIMIT,
    };
    if bound >= ACCUMULATOR_LIMIT {
        return Err(too_large);
    }
    i64::try_from(bound).map_err(|_| too_large)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{HeadDim, KvHeads, QueryHeads};
    use proptest::prelude::*;

    fn bounds(
        dim: u32,
        capacity: u32,
        bits: u8,
        step: u32,
        len: u32,
        max_weight: u32,
    ) -> Result<AccumulatorBounds, QuantError> {
        let shape = AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap();
        AccumulatorBounds::new(
            &shape,
            CacheCapacity::new(capacity).unwrap(),
            ValueBits::new(bits).unwrap(),
            ScoreStep::new(step).unwrap(),
            TableBounds { len, max_weight },
        )
    }

    #[test]
    fn eight_bits() {
        let b = bounds(64, 66, 8, 100, 256, 4096).unwrap();
        assert_eq!(b.max_score(), 127 * 127 * 64);
        assert_eq!(b.max_gap(), 2 * 127 * 127 * 64);
        assert_eq!(b.max_quotient(), 2 * 127 * 127 * 64 / 100);
        assert_eq!(b.max_denominator(), 66 * 4096);
        assert_eq!(b.max_numerator(), 128 * 66 * 4096);
    }

    #[test]
    fn every_limit_is_named() {
        let name = |result: Result<AccumulatorBounds, QuantError>| match result {
            Err(QuantError::AccumulatorTooLarge {
                quantity,
                bound,
                limit,
            }) => {
                assert!(bound >= limit);
                quantity
            }
            other => panic!("{other:?}"),
        };
        assert!(name(bounds(1024, 1, 12, 1, 2, 1)).starts_with("score gap"));
        assert!(name(bounds(64, 1, 8, 1 << 24, 256, 1)).starts_with("score step"));
        assert_eq!(
            bounds(64, 16_384, 8, 1, 256, 4096),
            Err(QuantError::TooManyEntries {
                bits: 8,
                max_weight: 4096,
                expected: 16_383,
                got: 16_384
            })
        );
        assert!(matches!(
            bounds(64, 1 << 20, 12, 1, 256, u32::MAX),
            Err(QuantError::TooManyEntries { expected: 0, .. })
        ));
        // Exactly at the limit is refused, one entry below is accepted. The first of the two numbers is the
        // last with one digit.
        for (bits, weight, one, two) in [
            (8, 4096, 2047, 16_383),
            (11, 2048, 511, 8252),
            (12, 2048, 255, 8191),
            (12, 4096, 127, 4095),
        ] {
            let digits = |entries| bounds(64, entries, bits, 1, 256, weight).map(|it| it.digits);
            assert_eq!(digits(one), Ok(None));
            assert!(digits(one + 1).unwrap().is_some());
            assert!(digits(two).unwrap().is_some());
            assert_eq!(
                digits(two + 1),
                Err(QuantError::TooManyEntries {
                    bits,
                    max_weight: weight,
                    expected: u64::from(two),
                    got: two + 1
                })
            );
        }
        assert!(matches!(
            bounds(1, 1, 8, 1, 0, 1),
            Err(QuantError::ParameterOutOfRange { .. })
        ));
        assert!(matches!(
            bounds(1, 1, 8, 1, 2, 0),
            Err(QuantError::ParameterOutOfRange { .. })
        ));
    }

    #[test]
    fn gaps_are_unique_or_refused() {
        let gaps = |dim, bits, step, len| {
            let bounds = bounds(dim, 4, bits, step, len, 256).unwrap();
            GapBounds::new(&bounds, ScoreStep::new(step).unwrap(), len)
        };
        // 2 * 127^2 * 64 / 100 and its clipped part.
        assert_eq!(gaps(64, 8, 100, 256).unwrap().max_excess(), 20_646 - 256);
        assert_eq!(gaps(64, 8, 10_000, 256).unwrap().max_excess(), 0);
        let refused = |result: Result<GapBounds, QuantError>| match result {
            Err(QuantError::AccumulatorTooLarge { quantity, .. }) => quantity,
            other => panic!("{other:?}"),
        };
        assert!(refused(gaps(64, 12, 1, 9)).starts_with("clipped part"));
        assert!(refused(gaps(128, 12, 5_000_000, 9)).starts_with("decomposed gap"));
        let step = ScoreStep::new(1000).unwrap();
        let gaps = gaps(128, 12, 1000, 9).unwrap();
        assert!(gaps.allow(step, 9, gaps.max_excess()));
        assert!(!gaps.allow(step, 9, 2 * gaps.max_excess()));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_lies(
            dim in 1u32..=1024, capacity in 1u32..=1 << 20, bits in 4u8..=12,
            step in 1u32..=1 << 24, len: u32, max_weight: u32,
        ) {
            if let Ok(b) = bounds(dim, capacity, bits, step, len, max_weight) {
                let limit = 1i64 << 30;
                prop_assert!(b.max_gap() < limit && 2 * b.max_denominator() < limit);
                prop_assert_eq!(b.max_numerator() < limit, b.digits().is_none());
                if let Some(digits) = b.digits() {
                    prop_assert!(digits.allow_carries(b.max_denominator().unsigned_abs()));
                }
                let most = AccumulatorBounds::max_entries(ValueBits::new(bits).unwrap(), max_weight);
                prop_assert!(u64::from(capacity) <= most);
                prop_assert!(u64::from(step) * u64::from(len) < 1 << 30);
            }
        }
    }
}
