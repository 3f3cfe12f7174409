//! From a float matrix to integers.

use matchmark_graph::STREAM_BITS;
use matchmark_quant::Scale;

use crate::floats::round_to_i32;
use crate::{FloatMatrix, Matrix, ModelError};

/// Rounds a matrix of so many outputs to multiples of `unit`, of at most `limit` of them, and its biases to
/// multiples of the unit of accumulators.
pub(super) fn quantize(
    matrix: &FloatMatrix,
    outputs: usize,
    (unit, accumulator): (f64, f64),
    limit: i16,
) -> Result<Matrix, ModelError> {
    let limit = i32::from(limit);
    let FloatMatrix { weights, biases } = matrix;
    let rounded = weights.iter().map(|&w| {
        let weight = round_to_i32(f64::from(w) / unit).clamp(-limit, limit);
        i16::try_from(weight).unwrap_or(0)
    });
    let quantized = Matrix::new(outputs, weights.len() / outputs, rounded.collect())?;
    if biases.is_empty() {
        return Ok(quantized);
    }
    let biases = biases.iter();
    quantized.with_biases(
        biases
            .map(|&b| round_to_i32(f64::from(b) / accumulator))
            .collect(),
    )
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
