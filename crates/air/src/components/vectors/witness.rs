//! Trace generation of the vectors component.
use matchmark_quant::Rounding;
use matchmark_runtime::SegmentExecution;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use crate::gadgets::less_than::LessThanColumns;
use crate::layout::SegmentLayout;
use crate::witness::columns::field;
use crate::witness::{Column, TableUses};

/// The witness columns, counting what they look up.
pub fn generate(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    public: &[Column],
    uses: &mut TableUses,
) -> Vec<Column> {
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
    for column in [&public[0], &public[3]] {
        for value in column {
            uses.values.add(matchmark_quant::centered(value.0));
        }
    }
    let divisions = remainders
        .iter()
        .zip(&denominators)
        .map(|(remainder, denominator)| (*remainder, factor * *denominator));
    let limbs = &mut uses.limbs;
    let remainder = layout.remainder().generate(divisions, limbs);
    let offset = i64::from(layout.rounding_offset());
    let shift = layout.rounding_shift().map(|gadget| {
        let shifts = remainders
            .iter()
            .zip(&denominators)
            .map(|(remainder, denominator)| (remainder - denominator) / 2 + offset);
        gadget.generate(shifts, limbs)
    });
    let witness = Witness {
        denominator: denominators.iter().copied().map(field).collect::<Column>(),
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
        .collect()
}

/// The witness columns by name, for the projections.
pub struct Columns<'a> {
    /// Denominators.
    pub denominator: &'a [M31],
    remainder: LessThanColumns<&'a [M31]>,
    limb_size: M31,
}

impl<'a> Columns<'a> {
    /// Names the columns that [`generate`] made.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn of(layout: &SegmentLayout, columns: &'a [Column]) -> Self {
        let (denominator, others) = columns.split_first().expect("the first column");
        let mut others = others.iter().map(Vec::as_slice);
        let remainder = layout.remainder().name(&mut others);
        Self {
            denominator,
            remainder: remainder.expect("the remainder's columns"),
            limb_size: M31::from_u32_unchecked(1 << layout.log_rows().limbs),
        }
    }

    /// The remainder on a row.
    pub fn remainder(&self, row: usize) -> M31 {
        let LessThanColumns { low, wide } = &self.remainder;
        let high = wide
            .as_ref()
            .map_or_else(M31::zero, |wide| wide.high[row] * self.limb_size);
        low[row] + high
    }
}
