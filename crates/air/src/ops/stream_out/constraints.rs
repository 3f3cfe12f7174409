//! Constraints of the stream-out component.
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::harness::row::{Constraints, Row};
use crate::layout::decoder::DecoderLayout;
use crate::relation::StreamValue;

/// The stream-out component of one part.
#[derive(Clone, Debug)]
pub struct StreamOut {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl StreamOut {
    /// The component of a part.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for StreamOut {
    fn name(&self) -> &'static str {
        "stream out"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().stream_out
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns { selectors, stream } = Columns::read(row);
        // The port holds the stream of the last stage, at its channel and step. Else: the layers behind begin with
        // another stream than these end with.
        row.require_times(
            selectors.active,
            StreamValue {
                norm: selectors.norm,
                input: selectors.input,
                value: stream,
            },
        );
    }
}
