//! Constraints of the gated component.
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::{twos_complement, Clamping, Rescaling};
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::{DecoderLayout, GATED_OUTPUT};
use crate::relation::{Activation, LinearInput, LinearOutput, Value};

/// The gated component of one segment.
#[derive(Clone, Debug)]
pub struct Gated {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Gated {
    /// By how much the up outputs stand before the gate outputs in the random linear combination: `t` to the
    /// number of rows of a layer.
    fn up_shift(&self, position: QM31) -> QM31 {
        let rows = self.decoder.shape().mlp() * self.decoder.steps();
        position.pow(rows as u128)
    }
}

impl Gated {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().gated
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            witness,
            rlcs,
        } = Columns::read(row);
        let Witness {
            gate,
            up,
            activation,
            gated,
        } = witness;
        let step = row.rlc().position;
        let one = constant::<E>(1);
        let terms = self.decoder.arithmetic();
        // Any shift: the ranges are the same.
        let of_gate = Rescaling::<E>::new(selectors.gate_unit, Clamping::of(terms.gate(1)));
        let of_up = Rescaling::<E>::new(selectors.up_unit, Clamping::of(terms.value(1)));
        let of_gated = Rescaling::<E>::new(selectors.unit, Clamping::of(terms.gated(1)));

        // The accumulators of the layer's up and gate outputs, combined. Else: any gates.
        let accumulators = row.accumulate(
            "combined up and gate accumulators accumulate",
            rlcs.accumulators,
            |sum, before| {
                sum - before * step * (one.clone() - selectors.first.clone())
                    - E::EF::from(of_gate.input(&gate))
                    - E::EF::from(of_up.input(&up)) * self.up_shift(step)
            },
        );
        of_gate.constrain(row, &gate);
        of_up.constrain(row, &up);
        row.require(Value {
            value: up.clamped.out.clone(),
        });
        // The activation is the table's, whose domain holds the gate to its range.
        row.require(Activation {
            gate: gate.clamped.out,
            activation: activation.clone(),
        });
        row.constrain(
            "gated value is activation * up, rescaled",
            of_gated.input(&gated) - activation * up.clamped.out,
        );
        of_gated.constrain(row, &gated);
        let gated = gated.clamped.out;
        twos_complement(row, u32::from(terms.gated_bits()), &gated);

        // What the down matrix takes in, combined over the steps.
        let gated = row.accumulate(
            "combined gated values accumulate",
            rlcs.gated,
            |sum, before| {
                sum - before * step * (one.clone() - selectors.first_step.clone())
                    - E::EF::from(gated.clone())
            },
        );
        row.provide_times(
            selectors.input_uses,
            LinearInput {
                name: selectors.input.clone(),
                value: gated.coordinates,
            },
        );
        let name = u32::try_from(GATED_OUTPUT).unwrap_or(u32::MAX);
        row.require_times(
            selectors.last,
            LinearOutput {
                name: selectors.input + constant::<E>(name),
                value: accumulators.coordinates,
            },
        );
    }
}
