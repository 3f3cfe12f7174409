//! How large every intermediate value can become.

use serde::{Deserialize, Serialize};

use crate::{AttentionShape, CacheCapacity, QuantError, ScoreStep, ValueBits};

/// `2^30`: the magnitude that no intermediate value may reach. Below it, equality in the field M31
/// is equality of integers, signs included.
pub const ACCUMULATOR_LIMIT: u64 = 1 << 30;

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
/// [`ACCUMULATOR_LIMIT`].
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
}

impl AccumulatorBounds {
    /// Computes the bounds from the shape, the largest number of cache entries, the value width,
    /// the score step and the table.
    ///
    /// With `M` the largest value and `d` the head dimension: scores reach `M*M*d`, gaps twice
    /// that, denominators `capacity * max_weight`, numerators `(M+1)` times the denominator. The
    /// last is one denominator more than the sum itself reaches, so that `o*Z + u` fits as well.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`] if the gap, `D * L`, the numerator or twice the
    /// denominator could reach [`ACCUMULATOR_LIMIT`]; [`QuantError::ParameterOutOfRange`] for a
    /// table without entries or whose largest entry is 0.
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
        let max_numerator = below_limit(
            "numerator ((M + 1) * capacity * largest weight)",
            (max_value + 1) * denominator,
        )?;
        // At least 8 times smaller than the numerator, yet checked by name: the constraint system
        // relies on it directly.
        let twice = below_limit(
            "twice the denominator (2 * capacity * largest weight)",
            2 * denominator,
        )?;
        Ok(Self {
            max_score: max_gap / 2,
            max_gap,
            max_quotient: max_gap / i64::from(step.get()),
            max_denominator: twice / 2,
            max_numerator,
        })
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
        assert!(name(bounds(64, 4096, 8, 1, 256, 4096)).starts_with("numerator"));
        assert!(name(bounds(64, 1 << 20, 12, 1, 256, u32::MAX)).starts_with("numerator"));
        // Exactly at the limit is refused, one entry below is accepted.
        assert!(bounds(64, 2048, 8, 1, 256, 4096).is_err());
        assert!(bounds(64, 2047, 8, 1, 256, 4096).is_ok());
        assert!(bounds(64, 127, 12, 1, 256, 4096).is_ok());
        assert!(bounds(64, 128, 12, 1, 256, 4096).is_err());
        assert!(matches!(
            bounds(1, 1, 8, 1, 0, 1),
            Err(QuantError::ParameterOutOfRange { .. })
        ));
        assert!(matches!(
            bounds(1, 1, 8, 1, 2, 0),
            Err(QuantError::ParameterOutOfRange { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_lies(
            dim in 1u32..=1024, capacity in 1u32..=1 << 20, bits in 4u8..=12,
            step in 1u32..=1 << 24, len: u32, max_weight: u32,
        ) {
            if let Ok(b) = bounds(dim, capacity, bits, step, len, max_weight) {
                let limit = 1i64 << 30;
                prop_assert!(b.max_gap() < limit && b.max_numerator() < limit);
                prop_assert!(2 * b.max_denominator() < limit);
                prop_assert!(u64::from(step) * u64::from(len) < 1 << 30);
            }
        }
    }
}
