//! What a row (tokens of the vocabulary, step) of the argmax component is. Consecutive tokens stand side by side in
//! the lanes of a row.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::RunningSum;
use crate::harness::row::Row;
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
    /// The token of the first lane; on padding the number of the row and lane.
    pub token: T,
    /// The step; on padding one that the segment does not have.
    pub step: T,
    /// 1 on the first step, where there are several lanes.
    pub first_step: Option<T>,
}

/// Columns of the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// The largest logit of the step; read one row of tokens before as well.
    pub maximum: Pair,
    /// 1 on the last lane's token one row of tokens before, if it is below the chosen one.
    pub below_before: T,
    /// 1 on the token of the first lane, if it is the chosen one. That of the others follows within the row.
    pub chosen: T,
    /// The tokens.
    pub lanes: Vec<Lane<T>>,
}

/// Columns of one token.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    /// 1 on tokens below the chosen one, 0 from it on.
    pub below: T,
    /// Low limb of `maximum - logit - below`.
    pub gap_low: T,
    /// High limb of `maximum - logit - below`.
    pub gap_high: T,
}

impl<T> Lane<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; LANE_COLUMNS] {
        let Self {
            below,
            gap_low,
            gap_high,
        } = self;
        [below, gap_low, gap_high]
    }
}

/// Number of columns of a token in the witness tree.
pub const LANE_COLUMNS: usize = 3;

impl Lane<usize> {
    /// Where a lane's columns stand among the witness columns, behind the maximum and the choice of the first.
    pub const fn of_lane(lane: usize) -> Self {
        let below = 2 + LANE_COLUMNS * lane;
        Self {
            below,
            gap_low: below + 1,
            gap_high: below + 2,
        }
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

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        let lanes = decoder.argmax_lanes();
        let selectors = Selectors {
            first: row.decoder(DecoderSelector::ArgmaxFirst),
            start: row.decoder(DecoderSelector::ArgmaxStart),
            last: row.decoder(DecoderSelector::ArgmaxLast),
            token: row.decoder(DecoderSelector::ArgmaxToken),
            step: row.decoder(DecoderSelector::ArgmaxStep),
            first_step: (lanes > 1).then(|| row.decoder(DecoderSelector::ArgmaxFirstStep)),
        };
        let maximum = row.witness_before("maximum", decoder.steps());
        let chosen = row.witness("chosen");
        let mut below_before = None;
        let mut lane = |lane: usize| {
            let below = if lane + 1 < lanes {
                row.witness("below")
            } else {
                let [before, below] = row.witness_before("below", decoder.steps());
                below_before = Some(before);
                below
            };
            Lane {
                below,
                gap_low: row.witness("gap low"),
                gap_high: row.witness("gap high"),
            }
        };
        let lanes = (0..lanes).map(&mut lane).collect();
        let Some(below_before) = below_before else {
            unreachable!("a row has a token");
        };
        Self {
            selectors,
            witness: Witness {
                maximum,
                below_before,
                chosen,
                lanes,
            },
            logits: row.running_sum("logits", 1),
        }
    }
}
