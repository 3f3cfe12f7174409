//! Trace generation of the vectors component.
use matchmark_quant::Rounding;
use matchmark_runtime::SegmentExecution;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::columns::Witness;
use crate::layout::SegmentLayout;
use crate::witness::columns::field;
use crate::witness::{Column, TableUses};

/// The witness columns, counting what they look up. Padding divides zero by one.
pub fn generate(
    layout: &SegmentLayout,
    execution: &SegmentExecution,
    public: &[Column],
    uses: &mut TableUses,
) -> Vec<Column> {
    let rows = 1 << layout.log_rows().vectors;
    let mut denominators = vec![1; rows];
    let mut remainders = vec![0; rows];
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
    let factor = match layout.rounding() {
        Rounding::Floor => 1,
        Rounding::NearestTiesUp => 2,
    };
    let divisions = remainders
        .iter()
        .zip(&denominators)
        .map(|(remainder, denominator)| (*remainder, factor * *denominator));
    let Witness {
        denominator,
        remainder,
    } = Witness {
        denominator: denominators.iter().copied().map(field).collect::<Column>(),
        remainder: layout.remainder().generate(divisions, &mut uses.limbs),
    };
    core::iter::once(denominator)
        .chain(remainder.into_columns())
        .collect()
}

/// The witness columns by name, for the projections.
pub struct Columns<'a> {
    /// Denominators.
    pub denominator: &'a [M31],
    remainder_low: &'a [M31],
    remainder_high: Option<&'a [M31]>,
    limb_size: M31,
}

impl<'a> Columns<'a> {
    /// Names the columns that [`generate`] made.
    pub fn of(layout: &SegmentLayout, columns: &'a [Column]) -> Self {
        Self {
            denominator: &columns[0],
            remainder_low: &columns[1],
            remainder_high: columns.get(2).map(Vec::as_slice),
            limb_size: M31::from_u32_unchecked(1 << layout.log_rows().limbs),
        }
    }

    /// The remainder on a row.
    pub fn remainder(&self, row: usize) -> M31 {
        let high = self
            .remainder_high
            .map_or_else(M31::zero, |high| high[row] * self.limb_size);
        self.remainder_low[row] + high
    }
}
