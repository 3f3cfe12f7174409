//! Constraints of the rotary component.
use matchmark_graph::ROTARY_BITS;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::fields::FieldExpOps;
use stwo_constraint_framework::EvalAtRow;

use super::columns::{Columns, Witness};
use crate::gadgets::rescaling::{twos_complement, Clamping, Rescaling};
use crate::harness::row::{constant, Constraints, Row};
use crate::layout::decoder::DecoderLayout;
use crate::relation::{AttentionEntry, LinearOutput, Rotation};

/// The rotary component of one segment.
#[derive(Clone, Debug)]
pub struct Rotary {
    /// Layout of the decoder.
    pub decoder: DecoderLayout,
    /// Tokens before the segment, `P`.
    pub entries_before: usize,
}

impl Rotary {
    /// By how much second halves stand before first halves in the random linear combination: `t` to the
    /// number of rows of a layer.
    fn second_half(&self, position: QM31) -> QM31 {
        let attention = self.decoder.shape().attention();
        let heads = attention.query_heads() + attention.kv_heads();
        let rows = heads * (attention.head_dim() / 2) * self.decoder.steps();
        position.pow(rows as u128)
    }
}

impl Rotary {
    /// The component of a segment with so many tokens before it.
    pub fn new(decoder: &DecoderLayout, entries_before: usize) -> Self {
        Self {
            decoder: decoder.clone(),
            entries_before,
        }
    }
}

impl Constraints for Rotary {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn log_rows(&self) -> u32 {
        self.decoder.log_rows().rotary
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        let Columns {
            selectors,
            witness,
            accumulators,
        } = Columns::read(row);
        let Witness {
            inputs,
            cos,
            sin,
            outputs,
        } = witness;
        let terms = self.decoder.arithmetic();
        // Any shift: the range is the same.
        let input = Rescaling::<E>::new(selectors.unit, Clamping::of(terms.rotary_input(1)));
        let rotation = terms.rotation();
        let unit = constant::<E>(1 << rotation.shift());
        let output = Rescaling::<E>::new(unit, Clamping::of(rotation));

        // The accumulators of the layer's queries and keys, combined: second halves, then first ones.
        // Else: any queries and keys.
        let [first, second]: [E::F; 2] = inputs.each_ref().map(|columns| input.input(columns));
        let step = row.rlc().position;
        let accumulators = row.accumulate(
            "combined query and key accumulators accumulate",
            accumulators,
            |sum, before| {
                sum - before * step * (constant::<E>(1) - selectors.first.clone())
                    - E::EF::from(first.clone())
                    - E::EF::from(second.clone()) * self.second_half(step)
            },
        );
        for columns in &inputs {
            input.constrain(row, columns);
            twos_complement(row, u32::from(ROTARY_BITS), &columns.clamped.out);
        }
        // The angle is that of position and pair. Else: any rotation, or a stretch.
        let position = selectors.step + E::F::from(M31::from(self.entries_before));
        row.require(Rotation {
            position,
            pair: selectors.pair,
            cos: cos.clone(),
            sin: sin.clone(),
        });
        // (x cos - y sin, y cos + x sin), each rescaled.
        let [x, y] = inputs.map(|columns| columns.clamped.out);
        let rotated = [
            x.clone() * cos.clone() - y.clone() * sin.clone(),
            y * cos + x * sin,
        ];
        for ((name, rotated), columns) in ["first value is rotated", "second value is rotated"]
            .into_iter()
            .zip(rotated)
            .zip(&outputs)
        {
            row.constrain(name, output.input(columns) - rotated);
            output.constrain(row, columns);
        }
        // What the attention takes as queries and keys. It holds them to their range.
        let half = M31::from(self.decoder.shape().attention().head_dim() / 2);
        let [first, second] = outputs.map(|columns| columns.clamped.out);
        let second_entry = selectors.entry.clone() + E::F::from(half);
        for (name, value) in [(selectors.entry.clone(), first), (second_entry, second)] {
            let uses = selectors.entry_uses.clone();
            row.provide_times(uses, AttentionEntry { name, value });
        }
        row.require_times(
            selectors.last,
            LinearOutput {
                name: selectors.entry,
                value: accumulators.coordinates,
            },
        );
    }
}
