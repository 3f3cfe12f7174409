//! Trace generation of the vectors component.
use matchmark_quant::{centered, Rounding};
use matchmark_runtime::SegmentExecution;
use stwo::core::fields::m31::M31;

use super::super::cache::columns::LaneEntries;
use super::columns::{OutputDigits, Witness};
use super::Vectors;
use crate::column::field;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::layout::SegmentLayout;

impl Generate for Vectors {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let entries = execution.entries.iter().cloned();
        entries.chain(witness(&self.layout, execution)).collect()
    }
}

/// The witness columns, query head by query head of a row.
fn witness(layout: &SegmentLayout, all: &Execution<'_>) -> impl Iterator<Item = Column> {
    let lanes = 0..layout.vector_lanes();
    let columns: Vec<_> = lanes.flat_map(|lane| of_lane(layout, all, lane)).collect();
    columns.into_iter().map(Column::from)
}

/// The witness columns of one lane.
fn of_lane(layout: &SegmentLayout, all: &Execution<'_>, lane: usize) -> Vec<Vec<M31>> {
    let execution = all.attention;
    let rows = 1 << layout.log_rows().vectors;
    // Padding divides zero by one: 2 * 0 + 1 = 0 * 2 + 1, or 0 = 0 * 1 + 0.
    let (padding, factor) = match layout.rounding() {
        Rounding::Floor => (0, 1),
        Rounding::NearestTiesUp => (1, 2),
    };
    let mut denominators = vec![1; rows];
    let mut remainders = vec![padding; rows];
    for (index, at) in places(layout, execution, lane) {
        denominators[at.row] = execution.rows[index].denominator;
        remainders[at.row] = execution.remainders[index * layout.head_dim() + at.dim];
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
        digits: digits(layout, execution, all.after, lane),
    };
    let Witness {
        denominator,
        remainder,
        shift,
        digits,
    } = witness;
    let digits = digits.into_iter().flat_map(|OutputDigits { high, carry }| {
        core::iter::once(high).chain(carry.into_columns())
    });
    core::iter::once(denominator)
        .chain(remainder.into_columns())
        .chain(shift.into_iter().flat_map(|columns| columns.into_columns()))
        .chain(digits)
        .collect()
}

/// A row of the component, and the dimension that it is of.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    dim: usize,
}

/// Where the dimensions of each (head, step) of a lane stand, with the number of (head, step).
fn places<'a>(
    layout: &'a SegmentLayout,
    execution: &'a SegmentExecution,
    lane: usize,
) -> impl Iterator<Item = (usize, Place)> + 'a {
    let steps = layout.steps();
    (0..execution.rows.len()).flat_map(move |index| {
        let (head, step) = (index / steps, index % steps);
        (0..layout.head_dim()).filter_map(move |dim| {
            let (row, of) = layout.vector_row(head, step, dim);
            (of == lane).then_some((index, Place { row, dim }))
        })
    })
}

/// The digits of the outputs of a lane, where the layout has some: the high ones, and the carries.
fn digits(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    after: &[Column],
    lane: usize,
) -> Option<OutputDigits<Vec<M31>>> {
    let digits = layout.digits()?;
    let rows = 1 << layout.log_rows().vectors;
    let (mut high, mut carries) = (vec![0; rows], vec![0; rows]);
    let (steps, dim) = (layout.steps(), layout.head_dim());
    for (index, step_record) in execution.rows.iter().enumerate() {
        let (head, step) = (index / steps, index % steps);
        if layout.vector_row(head, step, 0).1 != lane {
            continue;
        }
        let kv_head = execution.shape.kv_head_of(head);
        let mut sums = vec![0; dim];
        for (position, score) in execution.scores_of(head, step).iter().enumerate() {
            let (lane, row) = layout.lane_row(kv_head, position, 0);
            let values = &after[LaneEntries::of_lane(lane).value][row..row + dim];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += i64::from(score.weight) * digits.high(centered(value.0));
            }
        }
        for (c, sum) in sums.into_iter().enumerate() {
            let (row, _) = layout.vector_row(head, step, c);
            high[row] = digits.high(i64::from(execution.out[index * dim + c]));
            carries[row] = sum - high[row] * step_record.denominator;
        }
    }
    let offset = i64::from(digits.carry_offset());
    let carries = carries.into_iter().map(|carry| carry + offset);
    Some(OutputDigits {
        high: high.into_iter().map(field).collect(),
        carry: digits.carry().generate(carries),
    })
}
