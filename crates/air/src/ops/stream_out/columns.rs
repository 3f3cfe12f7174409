//! What a row (channel, step) of the stream-out component is.
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::{Row, Source};
use crate::preprocessed::decoder::DecoderSelector;
use crate::trees::Tree;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on rows that are not padding.
    pub active: T,
    /// Number of (last stage, step).
    pub norm: T,
    /// Name of the channel's normalized value in the last stage.
    pub input: T,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// The stream, in the tree of its port.
    pub stream: E::F,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                active: row.decoder(DecoderSelector::StreamOutActive),
                norm: row.decoder(DecoderSelector::StreamOutNorm),
                input: row.decoder(DecoderSelector::StreamOutInput),
            },
            stream: row.carried("stream", Source::Tree(Tree::StreamOut)),
        }
    }
}
