//! Integer matrices.

use matchmark_graph::{MatrixArithmetic, WEIGHT_LIMIT};

use crate::ModelError;

/// A matrix of integer weights in `[-2047, 2047]`, `[outputs, inputs]`, all in one unit; with a bias for each
/// output in units of its accumulators, or without.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    outputs: usize,
    inputs: usize,
    weights: Vec<i16>,
    biases: Vec<i32>,
    row_norm: u32,
    largest_bias: u32,
}

impl Matrix {
    /// Takes weights `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`] and [`ModelError::WeightOutOfRange`].
    pub fn new(outputs: usize, inputs: usize, weights: Vec<i16>) -> Result<Self, ModelError> {
        let expected = outputs.saturating_mul(inputs);
        if weights.len() != expected {
            return Err(ModelError::WrongLength {
                part: "weights".to_owned(),
                expected,
                got: weights.len(),
            });
        }
        let limit = -WEIGHT_LIMIT..=WEIGHT_LIMIT;
        if let Some(index) = weights.iter().position(|w| !limit.contains(w)) {
            return Err(ModelError::WeightOutOfRange {
                index,
                maximum: WEIGHT_LIMIT,
                got: weights[index],
            });
        }
        let rows = weights.chunks_exact(inputs.max(1));
        // A size is at most 2^20: below 2^31.
        let norms = rows.map(|row| row.iter().map(|w| u32::from(w.unsigned_abs())).sum());
        Ok(Self {
            outputs,
            inputs,
            row_norm: norms.max().unwrap_or(0),
            weights,
            biases: Vec::new(),
            largest_bias: 0,
        })
    }

    /// The same matrix with a bias for each output.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`] for another number of biases.
    pub fn with_biases(mut self, biases: Vec<i32>) -> Result<Self, ModelError> {
        if biases.len() != self.outputs {
            return Err(ModelError::WrongLength {
                part: "biases".to_owned(),
                expected: self.outputs,
                got: biases.len(),
            });
        }
        let magnitudes = biases.iter().map(|bias| bias.unsigned_abs());
        self.largest_bias = magnitudes.max().unwrap_or(0);
        self.biases = biases;
        Ok(self)
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

    /// The weights, `[outputs, inputs]`.
    #[must_use]
    pub fn weights(&self) -> &[i16] {
        &self.weights
    }

    /// The weight from input channel `j` to output channel `o`.
    ///
    /// # Panics
    /// If there is no such channel.
    #[must_use]
    pub fn weight(&self, o: usize, j: usize) -> i32 {
        assert!(j < self.inputs, "no such input channel");
        i32::from(self.weights[o * self.inputs + j])
    }

    /// The biases, `[outputs]`; none where the matrix has none.
    #[must_use]
    pub fn biases(&self) -> &[i32] {
        &self.biases
    }

    /// The bias of output channel `o`; 0 where the matrix has none.
    #[must_use]
    pub fn bias(&self, o: usize) -> i32 {
        self.biases.get(o).copied().unwrap_or(0)
    }

    /// The largest magnitude of a bias; 0 where the matrix has none.
    #[must_use]
    pub const fn max_bias(&self) -> u32 {
        self.largest_bias
    }

    /// `max_o sum_j |W[o][j]|`: times the largest input, the sharpest bound on accumulators.
    #[must_use]
    pub const fn row_norm(&self) -> u32 {
        self.row_norm
    }

    /// What an arithmetic states of the matrix.
    #[must_use]
    pub fn bounds(&self) -> MatrixArithmetic {
        MatrixArithmetic {
            row_norm: self.row_norm,
            bias: self.max_bias(),
        }
    }

    /// The sharpest bound on accumulators for inputs of at most this magnitude.
    #[must_use]
    pub const fn bound(&self, largest: u64) -> u64 {
        self.row_norm as u64 * largest + self.largest_bias as u64
    }

    /// `max_o |W[o]| * norm`, rounded up, and the largest bias: a bound on accumulators for inputs of at most this
    /// Euclidean norm.
    #[must_use]
    pub fn bound_by_norm(&self, norm: u64) -> u64 {
        let rows = self.weights.chunks_exact(self.inputs.max(1));
        rows.map(|row| {
            let squares = row.iter().map(|w| u128::from(w.unsigned_abs()).pow(2));
            // Of at most 2^20 inputs: below 2^42, and a norm has far fewer than 40 bits.
            let squares = squares.sum::<u128>() * u128::from(norm).pow(2);
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
        .saturating_add(self.max_bias().into())
    }

    /// Multiplies vectors `[tokens, inputs]` of values; the accumulators are `[tokens, outputs]`.
    ///
    /// The model has checked that no accumulator reaches `2^30`; values have at most 14 bits.
    pub(crate) fn apply(&self, values: &[i32]) -> Vec<i32> {
        // Sixteen bits, for the multiply-and-add of most machines.
        let narrow: Vec<i16> = values
            .iter()
            .map(|&x| i16::try_from(x).unwrap_or(i16::MAX))
            .collect();
        let tokens = narrow.len() / self.inputs.max(1);
        let mut accumulators = vec![0; tokens * self.outputs];
        let rows = self.weights.chunks_exact(self.inputs.max(1));
        for (o, row) in rows.enumerate() {
            for (t, x) in narrow.chunks_exact(self.inputs.max(1)).enumerate() {
                accumulators[t * self.outputs + o] = dot(row, x) + self.bias(o);
            }
        }
        accumulators
    }
}

fn dot(weights: &[i16], values: &[i16]) -> i32 {
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
            Matrix::new(2, 2, vec![0; 3]),
            Err(ModelError::WrongLength {
                expected: 4,
                got: 3,
                ..
            })
        ));
        for got in [-2048, 2048] {
            assert!(matches!(
                Matrix::new(1, 2, vec![-2047, got]),
                Err(ModelError::WeightOutOfRange { index: 1, got: other, .. }) if got == other
            ));
        }
        assert!(Matrix::new(usize::MAX, 2, vec![]).is_err());
    }

