//! Constraints of the values component.
use stwo_constraint_framework::EvalAtRow;

use super::columns::Columns;
use crate::gadgets::rescaling::{Clamping, Rescaling};
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::DecoderLayout;
use crate::relation::{AttentionEntry, LinearOutput};

/// The values component of one segment.
#[derive(Clone, Debug)]
pub struct Values {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
}

impl Values {
    /// The component of a segment.
    pub fn new(decoder: &DecoderLayout) -> Self {
        Self {
            decoder: decoder.clone(),
        }
    }
}

impl Constraints for Values {
    fn name(&self) -> &'static str {
        "values"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().values
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            value,
            accumulators,
        } = Columns::read(row);
        // Any shift: the range is the same.
        let clamping = Clamping::of(self.decoder.arithmetic().value(1));
        let rescaling = Rescaling::<E>::new(selectors.unit, clamping);
        let step = row.rlc().position;
        // The accumulators of the layer's values, combined. Else: any values.
        let accumulators = row.accumulate(
            "combined value accumulators accumulate",
            accumulators,
            |sum, before| {
                sum - before * step * (constant::<E>(1) - selectors.first.clone())
                    - E::EF::from(rescaling.input(&value))
            },
        );
        rescaling.constrain(row, &value);
        // What the attention takes as values. It holds them to their range.
        row.provide_times(
            selectors.entry_uses,
            AttentionEntry {
                name: selectors.entry.clone(),
                value: value.clamped.out,
            },
        );
        row.require_times(
            selectors.last,
            LinearOutput {
                name: selectors.entry,
                value: accumulators.coordinates,
            },
        );
    }
}
