//! Normalization by the root of the mean square, without a division.

use matchmark_quant::{ModelArithmetic, RSQRT_LOG_LEN, SQUARE_LIMIT, SQUARE_SHIFT};

use super::{ModelExecution, Run};
use crate::{ModelError, Operation};

/// The normalization of one token: everything but the normalized values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NormRecord {
    /// Sum of the squares.
    pub square_sum: i64,
    /// The sum in units of `2^14`, rounded down, with epsilon: below `2^28`.
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
        &self,
        operation: Operation,
        layer: usize,
        stream: &[i32],
        execution: &mut ModelExecution,
    ) -> Result<Vec<i32>, ModelError> {
        let hidden = self.model.shape().hidden();
        let arithmetic: &ModelArithmetic = self.model.arithmetic();
        // What was recorded so far tells the stage.
        let stage = execution.norms.len() / self.steps.steps();
        let epsilon = arithmetic.epsilon_of_stage(stage);
        let mut normalized = Vec::with_capacity(stream.len());
        for (token, h) in stream.chunks_exact(hidden).enumerate() {
            let place = |channel| self.place(operation, layer, hidden, token * hidden + channel);
            let square_sum = h.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
            let mut record = NormRecord::of(square_sum, epsilon).map_err(|got| {
                ModelError::SquareSumTooLarge {
                    place: place(0),
                    limit: SQUARE_LIMIT,
                    got,
                }
            })?;
            // A mantissa is below 2^14, the length of the table.
            let mantissa = usize::try_from(record.mantissa).unwrap_or(usize::MAX);
            record.factor = self.model.tables().rsqrt.get(mantissa).unwrap_or(0);
            let rescale = arithmetic.norm(record.exponent);
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
            execution.norms.push(record);
        }
        execution.normalized.extend_from_slice(&normalized);
        Ok(normalized)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ends() {
        let zero = NormRecord::of(0, 0).unwrap();
        assert_eq!((zero.q, zero.exponent, zero.mantissa), (0, 0, 0));
        let last = (1i64 << 42) - 1;
        let record = NormRecord::of(last, 0).unwrap();
        assert_eq!((record.exponent, record.mantissa), (7, (1 << 14) - 1));
        assert_eq!(NormRecord::of(last, 1), Err(1 << 28));
        assert_eq!(NormRecord::of(last + 1, 0), Err(1 << 28));
    }

    proptest! {
        #[test]
        fn the_exponent_is_the_smallest(log in 0u32..42, low in 0i64..1 << 42, epsilon in 0u32..1 << 20) {
            let sum = low >> log;
            let Ok(record) = NormRecord::of(sum, epsilon) else {
                prop_assert!((sum >> 14) + i64::from(epsilon) >= 1 << 28);
                return Ok(());
            };
            let (q, e) = (u64::from(record.q), u32::from(record.exponent));
            prop_assert_eq!(q, (sum as u64 >> 14) + u64::from(epsilon));
            prop_assert!(q < 1 << (14 + 2 * e) && e <= 7);
            prop_assert!(e == 0 || q >= 1 << (12 + 2 * e));
            prop_assert_eq!(u64::from(record.mantissa), q / 4u64.pow(e));
            prop_assert!(record.mantissa < 1 << 14);
        }
    }
}
