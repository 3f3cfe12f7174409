//! Trace generation of the scores component.
use matchmark_runtime::{ScoreRecord, SegmentExecution};
use matchmark_tables::WeightTable;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use super::Scores;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::SegmentLayout;

/// The rows of the component, as plain integers.
struct Rows {
    /// What the scores of a row share.
    rows: Vec<Row>,
    /// The scores, lane by lane of each row.
    scores: Vec<Score>,
}

/// What the scores of a row share.
#[derive(Clone, Copy, Debug)]
struct Row {
    cache_row: usize,
    first: bool,
    last: bool,
    maximum: i64,
}

/// One score.
#[derive(Clone, Copy, Debug)]
struct Score {
    present: bool,
    index: u32,
    weight: u32,
    attained: i64,
    excess: i64,
    remainder: i64,
}

impl Score {
    /// A score of gap zero that attains nothing: what stands in an absent lane.
    fn absent(table: &WeightTable) -> Self {
        Self {
            present: false,
            index: 0,
            weight: table.entries()[0],
            attained: 0,
            excess: 0,
            remainder: 0,
        }
    }

    /// A score of a run that has attained its maximum so often.
    fn of(record: &ScoreRecord, attained: i64) -> Self {
        Self {
            present: true,
            index: record.index,
            weight: record.weight,
            attained,
            excess: record.quotient - i64::from(record.index),
            remainder: record.remainder,
        }
    }
}

impl Generate for Scores {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let layout = &self.layout;
        let Rows { rows, scores } = rows(layout, execution.attention, execution.table);
        let shared = |entry: fn(&Row) -> i64| -> Vec<M31> {
            rows.iter().map(|row| field(entry(row))).collect()
        };
        let Witness {
            cache_row,
            first,
            last,
            maximum,
        } = Witness {
            cache_row: rows.iter().map(|row| M31::from(row.cache_row)).collect(),
            first: shared(|row| i64::from(row.first)),
            last: shared(|row| i64::from(row.last)),
            maximum: shared(|row| row.maximum),
        };
        let lanes = 0..layout.score_lanes();
        let lanes = lanes.flat_map(|lane| of_lane(layout, &scores, lane));
        [cache_row, first, last, maximum]
            .into_iter()
            .chain(lanes)
            .map(Column::from)
            .collect()
    }
}

/// The columns of one lane.
fn of_lane(layout: &SegmentLayout, scores: &[Score], lane: usize) -> Vec<Vec<M31>> {
    let of_row = scores.chunks_exact(layout.score_lanes());
    let scores = || of_row.clone().map(|row| row[lane]);
    let column =
        |entry: fn(Score) -> i64| -> Vec<M31> { scores().map(|it| field(entry(it))).collect() };
    let is_last = lane + 1 == layout.score_lanes();
    let present = (!is_last).then(|| column(|it| i64::from(it.present)));
    let excess = layout
        .excess()
        .map(|gadget| gadget.generate(scores().map(|it| it.excess)));
    let remainder = layout.gap_remainder().map(|gadget| {
        let step = i64::from(layout.score_step());
        gadget.generate(scores().map(|it| (it.remainder, step)))
    });
    let excess = excess.into_iter().flat_map(|it| it.into_columns());
    let remainder = remainder.into_iter().flat_map(|it| it.into_columns());
    let own = [
        column(|it| i64::from(it.index)),
        column(|it| i64::from(it.weight)),
        column(|it| it.attained),
    ];
    let columns = present.into_iter().chain(own);
    columns.chain(excess).chain(remainder).collect()
}

/// The rows of all runs, then rows that nobody asks for: runs of the first cache entry alone.
fn rows(layout: &SegmentLayout, execution: &SegmentExecution, table: &WeightTable) -> Rows {
    let last_dimension = layout.head_dim() - 1;
    let (steps, lanes) = (layout.steps(), layout.score_lanes());
    let absent = Score::absent(table);
    let count = 1 << layout.log_rows().scores;
    let mut rows = Vec::with_capacity(count);
    let mut scores = Vec::with_capacity(count * lanes);
    let mut records = execution.scores.iter();
    for (index, step) in execution.rows.iter().enumerate() {
        let kv_head = execution.shape.kv_head_of(index / steps);
        let count = execution.steps.scores(index % steps);
        let of_run = layout.score_rows(count);
        for number in 0..of_run {
            let after = (of_run - 1 - number) * lanes;
            rows.push(Row {
                cache_row: layout.cache_row(kv_head, count - 1 - after, last_dimension),
                first: number == 0,
                last: number + 1 == of_run,
                maximum: step.maximum,
            });
        }
        // The first row is filled up in front.
        scores.extend(core::iter::repeat_n(absent, of_run * lanes - count));
        let mut attained = 0;
        scores.extend(records.by_ref().take(count).map(|record| {
            attained += i64::from(attained == 0 && record.score == step.maximum);
            Score::of(record, attained)
        }));
    }
    let last = Score {
        present: true,
        attained: 1,
        ..absent
    };
    for _ in rows.len()..count {
        scores.extend(core::iter::repeat_n(absent, lanes - 1).chain([last]));
    }
    let filler = Row {
        cache_row: layout.cache_row(0, 0, last_dimension),
        first: true,
        last: false,
        maximum: 0,
    };
    rows.resize(count, filler);
    Rows { rows, scores }
}
