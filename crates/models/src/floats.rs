//! The few float functions of the crate, the same on every machine: arithmetic that IEEE 754 rounds
//! exactly, and the functions of the `libm` crate, which are made of it.

use matchmark_graph::ModelShape;
use matchmark_quant::{Scale, ValueBits, ROTARY_SCALE_LOG};
use matchmark_tables::activations::Activation;
use matchmark_tables::{ActivationTable, RotaryTable, TableError};

use crate::Rope;

/// The nearest integer, halves away from zero; numbers beyond the ends of the range give those.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a float-to-integer cast saturates, and the rounded number is an integer"
)]
pub(crate) fn round_to_i32(x: f64) -> i32 {
    libm::round(x) as i32
}

/// The table of an activation for given scales of input and output.
pub(crate) fn activation_table(
    activation: Activation,
    bits: ValueBits,
    input: Scale,
    output: Scale,
) -> Result<ActivationTable, TableError> {
    let limit = bits.max_value();
    let entries = (-limit..=limit)
        .map(|g| round_to_i32(activation.at(f64::from(g) * input.get()) / output.get()))
        .collect();
    ActivationTable::new(bits, input, output, entries)
}

/// The angle of a pair of channels at a position.
pub(crate) fn rotary_angle(position: usize, pair: usize, head_dim: usize, rope: &Rope) -> f64 {
    position as f64 * rope.frequency(pair, head_dim)
}

/// The rotary table of a shape.
pub(crate) fn rotary_table(shape: &ModelShape, rope: &Rope) -> Result<RotaryTable, TableError> {
    let d = shape.attention().head_dim();
    let scale = f64::from(1u32 << ROTARY_SCALE_LOG);
    let mut entries = Vec::with_capacity(shape.positions() * d);
    for position in 0..shape.positions() {
        for pair in 0..d / 2 {
            let angle = rotary_angle(position, pair, d, rope);
            entries.push(round_to_i32(libm::cos(angle) * scale));
            entries.push(round_to_i32(libm::sin(angle) * scale));
        }
    }
    RotaryTable::new(&shape.attention(), shape.capacity(), entries)
}
