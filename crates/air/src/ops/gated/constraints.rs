//! Constraints of the gated component.
use alloc::vec;

use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Lane};
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
    /// number of values of a layer.
    fn up_shift(&self, position: QM31) -> QM31 {
        let values = self.decoder.shape().mlp() * self.decoder.steps();
        position.pow(values as u128)
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
            lanes,
            rlcs,
        } = Columns::read(row, &self.decoder);
        let step = row.rlc().position;
        let one = constant::<E>(1);
        let half = M31::from_u32_unchecked(2).inverse();
        let (missing, count) = (self.decoder.gated_missing(), lanes.len());
        let terms = self.decoder.arithmetic();
        // Any shift: the ranges are the same.
        let of_gate = Rescaling::<E>::new(selectors.gate_unit.clone(), Clamping::of(terms.gate(1)));
        let of_up = Rescaling::<E>::new(selectors.up_unit.clone(), Clamping::of(terms.value(1)));
        let of_gated = Rescaling::<E>::new(selectors.unit, Clamping::of(terms.gated(1)));

        // The accumulators of the layer's up and gate outputs, combined. The first row of a channel has some lanes
        // less. Else: any gates.
        let [of_row, of_first_row] = [count, count - missing].map(|steps| step.pow(steps as u128));
        let first_steps = selectors.first_steps.clone();
        let accumulators = row.accumulate(
            "combined up and gate accumulators accumulate",
            rlcs.accumulators,
            |sum, before| {
                let terms = lanes.iter().fold(E::EF::zero(), |terms, lane| {
                    terms * step
                        + E::EF::from(of_gate.input(&lane.gate))
                        + E::EF::from(of_up.input(&lane.up)) * self.up_shift(step)
                });
                sum - before.clone() * of_row * (one.clone() - first_steps.clone())
                    - before * of_first_row * (first_steps.clone() - selectors.first.clone())
                    - terms
            },
        );
        let mut products = vec![];
        for (index, lane) in lanes.into_iter().enumerate() {
            let Lane {
                gate,
                up,
                activation,
                gated,
            } = lane;
            // Before the first step gate and up are zero, and so are their accumulators: nothing is clamped off zero,
            // and the remainder is that of zero. So is their product. Else: what is before the first step counts with
            // the channel before, or is taken in as a step's.
            if index < missing {
                let values = [(&gate, &selectors.gate_unit), (&up, &selectors.up_unit)];
                for (value, unit) in values {
                    row.constrain(
                        "values before the first step are zero",
                        first_steps.clone() * value.clamped.out.clone(),
                    );
                    row.constrain(
                        "accumulators before the first step are zero",
                        first_steps.clone() * (value.remainder.clone() - unit.clone() * half),
                    );
                }
            }
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
            products.push(gated);
        }

        // What the down matrix takes in, combined over the steps.
        let gated = row.accumulate(
            "combined gated values accumulate",
            rlcs.gated,
            |sum, before| {
                let terms = products.iter().fold(E::EF::zero(), |terms, gated| {
                    terms * step + E::EF::from(gated.clone())
                });
                sum - before * of_row * (one.clone() - first_steps.clone()) - terms
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
