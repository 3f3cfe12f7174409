//! Constraints of the argmax component.
use stwo::core::fields::m31::M31;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
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
            below: [below_before, below],
            chosen,
            gap_low,
            gap_high,
        } = witness;
        let one = constant::<E>(1);
        let follows = one.clone() - selectors.first.clone();

        row.constrain(
            "the maximum is the same for all tokens",
            follows.clone() * (maximum.clone() - maximum_before),
        );
        // The logit is maximum - gap - below, with the gap a sum of two limbs: no logit exceeds the
        // maximum, and those of tokens below the chosen one are less than it.
        let gap = gap_low.clone()
            + gap_high.clone() * M31::from_u32_unchecked(1 << RANGE_BITS)
            + below.clone();
        let step = row.rlc().position;
        let logits = row.accumulate("combined logits accumulate", logits, |sum, before| {
            sum - before * step * (one.clone() - selectors.start.clone())
                - E::EF::from(maximum.clone() - gap.clone())
        });
        range(row, RANGE_BITS, gap_low);
        range(row, RANGE_BITS, gap_high);

        // `below` is 1 before the first token, and falls where a token is chosen. The relation has one
        // choice for each step, so it falls once, by one: it is 1 below the chosen token and 0 from it
        // on, although nothing says that it is a bit.
        let before = selectors.first + follows * below_before;
        row.constrain(
            "a token is chosen where below falls",
            chosen.clone() - before + below,
        );
        row.constrain("the chosen token attains the maximum", chosen.clone() * gap);
        // On padding the step is not one of the segment: else a token that the vocabulary does not have
        // could be chosen there.
        row.provide_times(
            chosen,
            ArgmaxTuple {
                step: selectors.step,
                token: selectors.token,
            },
        );
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
