//! What a row of the candidates component is: one candidate of one step of one query head. The rows
//! of a step are consecutive, from the first cache entry on; they are called a *run*.
//!
//! Rows that no step needs are runs of one candidate that nobody asks for.
use matchmark_statement::Boundary;
use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::less_than::LessThanColumns;
use crate::gadgets::non_negative::NonNegativeColumns;
use crate::gadgets::projection::{Extension, RunningSum};
use crate::harness::row::Row;
use crate::layout::SegmentLayout;

/// Columns of the witness tree, and of the boundary tree in a split segment. `Pair` columns are read at the row before as well.
#[derive(Clone, Debug)]
pub struct Witness<T, Pair> {
    /// Cache row of the candidate's last dimension.
    pub cache_row: Pair,
    /// 1 on the first candidate of a run.
    pub first: T,
    /// How many steps end their run here.
    pub last: T,
    /// Maximal score of the run.
    pub maximum: Pair,
    /// Table index `g`. In a split segment a column of the boundary tree.
    pub index: T,
    /// Weight `T[g]`. In a split segment a column of the boundary tree.
    pub weight: T,
    /// How often the maximum was attained in the run so far, in multiples that the prover chooses.
    pub attained: Pair,
    /// What clipping took from the quotient; absent if the shape has no gap that clips.
    pub excess: Option<NonNegativeColumns<T>>,
    /// Remainder of the gap by the score step; absent if that is 1.
    pub remainder: Option<LessThanColumns<T>>,
}

/// Columns of the projections tree.
pub struct Projections<E: EvalAtRow> {
    /// `V_p = r^d + sum_c r^(d-1-c) v_pc`, taken from the state component.
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
    /// Projections.
    pub projections: Projections<E>,
}

/// Number of columns in the boundary tree of a split segment: index and weight.
pub const BOUNDARY_COLUMNS: usize = 2;
/// Number of columns in the projections tree.
pub const PROJECTION_COLUMNS: usize = 12;

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        let split = layout.boundary() == Boundary::Split;
        let shared = |row: &mut Row<'_, E>| match split {
            false => row.witness(),
            true => {
                let [value] = row.carried([0]);
                value
            }
        };
        Self {
            witness: Witness {
                cache_row: row.witness_pair(),
                first: row.witness(),
                last: row.witness(),
                maximum: row.witness_pair(),
                index: shared(row),
                weight: shared(row),
                attained: row.witness_pair(),
                excess: layout.excess().map(|gadget| gadget.read(row)),
                remainder: layout.gap_remainder().map(|gadget| gadget.read(row)),
            },
            projections: Projections {
                value: Extension::read(row),
                score: RunningSum::read(row, 1),
                numerator: RunningSum::read(row, 1),
            },
        }
    }
}
