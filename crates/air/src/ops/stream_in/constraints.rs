//! Constraints of the stream-in component.
use matchmark_graph::EMBEDDING_SHIFT;
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, STREAM_OUTPUT};
use crate::relation::LinearOutput;

/// The stream-in component of one part.
#[derive(Clone, Debug)]
pub struct StreamIn {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl StreamIn {
    /// The component of a part.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for StreamIn {
    fn name(&self) -> &'static str {
        "stream in"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().stream_in
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            stream,
            combined,
        } = Columns::read(row);
        // What the first stage adds to nothing is the stream of the port, in the place of an embedding: the
        // stage's own constraints then hold its value to the port's, for every channel and step. Else: the layers
        // begin with any stream.
        let step = row.rlc().position;
        let follows = constant::<E>(1) - selectors.first;
        let unit = M31::from_u32_unchecked(1 << EMBEDDING_SHIFT);
        let combined = row.accumulate("combined stream accumulates", combined, |sum, before| {
            sum - before * step * follows.clone() - E::EF::from(stream.clone() * unit)
        });
        let last = STREAM_OUTPUT + self.decoder.norm_row(0, self.decoder.steps() - 1);
        let name = u32::try_from(last).unwrap_or(u32::MAX);
        row.provide_times(
            selectors.last,
            LinearOutput {
                name: constant::<E>(name),
                value: combined.coordinates,
            },
        );
    }
}
