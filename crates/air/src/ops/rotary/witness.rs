//! Trace generation of the rotary component.
use matchmark_graph::Kind;

use super::columns::Witness;
use super::constraints::Rotary;
use crate::column::field;
use crate::column::Column;
use crate::execution::rescaled;
use crate::execution::{DecoderExecution, Execution, Generate};
use crate::gadgets::rescaling::RescalingColumns;
use crate::layout::decoder::DecoderLayout;

impl Generate for Rotary {
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
    let table = &model.tables().rotary;
    let rows = 1 << decoder.log_rows().rotary;
    let attention = decoder.shape().attention();
    let (queries, keys, dim) = (
        attention.query_heads(),
        attention.kv_heads(),
        attention.head_dim(),
    );
    let (half, steps) = (dim / 2, decoder.steps());
    let start = execution.steps.entries_before();
    let terms = arithmetic.terms();
    let output = terms.rotation();
    let mut inputs = [(); 2].map(|()| RescalingColumns::of_zeros(rows));
    let zero = rescaled(output, 0);
    let mut outputs = [(); 2].map(|()| RescalingColumns::of_zeros(rows));
    for columns in &mut outputs {
        (0..rows).for_each(|row| columns.set(row, &zero));
    }
    // Padding rotates zeros by the first angle.
    let rotation = |position: usize, pair: usize| {
        let (cos, sin) = table.get(position, pair).unwrap_or_default();
        (i64::from(cos), i64::from(sin))
    };
    let (cos, sin) = rotation(start, 0);
    let (mut cosines, mut sines) = (vec![field(cos); rows], vec![field(sin); rows]);
    for (layer, id) in decoder.graph().of(Kind::Rotary).iter().enumerate() {
        let constants = arithmetic.rotary(*id);
        for head in 0..queries + keys {
            let (accumulators, heads, head_of, shift) = match head.checked_sub(queries) {
                None => (
                    &execution.query_accumulators,
                    queries,
                    head,
                    constants.query,
                ),
                Some(head) => (&execution.key_accumulators, keys, head, constants.key),
            };
            let input = terms.rotary_input(shift);
            for step in 0..steps {
                let first = ((layer * steps + step) * heads + head_of) * dim;
                for pair in 0..half {
                    let row = decoder.row(*id, head * half + pair, step);
                    let [x, y] = [pair, pair + half]
                        .map(|c| rescaled(input, i64::from(accumulators[first + c])));
                    inputs[0].set(row, &x);
                    inputs[1].set(row, &y);
                    let (cos, sin) = rotation(start + step, pair);
                    let (x, y) = (i64::from(x.out), i64::from(y.out));
                    outputs[0].set(row, &rescaled(output, x * cos - y * sin));
                    outputs[1].set(row, &rescaled(output, y * cos + x * sin));
                    cosines[row] = field(cos);
                    sines[row] = field(sin);
                }
            }
        }
    }
    Witness {
        inputs,
        cos: cosines,
        sin: sines,
        outputs,
    }
    .into_columns()
    .map(Column::from)
    .collect()
}
