//! Trace generation of the gated component.
use matchmark_models::ModelExecution;
use matchmark_tables::ActivationTable;

use super::columns::Witness;
use super::constraints::Gated;
use crate::column::field;
use crate::column::Column;
use crate::execution::rescaled;
use crate::execution::{DecoderExecution, Execution, Generate};
use crate::gadgets::rescaling::RescalingColumns;
use crate::layout::decoder::DecoderLayout;

impl Generate for Gated {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let DecoderExecution { execution, model } = execution.expect_decoder();
        witness(&self.decoder, execution, &model.tables().activation)
    }
}

/// The witness columns.
fn witness(
    decoder: &DecoderLayout,
    execution: &ModelExecution,
    table: &ActivationTable,
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
        let active = i64::from(execution.activated[index]);
        activation[row] = field(active);
        let product = active * i64::from(of_up.out);
        gated.set(row, &rescaled(decoder.gated(), product));
    }
    Witness {
        gate,
        up,
        activation,
        gated,
    }
    .into_columns()
    .map(Column::from)
    .collect()
}
