//! Constraints of the argmax component.
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Lane, Witness};
use crate::gadgets::rescaling::range;
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, ARGMAX_OUTPUT, RANGE_BITS};
use crate::relation::{Argmax as ArgmaxTuple, LinearOutput};

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
            logits,
        } = Columns::read(row, &self.decoder);
        let Witness {
            maximum: [maximum_before, maximum],
            below_before,
            chosen: first_chosen,
            lanes,
        } = witness;
        let one = constant::<E>(1);
        let follows = one.clone() - selectors.first.clone();

        row.constrain(
            "the maximum is the same for all tokens",
            follows.clone() * (maximum.clone() - maximum_before),
        );
        // The logit is maximum - gap - below, with the gap a sum of two limbs: no logit exceeds the
        // maximum, and those of tokens below the chosen one are less than it.
        let gap_of = |lane: &Lane<E::F>| {
            lane.gap_low.clone()
                + lane.gap_high.clone() * M31::from_u32_unchecked(1 << RANGE_BITS)
                + lane.below.clone()
        };
        // Tokens come before steps: from a token to the next the sum is multiplied once for every step. What the
        // first row has before the vocabulary begins counts as zero. Else: logits that no matrix has computed.
        let step = row.rlc().position;
        let missing = self.decoder.argmax_missing();
        let of_token = power(step, self.decoder.steps());
        let of_row = power(of_token, lanes.len() - 1) * step;
        let logits = row.accumulate("combined logits accumulate", logits, |sum, before| {
            let carried = match &selectors.first_step {
                None => before * step * (one.clone() - selectors.start.clone()),
                Some(first) => {
                    before.clone() * step * (one.clone() - first.clone())
                        + before * of_row * (first.clone() - selectors.start.clone())
                }
            };
            let of_row = lanes.iter().enumerate();
            let terms = of_row.fold(E::EF::zero(), |terms, (index, lane)| {
                let logit = maximum.clone() - gap_of(lane);
                let logit = if index < missing {
                    follows.clone() * logit
                } else {
                    logit
                };
                terms * of_token + E::EF::from(logit)
            });
            sum - carried - terms
        });
        // `below` is 1 before the first token, and falls where a token is chosen. The relation has one
        // choice for each step, so it falls once, by one: it is 1 below the chosen token and 0 from it
        // on, although nothing says that it is a bit.
        let before = selectors.first.clone() + follows.clone() * below_before;
        row.constrain(
            "a token is chosen where below falls",
            first_chosen.clone() - before + lanes[0].below.clone(),
        );
        // As if it were one more than what stands behind it.
        let mut before = first_chosen + lanes[0].below.clone();
        for (index, lane) in (0_u32..).zip(lanes) {
            let gap = gap_of(&lane);
            range(row, RANGE_BITS, lane.gap_low);
            range(row, RANGE_BITS, lane.gap_high);
            let chosen = before - lane.below.clone();
            before = lane.below;
            row.constrain("the chosen token attains the maximum", chosen.clone() * gap);
            // On padding the step is not one of the segment, and before the vocabulary begins the token is none of
            // it: else a token that it does not have could be chosen there.
            row.provide_times(
                chosen,
                ArgmaxTuple {
                    step: selectors.step.clone(),
                    token: selectors.token.clone() + constant::<E>(index),
                },
            );
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
