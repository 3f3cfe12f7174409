//! Trace generation of the argmax component.
use matchmark_graph::Kind;
use matchmark_models::ModelExecution;
use stwo::core::fields::m31::M31;

use super::columns::Lane;
use super::constraints::Argmax;
use crate::column::field;
use crate::column::Column;
use crate::decoder::tokens::chosen_columns;
use crate::execution::{DecoderExecution, Execution, Generate};
use crate::layout::decoder::{DecoderLayout, RANGE_BITS};

impl Generate for Argmax {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let DecoderExecution { execution, .. } = execution.expect_decoder();
        witness(&self.decoder, execution)
    }
}

/// The witness columns.
fn witness(decoder: &DecoderLayout, execution: &ModelExecution) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().argmax;
    let (tokens, steps) = (decoder.shape().vocabulary(), decoder.steps());
    let zeros = || vec![field(0); rows];
    let [mut maximum, mut below] = [(); 2].map(|()| zeros());
    let mut lanes: Vec<Lane<Vec<M31>>> = (0..decoder.argmax_lanes())
        .map(|_| Lane {
            gap_low: zeros(),
            gap_high: zeros(),
        })
        .collect();
    for (step, choice) in execution.choices.iter().enumerate() {
        let logits = &execution.logits[step * tokens..][..tokens];
        let choice = *choice as usize;
        let largest = i64::from(logits[choice]);
        for (token, logit) in logits.iter().enumerate() {
            let (row, lane) = decoder.argmax_row(token, step);
            let is_below = i64::from(token < choice);
            let gap = largest - i64::from(*logit) - is_below;
            maximum[row] = field(largest);
            // That of the last lane stays.
            below[row] = field(is_below);
            let lane = &mut lanes[lane];
            lane.gap_low[row] = field(gap & ((1 << RANGE_BITS) - 1));
            lane.gap_high[row] = field(gap >> RANGE_BITS);
        }
    }
    // Padding goes on with the maximum of the tokens before, and nothing is chosen there.
    for row in decoder.rows_in_use(Kind::Argmax)..rows {
        maximum[row] = maximum[row - steps];
    }
    let lanes = lanes.into_iter().flat_map(Lane::into_columns);
    let columns = [maximum, below].into_iter().chain(lanes);
    let chosen = chosen_columns(decoder, &execution.choices).columns();
    columns.chain(chosen).map(Column::from).collect()
}
