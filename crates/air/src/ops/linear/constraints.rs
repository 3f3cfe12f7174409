//! Constraints of the linear component.
use num_traits::{One, Zero};
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::harness::row::{Constraints, Row};
use crate::layout::decoder::DecoderLayout;
use crate::relation::{LinearInput, LinearOutput};

/// The linear component of one segment.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Linear {
    /// What the random linear combination over outputs grows by from one output to the next: `t^S`, so that
    /// outputs and steps together are combined by consecutive powers of `t`.
    fn output_challenge(&self, position: QM31) -> QM31 {
        position.pow(self.decoder.steps() as u128)
    }
}

impl Linear {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

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
        let challenge = self.output_challenge(row.rlc().position);
        // The block's weights for this input, combined over its outputs: the last has power zero.
        let mut power = QM31::one();
        let mut combined = E::EF::zero();
        for weight in weights.into_iter().rev() {
            combined += E::EF::from(power) * weight;
            power *= challenge;
        }
        // Sums over inputs within a block; a new block's outputs come behind those before. Else: any
        // outputs.
        let output = row.accumulate(
            "combined outputs accumulate W * X",
            output,
            |output, before| {
                output
                    - before.clone() * selectors.continues.clone()
                    - before * selectors.next_block.clone() * power
                    - input.value.clone() * combined.clone()
            },
        );
        // The input is what some component has computed. Else: inputs of its own choosing.
        row.receive_times(
            selectors.active,
            input.place,
            LinearInput {
                name: selectors.input,
                value: input.coordinates,
            },
        );
        // Some component has computed these outputs. Else: outputs of its own choosing.
        row.provide_times(
            selectors.last,
            LinearOutput {
                name: selectors.output,
                value: output.coordinates,
            },
        );
    }
}
