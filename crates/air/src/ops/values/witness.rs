//! Trace generation of the values component.
use matchmark_graph::{Kind, ModelArithmetic};
use matchmark_models::ModelExecution;

use super::constraints::Values;
use crate::column::Column;
use crate::execution::rescaled;
use crate::execution::{Execution, Generate};
use crate::gadgets::rescaling::RescalingColumns;
use crate::layout::decoder::DecoderLayout;

impl Generate for Values {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        let decoder = execution.expect_decoder();
        witness(&self.decoder, decoder.execution, decoder.arithmetic)
    }
}

/// The witness columns.
fn witness(
    decoder: &DecoderLayout,
    execution: &ModelExecution,
    arithmetic: &ModelArithmetic,
) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().values;
    let attention = decoder.shape().attention();
    let (heads, dim, steps) = (attention.kv_heads(), attention.head_dim(), decoder.steps());
    let mut value = RescalingColumns::of_zeros(rows);
    for (index, accumulator) in execution.value_accumulators.iter().enumerate() {
        // [layer, step, head, dimension]
        let (c, rest) = (index % dim, index / dim);
        let (head, rest) = (rest % heads, rest / heads);
        let (step, layer) = (rest % steps, rest / steps);
        let id = decoder.graph().nth(Kind::Values, layer);
        let row = decoder.row(id, head * dim + c, step);
        let rescale = arithmetic.terms().value(arithmetic.values(id).shift);
        value.set(row, &rescaled(rescale, i64::from(*accumulator)));
    }
    value.into_columns().map(Column::from).into()
}
