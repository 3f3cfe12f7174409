//! Constraints of the values component.
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::challenges::Challenges;
use crate::decoder::layout::DecoderLayout;
use crate::gadgets::rescaling::Rescaling;
use crate::harness::row::{constant, Constraints, Row};
use crate::relation::RelationTag;

/// The values component of one segment.
#[derive(Clone, Debug)]
pub struct Values {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Constraints for Values {
    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().values
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            value,
            accumulators,
        } = Columns::read(row, &self.decoder);
        let lookups = &self.challenges.lookup;
        let rescaling = Rescaling::of(self.decoder.value());
        let step = self.challenges.projection.position;
        // The accumulators of the layer's values, projected. Else: any values.
        row.constrain(
            "projected value accumulators accumulate",
            accumulators.current.value.clone()
                - accumulators.previous * step * (constant::<E>(1) - selectors.first)
                - E::EF::from(rescaling.input::<E>(&value)),
        );
        rescaling.constrain(row, lookups, &value);
        // What the attention takes as values. It holds them to their range.
        row.provide_times(
            lookups,
            RelationTag::AttentionEntry,
            selectors.entry_uses,
            &[selectors.entry.clone(), value.clamped.out],
        );
        let [y0, y1, y2, y3] = accumulators.current.coordinates;
        row.require_times(
            lookups,
            RelationTag::LinearOutput,
            selectors.last,
            &[selectors.entry, y0, y1, y2, y3],
        );
    }
}
