//! Trace generation of the argmax component.
use matchmark_models::ModelExecution;

use super::columns::Witness;
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
    let mut columns = Witness {
        maximum: zeros(),
        below: zeros(),
        chosen: zeros(),
        gap_low: zeros(),
        gap_high: zeros(),
    };
    for (step, choice) in execution.choices.iter().enumerate() {
        let logits = &execution.logits[step * tokens..][..tokens];
        let choice = *choice as usize;
        let maximum = i64::from(logits[choice]);
        for (token, logit) in logits.iter().enumerate() {
            let row = decoder.argmax_row(token, step);
            let below = i64::from(token < choice);
            let gap = maximum - i64::from(*logit) - below;
            columns.maximum[row] = field(maximum);
            columns.below[row] = field(below);
            columns.chosen[row] = field(i64::from(token == choice));
            columns.gap_low[row] = field(gap & ((1 << RANGE_BITS) - 1));
            columns.gap_high[row] = field(gap >> RANGE_BITS);
        }
    }
    // Padding goes on with the maximum of one token before.
    for row in tokens * steps..rows {
        columns.maximum[row] = columns.maximum[row - steps];
    }
    columns.into_columns().map(Column::from).into()
}
