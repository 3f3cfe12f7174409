//! Trace generation of the gated component.
use matchmark_model::ModelExecution;
use matchmark_tables::SiluTable;

use super::columns::Witness;
use crate::decoder::layout::DecoderLayout;
use crate::decoder::witness::rescaled;
use crate::gadgets::rescaling::RescalingColumns;
use crate::witness::columns::field;
use crate::witness::{Column, TableUses};

/// The witness columns, counting what they look up.
pub fn generate(
    decoder: &DecoderLayout,
    execution: &ModelExecution,
    table: &SiluTable,
    uses: &mut TableUses,
) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().gated;
    let (channels, steps) = (decoder.shape().mlp(), decoder.steps());
    let mut gate = RescalingColumns::of_zeros(rows, decoder.gate());
    let mut up = RescalingColumns::of_zeros(rows, decoder.up());
    let mut activation = vec![field(i64::from(table.get(0).unwrap_or_default())); rows];
    let mut gated = RescalingColumns::of_zeros(rows, decoder.gated());
    for (index, accumulator) in execution.gate_accumulators.iter().enumerate() {
        // [layer, step, channel]
        let (channel, rest) = (index % channels, index / channels);
        let (step, layer) = (rest % steps, rest / steps);
        let row = decoder.gated_row(layer, channel, step);
        gate.set(row, &rescaled(decoder.gate(), i64::from(*accumulator)));
        let of_up = rescaled(decoder.up(), i64::from(execution.up_accumulators[index]));
        up.set(row, &of_up);
        let active = i64::from(execution.silu[index]);
        activation[row] = field(active);
        let product = active * i64::from(of_up.out);
        gated.set(row, &rescaled(decoder.gated(), product));
    }
    for values in [&up.clamped.out, &gated.clamped.out] {
        for value in values {
            uses.values.add(matchmark_quant::centered(value.0));
        }
    }
    let uses = uses.expect_decoder();
    for value in &gate.clamped.out {
        uses.activations.add(matchmark_quant::centered(value.0));
    }
    gate.count(decoder.gate(), &mut uses.ranges);
    up.count(decoder.up(), &mut uses.ranges);
    gated.count(decoder.gated(), &mut uses.ranges);
    Witness {
        gate,
        up,
        activation,
        gated,
    }
    .into_columns()
    .collect()
}
