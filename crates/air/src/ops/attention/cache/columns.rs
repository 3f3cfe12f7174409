//! What a row (key/value head within its lane, cache position `p`, dimension `c`) of the cache
//! component is. Every lane holds its share of the heads on the same rows.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::harness::rlc::RunningSum;
use crate::harness::row::{Row, Source};
use crate::layout::SegmentLayout;
use crate::preprocessed::Preprocessed;
use crate::trees::Tree;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first dimension of a position, and on padding.
    pub first_dimension: T,
    /// 1 on the first position of a head, and on padding.
    pub first_position: T,
    /// Number of the row.
    pub row: T,
}

/// Witness columns of one lane.
#[derive(Clone, Debug)]
pub struct LaneWitness<T> {
    /// 1 on rows that this segment appends.
    pub new: T,
    /// How many rows of the scores component use the combined value that ends at this row.
    pub value_uses: T,
    /// High digit of the value after the segment; absent where values are carried whole.
    pub value_high: Option<T>,
}

impl LaneWitness<usize> {
    /// Where a lane's columns stand among the witness columns, for values in two digits or carried whole.
    pub const fn of_lane(lane: usize, has_digits: bool) -> Self {
        let columns = if has_digits { 3 } else { 2 };
        let new = columns * lane;
        Self {
            new,
            value_uses: new + 1,
            value_high: if has_digits { Some(new + 2) } else { None },
        }
    }
}

/// Random linear combinations of one lane.
pub struct LaneRlcs<E: EvalAtRow> {
    /// `K_pc = sum_(p' <= p) t^(p-p') k_p'c`.
    pub keys: RunningSum<E>,
    /// `r^(c+1) + sum_(c' <= c) r^(c-c') v_pc'`; of values in two digits, `r^2` in the place of `r`, and
    /// `high_pc' r + low_pc'` in that of the value.
    pub values: RunningSum<E>,
}

/// Key and value entries of one lane, before or after the segment.
#[derive(Clone, Debug)]
pub struct LaneEntries<T> {
    /// Key entry.
    pub key: T,
    /// Value entry.
    pub value: T,
}

impl LaneEntries<usize> {
    /// Where a lane's columns stand in a state tree.
    pub const fn of_lane(lane: usize) -> Self {
        Self {
            key: 2 * lane,
            value: 2 * lane + 1,
        }
    }
}

/// One lane of a row.
pub struct Lane<E: EvalAtRow> {
    /// Witness columns.
    pub witness: LaneWitness<E::F>,
    /// Random linear combinations.
    pub rlcs: LaneRlcs<E>,
    /// Entries of the cache before the segment.
    pub before: LaneEntries<E::F>,
    /// Entries of the cache after the segment.
    pub after: LaneEntries<E::F>,
}

/// A whole row: selectors, then by tree, lane after lane.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// The lanes.
    pub lanes: Vec<Lane<E>>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, layout: &SegmentLayout) -> Self {
        let lanes = 0..layout.lanes();
        let selectors = Selectors {
            first_dimension: row.preprocessed(Preprocessed::CacheFirstDimension),
            first_position: row.preprocessed(Preprocessed::CacheFirstPosition),
            row: row.preprocessed(Preprocessed::CacheRow),
        };
        let witness: Vec<_> = lanes
            .clone()
            .map(|_| LaneWitness {
                new: row.witness("new"),
                value_uses: row.witness("value uses"),
                value_high: layout.digits().map(|_| row.witness("value high")),
            })
            .collect();
        let rlcs: Vec<_> = lanes
            .clone()
            .map(|_| LaneRlcs {
                keys: row.running_sum("combined keys", layout.position_stride()),
                values: row.running_sum("combined values", 1),
            })
            .collect();
        let mut entries = |tree: Tree| -> Vec<_> {
            lanes
                .clone()
                .map(|_| LaneEntries {
                    key: row.carried("key", Source::Tree(tree)),
                    value: row.carried("value", Source::Tree(tree)),
                })
                .collect()
        };
        let before = entries(Tree::StateBefore);
        let after = entries(Tree::StateAfter);
        let lanes = witness
            .into_iter()
            .zip(rlcs)
            .zip(before.into_iter().zip(after))
            .map(|((witness, rlcs), (before, after))| Lane {
                witness,
                rlcs,
                before,
                after,
            })
            .collect();
        Self { selectors, lanes }
    }
}
