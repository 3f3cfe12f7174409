//! Integer matrices: 8-bit mantissas, one exponent for each output channel.

use matchmark_quant::{EXPONENT_LIMIT, MANTISSA_LIMIT};

use crate::ModelError;

/// A matrix of integer weights `mantissa * 2^exponent`, with one exponent for each output channel.
///
/// Mantissas lie in `[-127, 127]`, exponents in `0 ..= 8`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    outputs: usize,
    inputs: usize,
    mantissas: Vec<i8>,
    exponents: Vec<u8>,
}

impl Matrix {
    /// Takes mantissas `[outputs, inputs]` and the exponents of the output channels.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`], [`ModelError::MantissaOutOfRange`] and
    /// [`ModelError::ExponentOutOfRange`].
    pub fn new(
        outputs: usize,
        inputs: usize,
        mantissas: Vec<i8>,
        exponents: Vec<u8>,
    ) -> Result<Self, ModelError> {
        let wrong_length = |part: &str, expected, got| ModelError::WrongLength {
            part: part.to_owned(),
            expected,
            got,
        };
        let expected = outputs.saturating_mul(inputs);
        if mantissas.len() != expected {
            return Err(wrong_length("mantissas", expected, mantissas.len()));
        }
        if exponents.len() != outputs {
            return Err(wrong_length("exponents", outputs, exponents.len()));
        }
        if let Some(index) = mantissas.iter().position(|&m| m < -MANTISSA_LIMIT) {
            return Err(ModelError::MantissaOutOfRange {
                index,
                got: mantissas[index],
            });
        }
        if let Some(channel) = exponents.iter().position(|&e| e > EXPONENT_LIMIT) {
            return Err(ModelError::ExponentOutOfRange {
                channel,
                maximum: EXPONENT_LIMIT,
                got: exponents[channel],
            });
        }
        Ok(Self {
            outputs,
            inputs,
            mantissas,
            exponents,
        })
    }

    /// Number of output channels.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of input channels.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Mantissas, `[outputs, inputs]`.
    #[must_use]
    pub fn mantissas(&self) -> &[i8] {
        &self.mantissas
    }

    /// Exponents of the output channels.
    #[must_use]
    pub fn exponents(&self) -> &[u8] {
        &self.exponents
    }

    /// The weight from input channel `j` to output channel `o`.
    ///
    /// # Panics
    /// If there is no such channel.
    #[must_use]
    pub fn weight(&self, o: usize, j: usize) -> i32 {
        assert!(j < self.inputs, "no such input channel");
        i32::from(self.mantissas[o * self.inputs + j]) << self.exponents[o]
    }

    /// `inputs * 127 * 2^E * max_input` with `E` the largest exponent in use: a bound on accumulators
    /// that follows from the shape and the exponents alone.
    #[must_use]
    pub fn bound_by_shape(&self, max_input: i32) -> u64 {
        let exponent = self.exponents.iter().copied().max().unwrap_or(0);
        // At most 2^16 inputs, 2^7, 2^8 and 2^31: below 2^64 only if saturated.
        (self.inputs as u64)
            .saturating_mul(u64::from(MANTISSA_LIMIT.unsigned_abs()) << exponent)
            .saturating_mul(u64::from(max_input.unsigned_abs()))
    }

    /// `max_o sum_j |W[o][j]| * max_input`: the sharpest bound on accumulators.
    #[must_use]
    pub fn bound_by_weights(&self, max_input: i32) -> u64 {
        let rows = self.mantissas.chunks_exact(self.inputs.max(1));
        rows.zip(&self.exponents)
            .map(|(row, &exponent)| {
                let sum: u64 = row.iter().map(|m| u64::from(m.unsigned_abs())).sum();
                (sum << exponent).saturating_mul(u64::from(max_input.unsigned_abs()))
            })
            .max()
            .unwrap_or(0)
    }

    /// `max_o |W[o]| * norm`, rounded up: a bound on accumulators for inputs of at most this Euclidean norm.
    #[must_use]
    pub fn bound_by_norm(&self, norm: u64) -> u64 {
        let rows = self.mantissas.chunks_exact(self.inputs.max(1));
        rows.zip(&self.exponents)
            .map(|(row, &exponent)| {
                let squares: u128 = row
                    .iter()
                    .map(|m| u128::from(m.unsigned_abs()).pow(2))
                    .sum();
                // Of at most 2^16 inputs: below 2^47, and a norm has far fewer than 40 bits.
                let squares = (squares << (2 * exponent)).saturating_mul(u128::from(norm).pow(2));
                let root = squares.isqrt();
                let root = if root * root < squares {
                    root + 1
                } else {
                    root
                };
                u64::try_from(root).unwrap_or(u64::MAX)
            })
            .max()
            .unwrap_or(0)
    }

