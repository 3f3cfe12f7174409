//! The model tree: weights, and the tables that belong to a model. Its columns do not depend on a
//! segment.
use matchmark_models::{IntegerModel, Matrix};
use matchmark_quant::ModelArithmetic;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use crate::column::field;
use crate::column::Column;
use crate::layout::decoder::{DecoderLayout, MatrixKind, MatrixLayout};
use crate::layout::SegmentLayout;
use crate::tables::table_groups;
use crate::tables::Table;

/// The columns of the model tree, in the order in which components take them.
///
/// # Panics
///
/// If the layout has no decoder.
pub fn model_columns(layout: &SegmentLayout, model: &IntegerModel) -> Vec<Column> {
    let decoder = layout.expect_decoder();
    let mut columns = weights(decoder, model);
    for (log_rows, tables) in table_groups(layout, layout.main_part()) {
        for table in tables {
            columns.extend(table_columns(decoder, table, 1 << log_rows, model));
        }
    }
    columns
}

/// The weights, a column for each output of a block.
fn weights(decoder: &DecoderLayout, model: &IntegerModel) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().linear;
    let mut columns = vec![vec![M31::zero(); rows]; decoder.width()];
    for matrix in decoder.matrices() {
        // The first block is filled up with zeros in front.
        let padding = matrix.blocks * decoder.width() - matrix.outputs;
        for output in 0..matrix.outputs {
            let (block, lane) = (
                (padding + output) / decoder.width(),
                (padding + output) % decoder.width(),
            );
            let first = matrix.first_row + block * matrix.inputs;
            for input in 0..matrix.inputs {
                let weight = weight(decoder, matrix, model, output, input);
                columns[lane][first + input] = field(i64::from(weight));
            }
        }
    }
    columns.into_iter().map(Column::from).collect()
}

/// A weight of a matrix, its outputs in the order of the relation.
fn weight(
    decoder: &DecoderLayout,
    matrix: &MatrixLayout,
    model: &IntegerModel,
    output: usize,
    input: usize,
) -> i32 {
    // The first `len` outputs of one matrix, then those of another.
    let stacked = |first: &Matrix, second: &Matrix| match output.checked_sub(first.outputs()) {
        None => first.weight(output, input),
        Some(output) => second.weight(output, input),
    };
    match matrix.kind {
        MatrixKind::Embedding => {
            let entry = model.embedding()[input * matrix.outputs + output];
            i32::from(entry) << ModelArithmetic::EMBEDDING_SHIFT
        }
        MatrixKind::Rotary(layer) => {
            let layer = model.layer(layer);
            let half = decoder.shape().attention().head_dim() / 2;
            // Second halves of all heads come first, then first halves.
            let of_half = matrix.outputs / 2;
            let (second, index) = (output < of_half, output % of_half);
            let (head, pair) = (index / half, index % half);
            let row = 2 * half * head + pair + if second { half } else { 0 };
            match row.checked_sub(layer.q().outputs()) {
                None => layer.q().weight(row, input),
                Some(row) => layer.k().weight(row, input),
            }
        }
        MatrixKind::Values(layer) => model.layer(layer).v().weight(output, input),
        MatrixKind::Output(layer) => model.layer(layer).o().weight(output, input),
        MatrixKind::UpGate(layer) => {
            let layer = model.layer(layer);
            stacked(layer.up(), layer.gate())
        }
        MatrixKind::Down(layer) => model.layer(layer).down().weight(output, input),
        MatrixKind::Head => model.head().weight(output, input),
    }
}

/// The columns of a table that belongs to the model; filled up with its first entry.
fn table_columns(
    decoder: &DecoderLayout,
    table: Table,
    rows: usize,
    model: &IntegerModel,
) -> Vec<Column> {
    let entries: Vec<Vec<i64>> = match table {
        Table::Activations => {
            let limit = decoder.arithmetic().gate_bits().max_value();
            (-limit..=limit)
                .zip(model.tables().activation.entries())
                .map(|(gate, activation)| vec![i64::from(gate), i64::from(*activation)])
                .collect()
        }
        Table::Rotations => {
            let pairs = decoder.shape().attention().head_dim() / 2;
            (0..decoder.shape().positions())
                .flat_map(|position| (0..pairs).map(move |pair| (position, pair)))
                .map(|(position, pair)| {
                    let (cos, sin) = model
                        .tables()
                        .rotary
                        .get(position, pair)
                        .unwrap_or_default();
                    [position, pair]
                        .map(|index| i64::try_from(index).unwrap_or(i64::MAX))
                        .into_iter()
                        .chain([i64::from(cos), i64::from(sin)])
                        .collect()
                })
                .collect()
        }
        Table::Weights
        | Table::Values
        | Table::ValueDigits
        | Table::Limbs
        | Table::Ranges
        | Table::ReciprocalRoots
        | Table::Exponents => return vec![],
    };
    (0..table.model_columns())
        .map(|column| {
            (0..rows)
                .map(|row| field(entries.get(row).unwrap_or(&entries[0])[column]))
                .collect()
        })
        .collect()
}