    #[test]
    fn biases_are_added() {
        let matrix = Matrix::new(2, 2, vec![1, -2, 100, 127]).unwrap();
        assert_eq!((matrix.bias(1), matrix.max_bias()), (0, 0));
        let by_norm = matrix.bound_by_norm(1);
        assert!(matrix.clone().with_biases(vec![1; 3]).is_err());
        let matrix = matrix.with_biases(vec![7, -9]).unwrap();
        assert_eq!(matrix.apply(&[10, 3, 0, 0]), [11, 1372, 7, -9]);
        assert_eq!((matrix.max_bias(), matrix.row_norm()), (9, 227));
        assert_eq!(matrix.bound_by_norm(1), by_norm + 9);
    }

    #[test]
    fn bounds() {
        let matrix = Matrix::new(2, 2, vec![1, -2, 100, 127]).unwrap();
        assert_eq!((matrix.weight(0, 1), matrix.weight(1, 0)), (-2, 100));
        assert_eq!(matrix.row_norm(), 227);
        // The second row: 100^2 + 127^2 = 26,129 is between 161^2 and 162^2.
        assert_eq!(matrix.bound_by_norm(1), 162);
        let exact = Matrix::new(1, 2, vec![3, -4]).unwrap();
        assert_eq!(exact.bound_by_norm(7), 35);
    }

    proptest! {
        #[test]
        fn accumulators_are_the_sums(
            weights in prop::collection::vec(-2047i16..=2047, 12),
            values in prop::collection::vec(-4096i32..=4095, 8),
        ) {
            let matrix = Matrix::new(3, 4, weights).unwrap();
            let got = matrix.apply(&values);
            for t in 0..2 {
                for o in 0..3 {
                    let sum: i32 = (0..4).map(|j| matrix.weight(o, j) * values[t * 4 + j]).sum();
                    prop_assert_eq!(got[t * 3 + o], sum);
                    prop_assert!(sum.unsigned_abs() <= matrix.row_norm() * 4096);
                    let squares: u64 = values[t * 4..][..4].iter().map(|x| u64::from(x.unsigned_abs()).pow(2)).sum();
                    prop_assert!(u64::from(sum.unsigned_abs()) <= matrix.bound_by_norm(squares.isqrt() + 1));
                }
            }
        }
    }
}
