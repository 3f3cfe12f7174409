//! Constraints of the argmax component.
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Add;

use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::range;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, ARGMAX_OUTPUT, RANGE_BITS};
use crate::relation::LinearOutput;

/// The argmax component of one segment.
#[derive(Clone, Debug)]
pub struct Argmax {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Argmax {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Argmax {
    fn name(&self) -> &'static str {
        "argmax"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().argmax
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            witness,
            chosen,
            logits,
        } = Columns::read(row, &self.decoder);
        let Witness {
            maximum: [maximum_before, maximum],
            below: [below_before, below],
            lanes,
        } = witness;
        let one = constant::<E>(1);
        let follows = one.clone() - selectors.first.clone();

        row.constrain(
            "the maximum is the same for all tokens",
            follows.clone() * (maximum.clone() - maximum_before),
        );
        // `below` is 1 before the first token, and falls where a token is chosen: to 0, as a step has one choice in
        // public. Else: a higher token of the largest logit, or no choice at all. Behind the last row is the first.
        let begins = selectors.first.clone() + follows.clone() * below_before.clone();
        let falls = chosen.iter().cloned().fold(E::F::zero(), Add::add);
        row.constrain(
            "below falls where a token is chosen",
            begins - falls - below.clone(),
        );
        row.constrain(
            "a token is chosen at every step",
            selectors.first.clone() * below_before,
        );
        // The logit is maximum - gap - below, with the gap a sum of two limbs: no logit exceeds the maximum, and those
        // of tokens below the chosen one are less than it. A token is below the chosen one if that is in a lane behind
        // its own, or in none of the lanes up to the last and in no row before.
        let mut below = below;
        let mut behind: Vec<E::F> = vec![];
        for chosen in chosen.iter().rev() {
            behind.push(below.clone());
            below += chosen.clone();
        }
        let gaps = lanes.iter().zip(behind.into_iter().rev());
        let gaps: Vec<E::F> = gaps
            .map(|(lane, below)| {
                lane.gap_low.clone()
                    + lane.gap_high.clone() * M31::from_u32_unchecked(1 << RANGE_BITS)
                    + below
            })
            .collect();
        // Tokens come before steps: from a token to the next the sum is multiplied once for every step. What the
        // first row has before the vocabulary begins counts as zero. Else: logits that no matrix has computed.
        let step = row.rlc().position;
        let missing = self.decoder.argmax_missing();
        let of_token = power(step, self.decoder.steps());
        let of_row = power(of_token, gaps.len() - 1) * step;
        let logits = row.accumulate("combined logits accumulate", logits, |sum, before| {
            let carried = match &selectors.first_step {
                None => before * step * (one.clone() - selectors.start.clone()),
                Some(first) => {
                    before.clone() * step * (one.clone() - first.clone())
                        + before * of_row * (first.clone() - selectors.start.clone())
                }
            };
            let of_row = gaps.iter().enumerate();
            let terms = of_row.fold(E::EF::zero(), |terms, (index, gap)| {
                let logit = maximum.clone() - gap.clone();
                let logit = if index < missing {
                    follows.clone() * logit
                } else {
                    logit
                };
                terms * of_token + E::EF::from(logit)
            });
            sum - carried - terms
        });
        // On padding and before the vocabulary begins nothing is chosen: the verifier says so.
        for ((lane, gap), chosen) in lanes.into_iter().zip(gaps).zip(chosen) {
            range(row, RANGE_BITS, lane.gap_low);
            range(row, RANGE_BITS, lane.gap_high);
            row.constrain("the chosen token attains the maximum", chosen * gap);
        }
        let name = u32::try_from(ARGMAX_OUTPUT).unwrap_or(u32::MAX);
        row.require_times(
            selectors.last,
            LinearOutput {
                name: constant::<E>(name),
                value: logits.coordinates,
            },
        );
    }
}

/// A power of a challenge.
fn power(base: QM31, exponent: usize) -> QM31 {
    (0..exponent).fold(QM31::one(), |power, _| power * base)
}
