//! The model tree: weights, and the tables that belong to a model. Its columns do not depend on a
//! segment.
use matchmark_graph::EMBEDDING_SHIFT;
use matchmark_models::IntegerModel;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use crate::column::field;
use crate::column::Column;
use crate::layout::decoder::DecoderLayout;
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

/// The weights, a column for each output of a block; biases stand behind the inputs, as weights of the number one.
fn weights(decoder: &DecoderLayout, model: &IntegerModel) -> Vec<Column> {
    let rows = 1 << decoder.log_rows().linear;
    let mut columns = vec![vec![M31::zero(); rows]; decoder.width()];
    for layout in decoder.matrices() {
        let graph = decoder.graph();
        let linear = graph.linear(layout.node);
        let matrices: Vec<_> = match linear.is_summing() {
            true => graph
                .names_of(layout.node)
                .map(|it| model.matrix(it))
                .collect(),
            false => vec![],
        };
        // The first block is filled up with zeros in front.
        let padding = layout.blocks * decoder.width() - layout.outputs;
        for output in 0..layout.outputs {
            let (block, lane) = (
                (padding + output) / decoder.width(),
                (padding + output) % decoder.width(),
            );
            let first = layout.first_row + block * layout.inputs;
            let (place, row) = linear.place(output);
            for input in 0..layout.inputs {
                let weight = match matrices.get(place) {
                    // Tokens choose the rows of the embedding.
                    None => {
                        let entry = model.embedding()[input * layout.outputs + row];
                        i32::from(entry) << EMBEDDING_SHIFT
                    }
                    Some(matrix) if input < linear.inputs() => matrix.weight(row, input),
                    Some(matrix) => matrix.bias(row),
                };
                columns[lane][first + input] = field(i64::from(weight));
            }
        }
    }
    columns.into_iter().map(Column::from).collect()
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
