//! Constraints of the scores component.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::Cut;
use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Lane, Score};
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
        let Columns {
            witness,
            attained_before,
            lanes,
            rlcs,
        } = Columns::read(row, layout);
        let rlc = row.rlc();
        let one = constant::<E>(1);
        let first = witness.first;
        let follows = one.clone() - first;
        let [cache_row_before, cache_row] = witness.cache_row;
        let [maximum_before, maximum] = witness.maximum;
        let (count, stride) = (lanes.len(), layout.position_stride());

        // A run visits every position: else scores are left out or counted twice. That it starts at the
        // head's first position is the flag beside the combined value below.
        row.constrain(
            "a run steps through consecutive positions",
            follows.clone() * (cache_row.clone() - cache_row_before - size::<E>(count * stride)),
        );
        row.constrain(
            "the maximum is constant over a run",
            follows.clone() * (maximum.clone() - maximum_before),
        );

        // What the rows before have attained; where a run begins, nothing.
        let mut attained = follows.clone() * attained_before;
        // Whether the lane before is present: on the first row of a run nothing stands before the first lane.
        let mut present_before = follows.clone();
        let mut scores: Vec<Present<E>> = vec![];
        for (index, lane) in lanes.into_iter().enumerate() {
            let Lane { score, value } = lane;
            let present = self.presence(row, &score, &present_before);
            let gap = self.gap(row, &score);
            // `attained` grows only where the gap is zero, so if it is 1 at the end of a run, some gap
            // of the run is zero: the maximum is a score.
            let grown = score.attained.clone() - attained;
            row.constrain(
                "attained grows only where the gap is zero",
                grown.clone() * gap.clone(),
            );
            if score.present.is_some() {
                // Else: an absent score attains any maximum.
                row.constrain(
                    "attained grows only where there is a score",
                    grown * (one.clone() - present.clone()),
                );
            }
            attained = score.attained.clone();
            // The combined value is that of this cache row, beside a flag that is 1 exactly at a head's first
            // position: so that a run neither starts late nor runs into the next head, whatever is absent.
            let before = size::<E>((count - 1 - index) * stride);
            row.receive_times(
                present.clone(),
                value.place,
                ValueRlc {
                    row: cache_row.clone() - before,
                    first: present.clone() - present_before,
                    value: value.coordinates.clone(),
                },
            );
            scores.push(Present {
                score: (maximum.clone() - gap) * present.clone(),
                weight: score.weight * present.clone(),
                value: value.value,
            });
            present_before = present;
        }
        row.constrain(
            "a run that ends has attained its maximum",
            witness.last.clone() * (attained - one),
        );

        // Sums over the run, as random linear combinations. What is absent adds nothing.
        let of_row = rlc.position.pow(count as u128);
        let totals = row.accumulate("combined scores accumulate", rlcs.score, |total, before| {
            let terms = scores.iter().fold(E::EF::zero(), |terms, it| {
                terms * rlc.position + E::EF::from(it.score.clone())
            });
            total - before * follows.clone() * of_row - terms
        });
        let numerator = row.accumulate(
            "combined numerators accumulate w * V",
            rlcs.numerator,
            |numerator, before| {
                let terms = scores.iter().fold(E::EF::zero(), |terms, it| {
                    terms + it.value.clone() * it.weight.clone()
                });
                numerator - before * follows.clone() - terms
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

/// What a lane adds to the sums of its run: zero, where it is absent.
struct Present<E: EvalAtRow> {
    score: E::F,
    weight: E::F,
    value: E::EF,
}

impl Scores {
    /// Whether a lane has an entry: a column but for the last lane, which always has one.
    fn presence<E: EvalAtRow>(
        &self,
        row: &mut Row<'_, E>,
        score: &Score<E::F>,
        present_before: &E::F,
    ) -> E::F {
        let Some(present) = score.present.clone() else {
            return constant::<E>(1);
        };
        // Behind the row before, and behind a lane that is present, there is an entry: what stands there is as present
        // as what stands before. Else: scores are left out, and a run begins in the head before.
        row.constrain(
            "no lane is absent behind one that is present",
            present_before.clone() * (present_before.clone() - present.clone()),
        );
        present
    }

    /// The gap of a score, as an expression of degree one.
    fn gap<E: EvalAtRow>(&self, row: &mut Row<'_, E>, score: &Score<E::F>) -> E::F {
        let layout = &self.layout;
        // The gap e = D (g + x) + r, with r in 0..D, g an index of the table and x >= 0. All three
        // are range checked, so that e >= 0: the maximum bounds every score. The score is maximum
        // minus gap by definition and has no column.
        let excess = layout
            .excess()
            .zip(score.excess.as_ref())
            .map(|(gadget, columns)| gadget.value::<E>(columns));
        let remainder = layout
            .gap_remainder()
            .zip(score.remainder.as_ref())
            .map(|(gadget, columns)| gadget.value::<E>(columns));
        let quotient = score.index.clone() + excess.clone().unwrap_or_else(E::F::zero);
        let gap = quotient * M31::from(layout.score_step()) + remainder.unwrap_or_else(E::F::zero);

        // Nothing is clipped off below the last index: else a large gap takes a small index.
        if let Some(excess) = excess {
            row.constrain(
                "only the last index clips",
                excess * (score.index.clone() - size::<E>(layout.table_len() - 1)),
            );
        }
        // The weight is the table's. In a split segment the lookup proof shows it, for the same columns.
        if layout.cut() == Cut::Fused {
            row.require(Weight {
                index: score.index.clone(),
                weight: score.weight.clone(),
            });
        }
        if let Some((gadget, columns)) = layout.excess().zip(score.excess.as_ref()) {
            gadget.constrain(row, columns);
        }
        if let Some((gadget, columns)) = layout.gap_remainder().zip(score.remainder.as_ref()) {
            gadget.constrain(row, columns, constant::<E>(layout.score_step()));
        }
        gap
    }
}
