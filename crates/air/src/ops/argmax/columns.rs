//! What a row (tokens of the vocabulary, step) of the argmax component is. Consecutive tokens stand side by side in
//! the lanes of a row.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::RunningSum;
use crate::harness::row::{Row, Source};
use crate::layout::decoder::DecoderLayout;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first tokens of the vocabulary.
    pub first: T,
    /// 1 on the first row.
    pub start: T,
    /// 1 on the last row that is not padding.
    pub last: T,
    /// 1 on the first step, where there are several lanes.
    pub first_step: Option<T>,
}

/// Columns of the witness tree. Both are read one row of tokens before as well.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// The largest logit of the step.
    pub maximum: Pair,
    /// 1 on rows whose tokens are all below the chosen one, 0 on the others.
    pub below: Pair,
    /// The tokens.
    pub lanes: Vec<Lane<T>>,
}

/// Columns of one token in the witness tree.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    /// Low limb of `maximum - logit`, less one if the token is below the chosen one.
    pub gap_low: T,
    /// High limb of it.
    pub gap_high: T,
}

impl<T> Lane<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; LANE_COLUMNS] {
        let Self { gap_low, gap_high } = self;
        [gap_low, gap_high]
    }
}

/// Number of columns of a token in the witness tree.
pub const LANE_COLUMNS: usize = 2;

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
    /// Public columns, one a lane: 1 on the chosen token, 0 on all others.
    pub chosen: Vec<E::F>,
    /// Combined logits so far.
    pub logits: RunningSum<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        let lanes = decoder.argmax_lanes();
        let selectors = Selectors {
            first: row.decoder(DecoderSelector::ArgmaxFirst),
            start: row.decoder(DecoderSelector::ArgmaxStart),
            last: row.decoder(DecoderSelector::ArgmaxLast),
            first_step: (lanes > 1).then(|| row.decoder(DecoderSelector::ArgmaxFirstStep)),
        };
        let witness = Witness {
            maximum: row.witness_before("maximum", decoder.steps()),
            below: row.witness_before("below", decoder.steps()),
            lanes: (0..lanes)
                .map(|_| Lane {
                    gap_low: row.witness("gap low"),
                    gap_high: row.witness("gap high"),
                })
                .collect(),
        };
        let chosen = (0..lanes).map(|_| row.carried(CHOSEN, Source::Public));
        Self {
            selectors,
            witness,
            chosen: chosen.collect(),
            logits: row.running_sum("logits", 1),
        }
    }
}

/// Name of the public columns.
pub const CHOSEN: &str = "chosen";
