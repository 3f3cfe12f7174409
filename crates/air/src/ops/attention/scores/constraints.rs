//! Constraints of the scores component.
use matchmark_statement::Cut;
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::SegmentLayout;
use crate::relation::{StepTotals, ValueRlc, Weight};

/// The scores component of one segment.
#[derive(Clone, Debug)]
pub struct Scores {
    /// Layout of the segment.
    pub layout: SegmentLayout,
}

/// A small size as an expression.
fn size<E: EvalAtRow>(value: usize) -> E::F {
    E::F::from(M31::from(value))
}

impl Scores {
    /// The component of a segment.
    pub fn new(layout: &SegmentLayout) -> Self {
        Self {
            layout: layout.clone(),
        }
    }
}

impl Constraints for Scores {
    fn name(&self) -> &'static str {
        "scores"
    }

    fn log_rows(&self) -> u32 {
        self.layout.log_rows().scores
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let layout = &self.layout;
        let Columns { witness, rlcs } = Columns::read(row, layout);
        let rlc = row.rlc();
        let first = witness.first;
        let follows = constant::<E>(1) - first.clone();
        let [cache_row_before, cache_row] = witness.cache_row;
        let [maximum_before, maximum] = witness.maximum;
        let [attained_before, attained] = witness.attained;

        // A run visits every position: else scores are left out or counted twice. That it starts at the
        // head's first position is the flag beside the combined value below.
        row.constrain(
            "a run steps through consecutive positions",
            follows.clone()
                * (cache_row.clone() - cache_row_before - size::<E>(layout.position_stride())),
        );
        row.constrain(
            "the maximum is constant over a run",
            follows.clone() * (maximum.clone() - maximum_before),
        );

        // The gap e = D (g + x) + r, with r in 0..D, g an index of the table and x >= 0. All three
        // are range checked, so that e >= 0: the maximum bounds every score. The score is maximum
        // minus gap by definition and has no column.
        let excess = layout
            .excess()
            .zip(witness.excess.as_ref())
            .map(|(gadget, columns)| gadget.value::<E>(columns));
        let remainder = layout
            .gap_remainder()
            .zip(witness.remainder.as_ref())
            .map(|(gadget, columns)| gadget.value::<E>(columns));
        let quotient = witness.index.clone() + excess.clone().unwrap_or_else(E::F::zero);
        let gap = quotient * M31::from(layout.score_step()) + remainder.unwrap_or_else(E::F::zero);
        let score = maximum - gap.clone();

        // Nothing is clipped off below the last index: else a large gap takes a small index.
        if let Some(excess) = excess {
            row.constrain(
                "only the last index clips",
                excess * (witness.index.clone() - size::<E>(layout.table_len() - 1)),
            );
        }

        // `attained` grows only where the gap is zero, so if it is 1 at the end of a run, some gap
        // of the run is zero: the maximum is a score.
        row.constrain(
            "attained grows only where the gap is zero",
            (attained.clone() - follows.clone() * attained_before) * gap,
        );
        row.constrain(
            "a run that ends has attained its maximum",
            witness.last.clone() * (attained - constant::<E>(1)),
        );

        // Sums over the run, as random linear combinations.
        let totals = row.accumulate("combined scores accumulate", rlcs.score, |total, before| {
            total - before * follows.clone() * rlc.position - E::EF::from(score.clone())
        });
        let value = rlcs.value;
        let numerator = row.accumulate(
            "combined numerators accumulate w * V",
            rlcs.numerator,
            |numerator, before| {
                numerator - before * follows.clone() - value.value.clone() * witness.weight.clone()
            },
        );

        // The weight is the table's. In a split segment the lookup proof shows it, for the same columns.
        if layout.cut() == Cut::Fused {
            row.require(Weight {
                index: witness.index,
                weight: witness.weight,
            });
        }
        if let Some((gadget, columns)) = layout.excess().zip(witness.excess.as_ref()) {
            gadget.constrain(row, columns);
        }
        if let Some((gadget, columns)) = layout.gap_remainder().zip(witness.remainder.as_ref()) {
            gadget.constrain(row, columns, constant::<E>(layout.score_step()));
        }
        // The combined value is that of this cache row; `first` is 1 exactly at a head's first
        // position, so that a run neither starts late nor runs into the next head.
        row.receive_times(
            constant::<E>(1),
            value.place,
            ValueRlc {
                row: cache_row.clone(),
                first,
                value: value.coordinates,
            },
        );
        // These totals answer a step that ends its run at this position.
        row.require_times(
            witness.last,
            StepTotals {
                row: cache_row,
                scores: totals.coordinates,
                numerators: numerator.coordinates,
            },
        );
    }
}
