//! What a row of the scores component is: the score of one cache entry at one step of one query head. The
//! rows of a step are consecutive, from the first cache entry on; they are called a *run*.
//!
//! Rows that no step needs are runs of one score that nobody asks for.
use matchmark_statement::Cut;
use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::less_than::{LessThanColumns, LimbNames};
use crate::gadgets::non_negative::NonNegativeColumns;
use crate::harness::rlc::{Extension, RunningSum};
use crate::harness::row::{Row, Source};
use crate::layout::SegmentLayout;
use crate::trees::Tree;

/// Columns of the witness tree, and in a split segment of the tree of the pairs as well. Columns of the type
/// `Pair` are read at the row before, too.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// Cache row of the entry's last dimension.
    pub cache_row: Pair,
    /// 1 on the first score of a run.
    pub first: T,
    /// How many steps end their run here.
    pub last: T,
    /// Maximal score of the run.
    pub maximum: Pair,
    /// Table index `g`. In a split segment a column of the tree of the pairs.
    pub index: T,
    /// Weight `T[g]`. In a split segment a column of the tree of the pairs.
    pub weight: T,
    /// How often the maximum was attained in the run so far, in multiples that the prover chooses.
    pub attained: Pair,
    /// What clipping took from the quotient; absent if the shape has no gap that clips.
    pub excess: Option<NonNegativeColumns<T>>,
    /// Remainder of the gap by the score step; absent if that is 1.
    pub remainder: Option<LessThanColumns<T>>,
}

/// Columns of the RLC tree.
pub struct Rlcs<E: EvalAtRow> {
    /// `V_p = r^d + sum_c r^(d-1-c) v_pc`, taken from the cache component.
    pub value: Extension<E>,
    /// `sum_p t^(j-p) s_p` over the run so far.
    pub score: RunningSum<E>,
    /// `sum_p w_p V_p` over the run so far.
    pub numerator: RunningSum<E>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2]>,
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
        Self {
            witness: Witness {
                cache_row: row.witness_before("cache row", 1),
                first: row.witness("first"),
                last: row.witness("last"),
                maximum: row.witness_before("maximum", 1),
                index: shared(row, "index"),
                weight: shared(row, "weight"),
                attained: row.witness_before("attained", 1),
                excess: layout.excess().map(|gadget| gadget.read(row, &EXCESS)),
                remainder: layout
                    .gap_remainder()
                    .map(|gadget| gadget.read(row, &REMAINDER)),
            },
            rlcs: Rlcs {
                value: row.extension("value"),
                score: row.running_sum("score", 1),
                numerator: row.running_sum("numerator", 1),
            },
        }
    }
}
