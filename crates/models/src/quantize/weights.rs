//! From a float matrix to integers.

use matchmark_quant::{Scale, STREAM_BITS};

use crate::floats::round_to_i32;
use crate::{Matrix, ModelError};

/// Rounds a matrix `[outputs, inputs]` to multiples of `unit`, of at most `limit` of them.
pub(super) fn quantize(
    matrix: &[f32],
    (outputs, inputs): (usize, usize),
    unit: f64,
    limit: i16,
) -> Result<Matrix, ModelError> {
    let limit = i32::from(limit);
    let rounded = matrix.iter().map(|&w| {
        let weight = round_to_i32(f64::from(w) / unit).clamp(-limit, limit);
        i16::try_from(weight).unwrap_or(0)
    });
    Matrix::new(outputs, inputs, rounded.collect())
}

pub(super) fn power_of_two(exponent: i32) -> f64 {
    libm::ldexp(1.0, exponent)
}

/// The embedding in its own units.
pub(super) fn quantize_embedding(embedding: &[f32], scale: Scale) -> Vec<i16> {
    let limit = 1i32 << (STREAM_BITS - 1);
    embedding
        .iter()
        .map(|&x| {
            let rounded = round_to_i32(f64::from(x) / scale.get());
            i16::try_from(rounded.clamp(-limit, limit - 1)).unwrap_or(0)
        })
        .collect()
}
