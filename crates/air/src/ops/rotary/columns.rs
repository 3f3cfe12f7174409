//! What a row (layer, head, pair of dimensions, step) of the rotary component is. Heads are the query
//! heads of a layer, then its key heads; pair `j` is dimensions `j` and `j + d/2`.
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
    /// The step within the segment.
    pub step: T,
    /// The pair.
    pub pair: T,
    /// Name of the attention entry of the pair's first dimension.
    pub entry: T,
    /// How often the entries are used: a query once, a key by each query head of its group.
    pub entry_uses: T,
}

/// Columns of the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T> {
    /// First and second value before rotation.
    pub inputs: [RescalingColumns<T>; 2],
    /// Cosine of the angle.
    pub cos: T,
    /// Sine of the angle.
    pub sin: T,
    /// First and second value after rotation.
    pub outputs: [RescalingColumns<T>; 2],
}

impl<T> Witness<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> impl Iterator<Item = T> {
        let Self {
            inputs,
            cos,
            sin,
            outputs,
        } = self;
        let rescaled = |pair: [RescalingColumns<T>; 2]| {
            pair.into_iter().flat_map(RescalingColumns::into_columns)
        };
        rescaled(inputs).chain([cos, sin]).chain(rescaled(outputs))
    }
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F>,
    /// Combined accumulators of the layer so far.
    pub accumulators: RunningSum<E>,
}

/// Names of the columns of both values before rotation.
const FIRST_AND_SECOND_INPUT: [[&str; 3]; 2] = [
    ["first", "first excess", "first remainder"],
    ["second", "second excess", "second remainder"],
];
/// Names of the columns of both values after rotation.
const FIRST_AND_SECOND_OUTPUT: [[&str; 3]; 2] = [
    [
        "rotated first",
        "rotated first excess",
        "rotated first remainder",
    ],
    [
        "rotated second",
        "rotated second excess",
        "rotated second remainder",
    ],
];

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                first: row.decoder(DecoderSelector::RotaryFirst),
                last: row.decoder(DecoderSelector::RotaryLast),
                unit: row.decoder(DecoderSelector::RotaryUnit),
                step: row.decoder(DecoderSelector::RotaryStep),
                pair: row.decoder(DecoderSelector::RotaryPair),
                entry: row.decoder(DecoderSelector::RotaryEntry),
                entry_uses: row.decoder(DecoderSelector::RotaryEntryUses),
            },
            witness: Witness {
                inputs: FIRST_AND_SECOND_INPUT.map(|names| RescalingColumns::read(row, names)),
                cos: row.witness("cos"),
                sin: row.witness("sin"),
                outputs: FIRST_AND_SECOND_OUTPUT.map(|names| RescalingColumns::read(row, names)),
            },
            accumulators: row.running_sum("accumulators", 1),
        }
    }
}
