//! Trace generation of the stream-in component: its columns are those of a port, and a running sum.
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::constraints::StreamIn;
use crate::column::{field, Column};
use crate::execution::{Execution, Generate};
use crate::layout::decoder::DecoderLayout;

/// The column of the port between two groups of layers, of a stream `[S, C]`: the same on both sides.
pub fn stream_column(decoder: &DecoderLayout, stream: &[i32]) -> Column {
    let rows = decoder.log_rows();
    let mut column = vec![M31::zero(); 1 << rows.stream_in.max(rows.stream_out)];
    let (channels, steps) = (decoder.shape().hidden(), decoder.steps());
    for (step, values) in stream.chunks_exact(channels).enumerate() {
        for (channel, value) in values.iter().enumerate() {
            column[channel * steps + step] = field(i64::from(*value));
        }
    }
    column.into()
}

impl Generate for StreamIn {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }
}
