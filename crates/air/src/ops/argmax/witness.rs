//! Trace generation of the argmax component.
use matchmark_graph::Kind;
use matchmark_models::ModelExecution;
use stwo::core::fields::m31::M31;

use super::columns::Lane;
use super::constraints::Argmax;
use crate::column::field;
use crate::column::Column;
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
    let [mut maximum, mut chosen] = [(); 2].map(|()| zeros());
    let mut lanes: Vec<Lane<Vec<M31>>> = (0..decoder.argmax_lanes())
        .map(|_| Lane {
            below: zeros(),
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
            let below = i64::from(token < choice);
            let gap = largest - i64::from(*logit) - below;
            maximum[row] = field(largest);
            if lane == 0 {
                chosen[row] = field(i64::from(token == choice));
            }
            let lane = &mut lanes[lane];
            lane.below[row] = field(below);
            lane.gap_low[row] = field(gap & ((1 << RANGE_BITS) - 1));
            lane.gap_high[row] = field(gap >> RANGE_BITS);
        }
        // Nothing is chosen before the vocabulary begins.
        let (first_row, first_lane) = decoder.argmax_row(0, step);
        for lane in &mut lanes[..first_lane] {
            lane.below[first_row] = field(1);
        }
    }
    // Padding goes on with the maximum of the tokens before, and nothing is chosen there.
    for row in decoder.rows_in_use(Kind::Argmax)..rows {
        maximum[row] = maximum[row - steps];
    }
    let lanes = lanes.into_iter().flat_map(Lane::into_columns);
    let columns = [maximum, chosen].into_iter().chain(lanes);
    columns.map(Column::from).collect()
}
