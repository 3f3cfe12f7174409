//! Constraints of the gated component.
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::challenges::Challenges;
use crate::decoder::layout::{DecoderLayout, GATED_OUTPUT};
use crate::gadgets::rescaling::Rescaling;
use crate::harness::row::{constant, Constraints, Row};
use crate::relation::RelationTag;

/// The gated component of one segment.
#[derive(Clone, Debug)]
pub struct Gated {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Gated {
    /// By how much the up outputs stand before the gate outputs in the projection: `t` to the number
    /// of rows of a layer.
    pub fn up_shift(&self) -> QM31 {
        let rows = self.decoder.shape().mlp() * self.decoder.steps();
        self.challenges.projection.position.pow(rows as u128)
    }
}

impl Constraints for Gated {
    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().gated
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            witness,
            projections,
        } = Columns::read(row, &self.decoder);
        let Witness {
            gate,
            up,
            activation,
            gated,
        } = witness;
        let lookups = &self.challenges.lookup;
        let step = self.challenges.projection.position;
        let one = constant::<E>(1);
        let of_gate = Rescaling::of(self.decoder.gate());
        let of_up = Rescaling::of(self.decoder.up());
        let of_gated = Rescaling::of(self.decoder.gated());

        // The accumulators of the layer's up and gate outputs, projected. Else: any gates.
        row.constrain(
            "projected up and gate accumulators accumulate",
            projections.accumulators.current.value.clone()
                - projections.accumulators.previous * step * (one.clone() - selectors.first)
                - E::EF::from(of_gate.input::<E>(&gate))
                - E::EF::from(of_up.input::<E>(&up)) * self.up_shift(),
        );
        of_gate.constrain(row, lookups, &gate);
        of_up.constrain(row, lookups, &up);
        row.require(
            lookups,
            RelationTag::Value,
            core::slice::from_ref(&up.clamped.out),
        );
        // The activation is the table's, whose domain holds the gate to its range.
        row.require(
            lookups,
            RelationTag::Activation,
            &[gate.clamped.out, activation.clone()],
        );
        row.constrain(
            "gated value is activation * up, rescaled",
            of_gated.input::<E>(&gated) - activation * up.clamped.out,
        );
        of_gated.constrain(row, lookups, &gated);
        let gated = gated.clamped.out;
        row.require(lookups, RelationTag::Value, core::slice::from_ref(&gated));

        // What the down matrix takes in, projected over the steps.
        row.constrain(
            "projected gated values accumulate",
            projections.gated.current.value.clone()
                - projections.gated.previous * step * (one - selectors.first_step)
                - E::EF::from(gated),
        );
        let [x0, x1, x2, x3] = projections.gated.current.coordinates;
        row.provide_times(
            lookups,
            RelationTag::LinearInput,
            selectors.input_uses,
            &[selectors.input.clone(), x0, x1, x2, x3],
        );
        let [y0, y1, y2, y3] = projections.accumulators.current.coordinates;
        let name = u32::try_from(GATED_OUTPUT).unwrap_or(u32::MAX);
        row.require_times(
            lookups,
            RelationTag::LinearOutput,
            selectors.last,
            &[selectors.input + constant::<E>(name), y0, y1, y2, y3],
        );
    }
}
