//! What a row of the scores component is: the scores of consecutive cache entries, side by side in its lanes, at one step
//! of one query head. The rows of a step are consecutive, from the first cache entry on; they are called a *run*. Its
//! last row is full; lanes of its first row that stand before the first entry are *absent*.
//!
//! Rows that no step needs are runs of one score that nobody asks for.
use alloc::vec::Vec;

use matchmark_statement::Cut;
use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::less_than::{LessThanColumns, LimbNames};
use crate::gadgets::non_negative::NonNegativeColumns;
use crate::harness::rlc::{Extension, RunningSum};
use crate::harness::row::{constant, Row, Source};
use crate::layout::SegmentLayout;
use crate::trees::Tree;

/// Columns of the witness tree that the scores of a row share. Columns of the type `Pair` are read at the row before,
/// too.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// Cache row of the last dimension of the row's last entry.
    pub cache_row: Pair,
    /// 1 on the first row of a run.
    pub first: T,
    /// How many steps end their run here.
    pub last: T,
    /// Maximal score of the run.
    pub maximum: Pair,
}

/// Columns of one score in the witness tree, and in a split segment of the tree of the pairs as well.
#[derive(Clone, Debug)]
pub struct Score<T> {
    /// 1 if the lane has an entry, 0 if it stands before the first one. The last lane has one always, and no column.
    pub present: Option<T>,
    /// Table index `g`. In a split segment a column of the tree of the pairs.
    pub index: T,
    /// Weight `T[g]`. In a split segment a column of the tree of the pairs.
    pub weight: T,
    /// How often the maximum was attained in the run so far, in multiples that the prover chooses.
    pub attained: T,
    /// What clipping took from the quotient; absent if the shape has no gap that clips.
    pub excess: Option<NonNegativeColumns<T>>,
    /// Remainder of the gap by the score step; absent if that is 1.
    pub remainder: Option<LessThanColumns<T>>,
}

/// What a row has of one entry.
pub struct Lane<E: EvalAtRow> {
    /// Its score.
    pub score: Score<E::F>,
    /// `V_p = r^d + sum_c r^(d-1-c) v_pc`, taken from the cache component.
    pub value: Extension<E>,
}

/// Columns of the RLC tree that the scores of a row share.
pub struct Rlcs<E: EvalAtRow> {
    /// `sum_p t^(j-p) s_p` over the run so far.
    pub score: RunningSum<E>,
    /// `sum_p w_p V_p` over the run so far.
    pub numerator: RunningSum<E>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
    /// How often the maximum was attained up to the row before: the last lane there.
    pub attained_before: E::F,
    /// The entries.
    pub lanes: Vec<Lane<E>>,
    /// Random linear combinations.
    pub rlcs: Rlcs<E>,
}

/// Names of the columns of the excess.
const EXCESS: LimbNames = LimbNames {
    low: "excess low",
    high: "excess high",
    complement_low: "excess complement low",
};
/// Names of the columns of the remainder.
const REMAINDER: LimbNames = LimbNames {
    low: "remainder low",
    high: "remainder high",
    complement_low: "remainder complement low",
};

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        let shared = |row: &mut Row<'_, E>, name| match layout.cut() {
            Cut::Fused => row.witness(name),
            Cut::Split => row.carried(name, Source::Tree(Tree::Pairs)),
        };
        let lanes = layout.score_lanes();
        let witness = Witness {
            cache_row: row.witness_before("cache row", 1),
            first: row.witness("first"),
            last: row.witness("last"),
            maximum: row.witness_before("maximum", 1),
        };
        let mut attained_before = constant::<E>(0);
        let mut of_entry = |lane: usize| {
            let is_last = lane + 1 == lanes;
            Score {
                present: (!is_last).then(|| row.witness("present")),
                index: shared(row, "index"),
                weight: shared(row, "weight"),
                attained: match is_last {
                    false => row.witness("attained"),
                    true => {
                        let [before, attained] = row.witness_before("attained", 1);
                        attained_before = before;
                        attained
                    }
                },
                excess: layout.excess().map(|gadget| gadget.read(row, &EXCESS)),
                remainder: layout
                    .gap_remainder()
                    .map(|gadget| gadget.read(row, &REMAINDER)),
            }
        };
        let scores: Vec<_> = (0..lanes).map(&mut of_entry).collect();
        let of_entry = |score| Lane {
            score,
            value: row.extension("value"),
        };
        Self {
            witness,
            attained_before,
            lanes: scores.into_iter().map(of_entry).collect(),
            rlcs: Rlcs {
                score: row.running_sum("score", 1),
                numerator: row.running_sum("numerator", 1),
            },
        }
    }
}
