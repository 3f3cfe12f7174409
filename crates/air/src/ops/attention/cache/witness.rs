//! Trace generation of the cache component.
use matchmark_quant::{centered, StepRange};
use matchmark_runtime::KvCache;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::columns::{LaneEntries, LaneWitness};
use super::Cache;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::SegmentLayout;

/// The columns of a state tree: key and value entries of each lane, zero beyond the cache's end.
pub fn entries(layout: &SegmentLayout, cache: &KvCache) -> Vec<Column> {
    let rows = 1 << layout.log_rows().cache;
    let mut columns = vec![vec![M31::zero(); rows]; 2 * layout.lanes()];
    for head in 0..layout.shape().attention().kv_heads() {
        for position in 0..cache.entries() {
            let (lane, start) = layout.lane_row(head, position, 0);
            let LaneEntries { key, value } = LaneEntries::of_lane(lane);
            for (column, vector) in [
                (key, cache.k(head, position)),
                (value, cache.v(head, position)),
            ] {
                for (offset, entry) in vector.iter().enumerate() {
                    columns[column][start + offset] = field(i64::from(*entry));
                }
            }
        }
    }
    columns.into_iter().map(Column::from).collect()
}

impl Generate for Cache {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        witness(&self.layout, execution.attention.steps, execution.after)
    }
}

/// The witness columns: new rows, uses of combined values, and high digits of values.
fn witness(layout: &SegmentLayout, steps: StepRange, after: &[Column]) -> Vec<Column> {
    let rows = 1 << layout.log_rows().cache;
    let attention = layout.shape().attention();
    let digits = layout.digits();
    let of_lane = |lane| LaneWitness::of_lane(lane, digits.is_some());
    let columns = of_lane(layout.lanes()).new;
    let mut columns = vec![vec![M31::zero(); rows]; columns];
    let last_dimension = layout.head_dim() - 1;
    let (before, count) = (steps.entries_before(), steps.steps());
    for head in 0..attention.kv_heads() {
        for position in 0..steps.entries_after() {
            // Step `t` attends to the positions up to `before + t`.
            let attending = count - position.saturating_sub(before);
            let (lane, row) = layout.lane_row(head, position, last_dimension);
            columns[of_lane(lane).value_uses][row] = M31::from(attending * attention.group_size());
            if position >= before {
                for dim in 0..=last_dimension {
                    let (lane, row) = layout.lane_row(head, position, dim);
                    columns[of_lane(lane).new][row] = M31::from(1);
                }
            }
        }
    }
    // Rows of the scores component that no step needs use the first entry.
    let of_head = (0..count).map(|t| layout.score_rows(steps.scores(t)));
    let claims = attention.query_heads() * of_head.sum::<usize>();
    let filler = (1 << layout.log_rows().scores) - claims;
    let (lane, row) = layout.lane_row(0, 0, last_dimension);
    columns[of_lane(lane).value_uses][row] += M31::from(filler);
    for lane in 0..layout.lanes() {
        if let Some((digits, high)) = digits.zip(of_lane(lane).value_high) {
            let values = &after[LaneEntries::of_lane(lane).value];
            let digit = |value: &M31| field(digits.high(centered(value.0)));
            columns[high] = values.iter().map(digit).collect();
        }
    }
    columns.into_iter().map(Column::from).collect()
}
