//! What a row (token of the vocabulary, step) of the argmax component is.
use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::RunningSum;
use crate::harness::row::Row;
use crate::layout::decoder::DecoderLayout;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first token of the vocabulary.
    pub first: T,
    /// 1 on the first row.
    pub start: T,
    /// 1 on the last row that is not padding.
    pub last: T,
    /// The token; on padding the number of the row.
    pub token: T,
    /// The step; on padding one that the segment does not have.
    pub step: T,
}

/// Columns of the witness tree. `Pair` columns are read one token before as well.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// The largest logit of the step.
    pub maximum: Pair,
    /// 1 on tokens below the chosen one, 0 from it on.
    pub below: Pair,
    /// 1 on the chosen token.
    pub chosen: T,
    /// Low limb of `maximum - logit - below`.
    pub gap_low: T,
    /// High limb of `maximum - logit - below`.
    pub gap_high: T,
}

impl<T> Witness<T, T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; COLUMNS] {
        let Self {
            maximum,
            below,
            chosen,
            gap_low,
            gap_high,
        } = self;
        [maximum, below, chosen, gap_low, gap_high]
    }
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
    /// Combined logits so far.
    pub logits: RunningSum<E>,
}

/// Number of columns in the witness tree.
pub const COLUMNS: usize = 5;
impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        Self {
            selectors: Selectors {
                first: row.decoder(DecoderSelector::ArgmaxFirst),
                start: row.decoder(DecoderSelector::ArgmaxStart),
                last: row.decoder(DecoderSelector::ArgmaxLast),
                token: row.decoder(DecoderSelector::ArgmaxToken),
                step: row.decoder(DecoderSelector::ArgmaxStep),
            },
            witness: Witness {
                maximum: row.witness_before("maximum", decoder.steps()),
                below: row.witness_before("below", decoder.steps()),
                chosen: row.witness("chosen"),
                gap_low: row.witness("gap low"),
                gap_high: row.witness("gap high"),
            },
            logits: row.running_sum("logits", 1),
        }
    }
}
