//! From a float matrix to mantissas and exponents.

use matchmark_quant::{Scale, MANTISSA_LIMIT, STREAM_BITS};

use super::calibrate::largest;
use crate::floats::round_to_i32;
use crate::{Matrix, ModelError};

/// Rounds a matrix `[outputs, inputs]` to multiples of `unit`, each output channel to the smallest power
/// of two of it that its largest weight allows.
pub(super) fn quantize(
    matrix: &[f64],
    outputs: usize,
    inputs: usize,
    unit: f64,
) -> Result<Matrix, ModelError> {
    let mut mantissas = Vec::with_capacity(matrix.len());
    let mut exponents = Vec::with_capacity(outputs);
    for row in matrix.chunks_exact(inputs) {
        let exponent = exponent_for(largest(row), unit);
        let step = unit * power_of_two(exponent);
        mantissas.extend(row.iter().map(|w| mantissa(w / step)));
        exponents.push(exponent);
    }
    Matrix::new(outputs, inputs, mantissas, exponents)
}

/// The smallest exponent with which a weight of this magnitude has a mantissa of at most 127.
pub(super) fn exponent_for(magnitude: f64, unit: f64) -> u8 {
    let limit = f64::from(MANTISSA_LIMIT) + 0.5;
    let mut exponent = 0;
    while magnitude / (unit * power_of_two(exponent)) >= limit && exponent < u8::MAX {
        exponent += 1;
    }
    exponent
}

pub(super) fn power_of_two(exponent: u8) -> f64 {
    libm::ldexp(1.0, i32::from(exponent))
}

fn mantissa(x: f64) -> i8 {
    let limit = i32::from(MANTISSA_LIMIT);
    i8::try_from(round_to_i32(x).clamp(-limit, limit)).unwrap_or(0)
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
