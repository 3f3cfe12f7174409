//! What a row (matrix, block of outputs, input) of the linear component is.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::{Extension, RunningSum};
use crate::harness::row::{Row, Source};
use crate::layout::decoder::DecoderLayout;
use crate::preprocessed::decoder::DecoderSelector;
use crate::trees::Tree;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// Name of the input.
    pub input: T,
    /// 1 on rows of a matrix.
    pub active: T,
    /// 1 where the block of the row before goes on.
    pub continues: T,
    /// 1 on the first row of a block that is not the first of its matrix.
    pub next_block: T,
    /// 1 on the last row of a matrix.
    pub last: T,
    /// Name of the outputs, on the last row of a matrix.
    pub output: T,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Weights of the block's outputs for this input; columns of the model tree.
    pub weights: Vec<E::F>,
    /// The input's random linear combination over the steps, `X = sum_i t^(S-1-i) x_i`.
    pub input: Extension<E>,
    /// Combined outputs of the matrix so far.
    pub output: RunningSum<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        let mut selector = |selector: DecoderSelector| row.decoder(selector);
        let selectors = Selectors {
            input: selector(DecoderSelector::LinearInput),
            active: selector(DecoderSelector::LinearActive),
            continues: selector(DecoderSelector::LinearContinues),
            next_block: selector(DecoderSelector::LinearNextBlock),
            last: selector(DecoderSelector::LinearLast),
            output: selector(DecoderSelector::LinearOutput),
        };
        Self {
            selectors,
            weights: (0..decoder.width())
                .map(|_| row.carried("weight", Source::Tree(Tree::Model)))
                .collect(),
            input: row.extension("input"),
            output: row.running_sum("output", 1),
        }
    }
}
