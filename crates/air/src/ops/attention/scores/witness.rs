//! Trace generation of the scores component.
use matchmark_runtime::SegmentExecution;
use matchmark_tables::WeightTable;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use super::Scores;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::SegmentLayout;

/// One score as plain integers.
#[derive(Clone, Copy, Debug)]
struct Score {
    cache_row: usize,
    first: bool,
    last: bool,
    maximum: i64,
    index: u32,
    weight: u32,
    attained: i64,
    excess: i64,
    remainder: i64,
}

impl Generate for Scores {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let layout = &self.layout;
        let rows = scores(layout, execution.attention, execution.table);
        let column = |entry: fn(&Score) -> i64| -> Vec<M31> {
            rows.iter().map(|row| field(entry(row))).collect()
        };
        let Witness {
            cache_row,
            first,
            last,
            maximum,
            index,
            weight,
            attained,
            excess,
            remainder,
        } = Witness {
            cache_row: rows.iter().map(|row| M31::from(row.cache_row)).collect(),
            first: column(|row| i64::from(row.first)),
            last: column(|row| i64::from(row.last)),
            maximum: column(|row| row.maximum),
            index: column(|row| i64::from(row.index)),
            weight: column(|row| i64::from(row.weight)),
            attained: column(|row| row.attained),
            excess: layout
                .excess()
                .map(|gadget| gadget.generate(rows.iter().map(|row| row.excess))),
            remainder: layout.gap_remainder().map(|gadget| {
                let step = i64::from(layout.score_step());
                gadget.generate(rows.iter().map(|row| (row.remainder, step)))
            }),
        };
        let excess = excess
            .into_iter()
            .flat_map(|columns| columns.into_columns());
        let remainder = remainder
            .into_iter()
            .flat_map(|columns| columns.into_columns());
        [cache_row, first, last, maximum, index, weight, attained]
            .into_iter()
            .chain(excess)
            .chain(remainder)
            .map(Column::from)
            .collect()
    }
}

/// The rows of all runs, then rows that nobody asks for: runs of the first cache entry alone.
fn scores(layout: &SegmentLayout, execution: &SegmentExecution, table: &WeightTable) -> Vec<Score> {
    let last_dimension = layout.head_dim() - 1;
    let steps = layout.steps();
    let mut rows = Vec::with_capacity(1 << layout.log_rows().scores);
    let mut records = execution.scores.iter();
    for (index, step) in execution.rows.iter().enumerate() {
        let kv_head = execution.shape.kv_head_of(index / steps);
        let count = execution.steps.scores(index % steps);
        let mut attained = 0;
        for (position, record) in records.by_ref().take(count).enumerate() {
            attained += i64::from(attained == 0 && record.score == step.maximum);
            rows.push(Score {
                cache_row: layout.cache_row(kv_head, position, last_dimension),
                first: position == 0,
                last: position + 1 == count,
                maximum: step.maximum,
                index: record.index,
                weight: record.weight,
                attained,
                excess: record.quotient - i64::from(record.index),
                remainder: record.remainder,
            });
        }
    }
    let filler = Score {
        cache_row: layout.cache_row(0, 0, last_dimension),
        first: true,
        last: false,
        maximum: 0,
        index: 0,
        weight: table.entries()[0],
        attained: 1,
        excess: 0,
        remainder: 0,
    };
    rows.resize(1 << layout.log_rows().scores, filler);
    rows
}
