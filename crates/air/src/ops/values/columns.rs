//! What a row (layer, key/value head, dimension, step) of the values component is.
use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::rescaling::RescalingColumns;
use crate::harness::rlc::RunningSum;
use crate::harness::row::Row;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first row of a layer.
    pub first: T,
    /// 1 on the last row of a layer.
    pub last: T,
    /// What accumulators are divided by.
    pub unit: T,
    /// Name of the attention entry.
    pub entry: T,
    /// How often the entry is used: by each query head of the group.
    pub entry_uses: T,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// The value; columns of the witness tree.
    pub value: RescalingColumns<E::F>,
    /// Combined accumulators of the layer so far.
    pub accumulators: RunningSum<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                first: row.decoder(DecoderSelector::ValueFirst),
                last: row.decoder(DecoderSelector::ValueLast),
                unit: row.decoder(DecoderSelector::ValueUnit),
                entry: row.decoder(DecoderSelector::ValueEntry),
                entry_uses: row.decoder(DecoderSelector::ValueEntryUses),
            },
            value: RescalingColumns::read(row, ["value", "excess", "remainder"]),
            accumulators: row.running_sum("accumulators", 1),
        }
    }
}
