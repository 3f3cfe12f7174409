//! Normalization by the root of the mean square, without a division.

use matchmark_graph::{NormArithmetic, SQUARE_LIMIT, SQUARE_SHIFT};
use matchmark_quant::RSQRT_LOG_LEN;

use super::Run;
use crate::{ModelError, Operation};

/// The normalization of one token: everything but the normalized values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NormRecord {
    /// Sum of the squares.
    pub square_sum: i64,
    /// The sum in units of `2^15`, rounded down, with epsilon: below `2^28`.
    pub q: u32,
    /// The smallest `e` with `q < 2^14 4^e`, 0 to 7.
    pub exponent: u8,
    /// `floor(q / 4^e)`, below `2^14`.
    pub mantissa: u32,
    /// The table's entry of the mantissa.
    pub factor: u32,
}

impl NormRecord {
    /// Everything that follows from the sum of the squares; `factor` is left at 0. The error is the
    /// scaled sum that is too large.
    fn of(square_sum: i64, epsilon: u32) -> Result<Self, i64> {
        let q = (square_sum >> SQUARE_SHIFT) + i64::from(epsilon);
        if q >= SQUARE_LIMIT {
            return Err(q);
        }
        // A sum of squares is not negative.
        let q = u32::try_from(q).unwrap_or(0);
        let mut exponent = 0;
        while q >> (RSQRT_LOG_LEN + 2 * exponent) != 0 {
            exponent += 1;
        }
        Ok(Self {
            square_sum,
            q,
            exponent,
            mantissa: q >> (2 * exponent),
            factor: 0,
        })
    }
}

