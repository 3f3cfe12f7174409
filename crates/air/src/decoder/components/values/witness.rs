//! Trace generation of the values component.
use matchmark_model::ModelExecution;

use crate::decoder::layout::DecoderLayout;
use crate::decoder::witness::rescaled;
use crate::gadgets::rescaling::RescalingColumns;
use crate::witness::{Column, TableUses};

/// The witness columns, counting what they look up.
pub fn generate(
    decoder: &DecoderLayout,
    execution: &ModelExecution,
    uses: &mut TableUses,
) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().values;
    let attention = decoder.shape().attention();
    let (heads, dim, steps) = (attention.kv_heads(), attention.head_dim(), decoder.steps());
    let mut value = RescalingColumns::of_zeros(rows, decoder.value());
    for (index, accumulator) in execution.value_accumulators.iter().enumerate() {
        // [layer, step, head, dimension]
        let (c, rest) = (index % dim, index / dim);
        let (head, rest) = (rest % heads, rest / heads);
        let (step, layer) = (rest % steps, rest / steps);
        let row = decoder.values_row(layer, head, c, step);
        value.set(row, &rescaled(decoder.value(), i64::from(*accumulator)));
    }
    value.count(decoder.value(), &mut uses.expect_decoder().ranges);
    value.into_columns().into()
}
