//! Trace generation of the candidates component.
use matchmark_runtime::SegmentExecution;
use matchmark_statement::Boundary;
use matchmark_tables::WeightTable;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use crate::layout::SegmentLayout;
use crate::witness::columns::field;
use crate::witness::{Column, TableUses};

/// One candidate as plain integers.
#[derive(Clone, Copy, Debug)]
struct Candidate {
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

/// The columns of the witness tree and those of the boundary tree, counting what they look up. The
/// boundary of a fused segment is empty: its columns stand in the witness tree.
pub fn generate(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    table: &WeightTable,
    uses: &mut TableUses,
) -> (Vec<Column>, Vec<Column>) {
    let rows = candidates(layout, execution, table);
    for row in &rows {
        uses.weights.add(i64::from(row.index));
    }
    let column = |entry: fn(&Candidate) -> i64| -> Column {
        rows.iter().map(|row| field(entry(row))).collect()
    };
    let limbs = &mut uses.limbs;
    let witness = Witness {
        cache_row: rows.iter().map(|row| M31::from(row.cache_row)).collect(),
        first: column(|row| i64::from(row.first)),
        last: column(|row| i64::from(row.last)),
        maximum: column(|row| row.maximum),
        index: column(|row| i64::from(row.index)),
        weight: column(|row| i64::from(row.weight)),
        attained: column(|row| row.attained),
        excess: layout
            .excess()
            .map(|gadget| gadget.generate(rows.iter().map(|row| row.excess), limbs)),
        remainder: layout.gap_remainder().map(|gadget| {
            let step = i64::from(layout.score_step());
            gadget.generate(rows.iter().map(|row| (row.remainder, step)), limbs)
        }),
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
    } = witness;
    let (shared, boundary) = match layout.boundary() {
        Boundary::Fused => (vec![index, weight], vec![]),
        Boundary::Split => (vec![], vec![index, weight]),
    };
    let columns = [cache_row, first, last, maximum]
        .into_iter()
        .chain(shared)
        .chain([attained])
        .chain(
            excess
                .into_iter()
                .flat_map(|columns| columns.into_columns()),
        )
        .chain(
            remainder
                .into_iter()
                .flat_map(|columns| columns.into_columns()),
        )
        .collect();
    (columns, boundary)
}

/// The columns of the boundary tree alone: table index and weight.
pub fn boundary_columns(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    table: &WeightTable,
) -> Vec<Column> {
    let rows = candidates(layout, execution, table);
    let column = |entry: fn(&Candidate) -> u32| -> Column {
        rows.iter().map(|row| M31::from(entry(row))).collect()
    };
    vec![column(|row| row.index), column(|row| row.weight)]
}

/// The rows of all runs, then rows that nobody asks for: runs of the first cache entry alone.
fn candidates(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    table: &WeightTable,
) -> Vec<Candidate> {
    let last_dimension = layout.head_dim() - 1;
    let steps = layout.steps();
    let mut rows = Vec::with_capacity(1 << layout.log_rows().candidates);
    let mut records = execution.candidates.iter();
    for (index, step) in execution.rows.iter().enumerate() {
        let kv_head = execution.shape.kv_head_of(index / steps);
        let count = execution.steps.candidates(index % steps);
        let mut attained = 0;
        for (position, record) in records.by_ref().take(count).enumerate() {
            attained += i64::from(attained == 0 && record.score == step.maximum);
            rows.push(Candidate {
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
    let filler = Candidate {
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
    rows.resize(1 << layout.log_rows().candidates, filler);
    rows
}

/// Low and high limb of a value.
type Limbs<'a> = (&'a [M31], Option<&'a [M31]>);

/// The witness columns by name, for the projections.
pub struct Columns<'a> {
    /// Cache rows.
    pub cache_row: &'a [M31],
    /// Flags of the first candidate of a run.
    pub first: &'a [M31],
    /// Weights.
    pub weight: &'a [M31],
    maximum: &'a [M31],
    index: &'a [M31],
    excess: Option<Limbs<'a>>,
    remainder: Option<Limbs<'a>>,
    limb_size: M31,
    score_step: M31,
}

impl<'a> Columns<'a> {
    /// Names the columns that [`generate`] made.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn of(layout: &SegmentLayout, columns: &'a [Column], boundary: &'a [Column]) -> Self {
        let (shared, optional) = match layout.boundary() {
            Boundary::Fused => (&columns[4..6], &columns[7..]),
            Boundary::Split => (boundary, &columns[5..]),
        };
        let mut optional = optional.iter().map(Vec::as_slice);
        let excess = layout.excess().map(|gadget| {
            let columns = gadget.name(&mut optional).expect("the excess's columns");
            let (low, high) = columns.limbs();
            (*low, high.copied())
        });
        let remainder = layout.gap_remainder().map(|gadget| {
            let columns = gadget.name(&mut optional);
            let columns = columns.expect("the remainder's columns");
            (columns.low, columns.wide.map(|wide| wide.high))
        });
        Self {
            cache_row: &columns[0],
            first: &columns[1],
            maximum: &columns[3],
            index: &shared[0],
            weight: &shared[1],
            excess,
            remainder,
            limb_size: M31::from_u32_unchecked(1 << layout.log_rows().limbs),
            score_step: M31::from(layout.score_step()),
        }
    }

    /// The score on a row: maximum less gap.
    pub fn score(&self, row: usize) -> M31 {
        let limbs = |columns: Option<Limbs<'_>>| {
            columns.map_or_else(M31::zero, |(low, high)| {
                low[row] + high.map_or_else(M31::zero, |high| high[row] * self.limb_size)
            })
        };
        let quotient = self.index[row] + limbs(self.excess);
        self.maximum[row] - quotient * self.score_step - limbs(self.remainder)
    }
}
