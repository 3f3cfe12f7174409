//! Constraints of the linear component.
use num_traits::{One, Zero};
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::challenges::Challenges;
use crate::decoder::layout::DecoderLayout;
use crate::harness::row::{Constraints, Row};
use crate::relation::RelationTag;

/// The linear component of one segment.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Linear {
    /// What the projection over outputs grows by from one output to the next: `t^S`, so that outputs
    /// and steps together are projected by consecutive powers of `t`.
    pub fn output_challenge(&self) -> QM31 {
        self.challenges
            .projection
            .position
            .pow(self.decoder.steps() as u128)
    }
}

impl Constraints for Linear {
    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().linear
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            weights,
            input,
            output,
        } = Columns::read(row, &self.decoder);
        let lookups = &self.challenges.lookup;
        let challenge = self.output_challenge();
        // The block's weights for this input, projected over its outputs: the last has power zero.
        let mut power = QM31::one();
        let mut projected = E::EF::zero();
        for weight in weights.into_iter().rev() {
            projected += E::EF::from(power) * weight;
            power *= challenge;
        }
        // Sums over inputs within a block; a new block's outputs come behind those before. Else: any
        // outputs.
        row.constrain(
            "projected outputs accumulate W * X",
            output.current.value
                - output.previous.clone() * selectors.continues
                - output.previous * selectors.next_block * power
                - input.value.clone() * projected,
        );
        // The input is what some component has computed. Else: inputs of its own choosing.
        let [x0, x1, x2, x3] = input.coordinates;
        row.require_times(
            lookups,
            RelationTag::LinearInput,
            selectors.active,
            &[selectors.input, x0, x1, x2, x3],
        );
        // Some component has computed these outputs. Else: outputs of its own choosing.
        let [y0, y1, y2, y3] = output.current.coordinates;
        row.provide_times(
            lookups,
            RelationTag::LinearOutput,
            selectors.last,
            &[selectors.output, y0, y1, y2, y3],
        );
    }
}
