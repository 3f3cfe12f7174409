//! What a row (channel, step) of the stream-in component is.
use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::RunningSum;
use crate::harness::row::{Row, Source};
use crate::preprocessed::decoder::DecoderSelector;
use crate::trees::Tree;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first row.
    pub first: T,
    /// 1 on the last row that is not padding.
    pub last: T,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// The stream, in the tree of its port.
    pub stream: E::F,
    /// The stream over the rows so far, in the units of accumulators.
    pub combined: RunningSum<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                first: row.decoder(DecoderSelector::StreamInFirst),
                last: row.decoder(DecoderSelector::StreamInLast),
            },
            stream: row.carried("stream", Source::Tree(Tree::StreamIn)),
            combined: row.running_sum("combined stream", 1),
        }
    }
}