    /// Multiplies vectors `[tokens, inputs]` of values; the accumulators are `[tokens, outputs]`.
    ///
    /// The model has checked that no accumulator reaches `2^31`; values have at most 12 bits.
    pub(crate) fn apply(&self, values: &[i32]) -> Vec<i32> {
        // Sixteen bits, for the multiply-and-add of most machines.
        let narrow: Vec<i16> = values
            .iter()
            .map(|&x| i16::try_from(x).unwrap_or(i16::MAX))
            .collect();
        let tokens = narrow.len() / self.inputs.max(1);
        let mut accumulators = vec![0; tokens * self.outputs];
        let rows = self.mantissas.chunks_exact(self.inputs.max(1));
        for (o, (row, &exponent)) in rows.zip(&self.exponents).enumerate() {
            for (t, x) in narrow.chunks_exact(self.inputs.max(1)).enumerate() {
                accumulators[t * self.outputs + o] = dot(row, x) << exponent;
            }
        }
        accumulators
    }
}

fn dot(weights: &[i8], values: &[i16]) -> i32 {
    weights
        .iter()
        .zip(values)
        .map(|(&w, &x)| i32::from(w) * i32::from(x))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refused() {
        assert!(matches!(
            Matrix::new(2, 2, vec![0; 3], vec![0; 2]),
            Err(ModelError::WrongLength {
                expected: 4,
                got: 3,
                ..
            })
        ));
        assert!(matches!(
            Matrix::new(2, 2, vec![0; 4], vec![0; 1]),
            Err(ModelError::WrongLength {
                expected: 2,
                got: 1,
                ..
            })
        ));
        assert!(matches!(
            Matrix::new(1, 2, vec![-127, -128], vec![0]),
            Err(ModelError::MantissaOutOfRange {
                index: 1,
                got: -128
            })
        ));
        assert!(matches!(
            Matrix::new(2, 1, vec![0, 0], vec![8, 9]),
            Err(ModelError::ExponentOutOfRange {
                channel: 1,
                got: 9,
                ..
            })
        ));
        assert!(Matrix::new(usize::MAX, 2, vec![], vec![]).is_err());
    }

    #[test]
    fn bounds() {
        let matrix = Matrix::new(2, 2, vec![1, -2, 100, 127], vec![3, 1]).unwrap();
        assert_eq!((matrix.weight(0, 1), matrix.weight(1, 0)), (-16, 200));
        assert_eq!(matrix.bound_by_shape(1023), 2 * 127 * 8 * 1023);
        assert_eq!(matrix.bound_by_weights(1023), 227 * 2 * 1023);
        // The second row: 4 (100^2 + 127^2) = 104,516 is between 323^2 and 324^2.
        assert_eq!(matrix.bound_by_norm(1), 324);
        let exact = Matrix::new(1, 2, vec![3, -4], vec![1]).unwrap();
        assert_eq!(exact.bound_by_norm(7), 70);
    }

    proptest! {
        #[test]
        fn accumulators_are_the_sums(
            mantissas in prop::collection::vec(-127i8..=127, 12),
            exponents in prop::collection::vec(0u8..=5, 3),
            values in prop::collection::vec(-2047i32..=2047, 8),
        ) {
            let matrix = Matrix::new(3, 4, mantissas, exponents).unwrap();
            let got = matrix.apply(&values);
            for t in 0..2 {
                for o in 0..3 {
                    let sum: i32 = (0..4).map(|j| matrix.weight(o, j) * values[t * 4 + j]).sum();
                    prop_assert_eq!(got[t * 3 + o], sum);
                    prop_assert!(u64::from(sum.unsigned_abs()) <= matrix.bound_by_weights(2047));
                    let squares: u64 = values[t * 4..][..4].iter().map(|x| u64::from(x.unsigned_abs()).pow(2)).sum();
                    prop_assert!(u64::from(sum.unsigned_abs()) <= matrix.bound_by_norm(squares.isqrt() + 1));
                    prop_assert!(matrix.bound_by_weights(2047) <= matrix.bound_by_shape(2047));
                }
            }
        }
    }
}
