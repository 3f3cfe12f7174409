//! Trace generation of the vectors component.
use matchmark_quant::Rounding;
use matchmark_runtime::SegmentExecution;

use super::columns::Witness;
use super::Vectors;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::SegmentLayout;

impl Generate for Vectors {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let entries = execution.entries.iter().cloned();
        entries
            .chain(witness(&self.layout, execution.attention))
            .collect()
    }
}

/// The witness columns.
fn witness(layout: &SegmentLayout, execution: &SegmentExecution) -> impl Iterator<Item = Column> {
    let rows = 1 << layout.log_rows().vectors;
    // Padding divides zero by one: 2 * 0 + 1 = 0 * 2 + 1, or 0 = 0 * 1 + 0.
    let (padding, factor) = match layout.rounding() {
        Rounding::Floor => (0, 1),
        Rounding::NearestTiesUp => (1, 2),
    };
    let mut denominators = vec![1; rows];
    let mut remainders = vec![padding; rows];
    let (steps, dim) = (layout.steps(), layout.head_dim());
    for (index, step_record) in execution.rows.iter().enumerate() {
        let (head, step) = (index / steps, index % steps);
        for c in 0..dim {
            let row = layout.vector_row(head, step, c);
            denominators[row] = step_record.denominator;
            remainders[row] = execution.remainders[index * dim + c];
        }
    }
    let divisions = remainders
        .iter()
        .zip(&denominators)
        .map(|(remainder, denominator)| (*remainder, factor * *denominator));
    let remainder = layout.remainder().generate(divisions);
    let offset = i64::from(layout.rounding_offset());
    let shift = layout.rounding_shift().map(|gadget| {
        let shifts = remainders
            .iter()
            .zip(&denominators)
            .map(|(remainder, denominator)| (remainder - denominator) / 2 + offset);
        gadget.generate(shifts)
    });
    let witness = Witness {
        denominator: denominators.iter().copied().map(field).collect::<Vec<_>>(),
        remainder,
        shift,
    };
    let Witness {
        denominator,
        remainder,
        shift,
    } = witness;
    core::iter::once(denominator)
        .chain(remainder.into_columns())
        .chain(shift.into_iter().flat_map(|columns| columns.into_columns()))
        .map(Column::from)
}
