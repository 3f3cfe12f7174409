//! Trace generation of the gated component.
use matchmark_graph::Kind;
use stwo::core::fields::m31::M31;

use super::columns::Lane;
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
    let of_zero = field(i64::from(table.get(0).unwrap_or_default()));
    let mut lanes: Vec<Lane<Vec<M31>>> = (0..decoder.gated_lanes())
        .map(|_| Lane {
            gate: RescalingColumns::of_zeros(rows),
            up: RescalingColumns::of_zeros(rows),
            activation: vec![of_zero; rows],
            gated: RescalingColumns::of_zeros(rows),
        })
        .collect();
    for (index, accumulator) in execution.gate_accumulators.iter().enumerate() {
        // [layer, step, channel]
        let (channel, rest) = (index % channels, index / channels);
        let (step, layer) = (rest % steps, rest / steps);
        let id = decoder.graph().nth(Kind::Gated, layer);
        let constants = arithmetic.gated(id);
        let (row, lane) = decoder.gated_row(layer, channel, step);
        if step == 0 {
            // Lanes before the first step rescale zero.
            for lane in &mut lanes[..lane] {
                lane.gate.set(row, &rescaled(terms.gate(constants.gate), 0));
                lane.up.set(row, &rescaled(terms.value(constants.up), 0));
                lane.gated
                    .set(row, &rescaled(terms.gated(constants.product), 0));
            }
        }
        let lane = &mut lanes[lane];
        lane.gate.set(
            row,
            &rescaled(terms.gate(constants.gate), i64::from(*accumulator)),
        );
        let of_up = rescaled(
            terms.value(constants.up),
            i64::from(execution.up_accumulators[index]),
        );
        lane.up.set(row, &of_up);
        let active = i64::from(execution.activated[index]);
        lane.activation[row] = field(active);
        let product = active * i64::from(of_up.out);
        lane.gated
            .set(row, &rescaled(terms.gated(constants.product), product));
    }
    lanes
        .into_iter()
        .flat_map(Lane::into_columns)
        .map(Column::from)
        .collect()
}
