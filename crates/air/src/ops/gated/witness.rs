//! Trace generation of the gated component.
use matchmark_graph::Kind;

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
        witness(&self.decoder, &execution.expect_decoder())
    }
}

/// The witness columns.
fn witness(decoder: &DecoderLayout, of_model: &DecoderExecution<'_>) -> Vec<Column> {
    let DecoderExecution {
        execution,
        model,
        arithmetic,
    } = *of_model;
    let table = &model.tables().activation;
    let terms = arithmetic.terms();
    let rows = 1 << decoder.log_rows().gated;
    let (channels, steps) = (decoder.shape().mlp(), decoder.steps());
    let mut gate = RescalingColumns::of_zeros(rows);
    let mut up = RescalingColumns::of_zeros(rows);
    let mut activation = vec![field(i64::from(table.get(0).unwrap_or_default())); rows];
    let mut gated = RescalingColumns::of_zeros(rows);
    for (index, accumulator) in execution.gate_accumulators.iter().enumerate() {
        // [layer, step, channel]
        let (channel, rest) = (index % channels, index / channels);
        let (step, layer) = (rest % steps, rest / steps);
        let id = decoder.graph().nth(Kind::Gated, layer);
        let constants = arithmetic.gated(id);
        let row = decoder.row(id, channel, step);
        gate.set(
            row,
            &rescaled(terms.gate(constants.gate), i64::from(*accumulator)),
        );
        let of_up = rescaled(
            terms.value(constants.up),
            i64::from(execution.up_accumulators[index]),
        );
        up.set(row, &of_up);
        let active = i64::from(execution.activated[index]);
        activation[row] = field(active);
        let product = active * i64::from(of_up.out);
        gated.set(row, &rescaled(terms.gated(constants.product), product));
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