impl Run<'_> {
    /// Normalizes the stream of every token.
    pub(super) fn normalize(
        &mut self,
        at: (Operation, Option<usize>),
        norm: NormArithmetic,
        stream: &[i32],
    ) -> Result<Vec<i32>, ModelError> {
        let hidden = self.model.shape().hidden();
        let mut normalized = Vec::with_capacity(stream.len());
        for (token, h) in stream.chunks_exact(hidden).enumerate() {
            let place = |channel| self.place(at, hidden, token * hidden + channel);
            let square_sum = h.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
            let mut record = NormRecord::of(square_sum, norm.epsilon).map_err(|got| {
                ModelError::SquareSumTooLarge {
                    place: place(0),
                    limit: SQUARE_LIMIT,
                    got,
                }
            })?;
            // A mantissa is below 2^14, the length of the table.
            let mantissa = usize::try_from(record.mantissa).unwrap_or(usize::MAX);
            record.factor = self.model.tables().rsqrt.get(mantissa).unwrap_or(0);
            let rescale = self.terms().norm(norm, record.exponent);
            for (channel, &x) in h.iter().enumerate() {
                let product = i64::from(x) * i64::from(record.factor);
                let rescaled = rescale
                    .apply(product)
                    .map_err(|reason| ModelError::OutOfRange {
                        place: place(channel),
                        reason,
                    })?;
                normalized.push(rescaled.out);
            }
            self.execution.norms.push(record);
        }
        Ok(normalized)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use matchmark_graph::{ArithmeticId, ArithmeticTerms, ModelArithmetic};
    use matchmark_quant::{ScoreStep, ValueBits};
    use matchmark_tables::reciprocal_root;
    use proptest::prelude::*;

    #[test]
    fn ends() {
        let zero = NormRecord::of(0, 0).unwrap();
        assert_eq!((zero.q, zero.exponent, zero.mantissa), (0, 0, 0));
        let last = (1i64 << 43) - 1;
        let record = NormRecord::of(last, 0).unwrap();
        assert_eq!((record.exponent, record.mantissa), (7, (1 << 14) - 1));
        assert_eq!(NormRecord::of(last, 1), Err(1 << 28));
        assert_eq!(NormRecord::of(last + 1, 0), Err(1 << 28));
    }

    /// Values of the fewest bits, whose range leaves the most to be clamped.
    fn terms() -> ArithmeticTerms {
        let (bits, step) = (ValueBits::new(4).unwrap(), ScoreStep::new(1).unwrap());
        ArithmeticTerms::new(bits, 1, step, ArithmeticId::from_bytes([0; 32])).unwrap()
    }

    /// Normalizes a channel whose vector has squares of `square_sum`, by every shift. Gives the product with
    /// the reciprocal root.
    fn normalize(h: i64, square_sum: i64, epsilon: u32) -> i64 {
        let record = NormRecord::of(square_sum, epsilon).unwrap();
        let product = h * i64::from(reciprocal_root(record.mantissa as usize));
        for shift in ModelArithmetic::MIN_NORM_SHIFT..=ModelArithmetic::MAX_NORM_SHIFT {
            let norm = NormArithmetic { shift, epsilon };
            let rescale = terms().norm(norm, record.exponent);
            let rescaled = rescale.apply(product);
            let shift = shift + record.exponent;
            assert_eq!(rescale.excess_bits(), 26 - shift);
            assert!(
                rescaled.is_ok(),
                "{h} of {square_sum}, epsilon {epsilon}, shift {shift}: {rescaled:?}"
            );
        }
        product
    }

    /// One channel has all of the norm, or nearly all: every value that it can have, with and without
    /// epsilon. The product comes near its bound of `2^26`, and no normalization is refused.
    #[test]
    fn a_dominating_channel_can_be_normalized() {
        let mut largest = 0;
        for magnitude in 0..=1i64 << 15 {
            for h in [-magnitude, magnitude.min((1 << 15) - 1)] {
                for others in [0, 1, 5000, 1 << 16, 1 << 22] {
                    for epsilon in [0, 1, 3, 300] {
                        let product = normalize(h, h * h + others, epsilon);
                        largest = largest.max(product.abs());
                    }
                }
            }
        }
        assert_eq!(largest, 47_458_362);
        // A root of 2^17 / sqrt(2^13), rounded down.
        assert_eq!(normalize(-(1 << 15), 1 << 30, 0), -1448 << 15);
        assert_eq!(normalize(-(1 << 15), 1 << 30, 12), -1447 << 15);
    }

    /// Where the exponent changes, two, eight, 32 and more channels have half of the largest magnitude: the
    /// smallest mantissa of each exponent.
    #[test]
    fn every_exponent_meets_its_smallest_mantissa() {
        for exponent in 1..=7u8 {
            let channels = 2i64 << (2 * (exponent - 1));
            let record = NormRecord::of(channels << 28, 0).unwrap();
            assert_eq!((record.exponent, record.mantissa), (exponent, 1 << 12));
            assert_eq!(normalize(-(1 << 14), channels << 28, 0), -(1 << 25));
        }
    }

    proptest! {
        #[test]
        fn every_vector_can_be_normalized(
            h in prop::collection::vec(-(1i64 << 15)..1 << 15, 1..40),
            quiet in 0u32..16, loud in 0usize..40, epsilon in 0u32..1 << 20,
        ) {
            // All channels but one are quieter by a power of two.
            let loud = loud % h.len();
            let h: Vec<i64> = h
                .iter()
                .enumerate()
                .map(|(channel, x)| if channel == loud { *x } else { x >> quiet })
                .collect();
            let sum: i64 = h.iter().map(|x| x * x).sum();
            for x in h {
                prop_assert!(normalize(x, sum, epsilon).abs() <= 1 << 26);
            }
        }

        #[test]
        fn the_exponent_is_the_smallest(log in 0u32..43, low in 0i64..1 << 43, epsilon in 0u32..1 << 20) {
            let sum = low >> log;
            let Ok(record) = NormRecord::of(sum, epsilon) else {
                prop_assert!((sum >> 15) + i64::from(epsilon) >= 1 << 28);
                return Ok(());
            };
            let (q, e) = (u64::from(record.q), u32::from(record.exponent));
            prop_assert_eq!(q, (sum as u64 >> 15) + u64::from(epsilon));
            prop_assert!(q < 1 << (14 + 2 * e) && e <= 7);
            prop_assert!(e == 0 || q >= 1 << (12 + 2 * e));
            prop_assert_eq!(u64::from(record.mantissa), q / 4u64.pow(e));
            prop_assert!(record.mantissa < 1 << 14);
        }
    }
}
