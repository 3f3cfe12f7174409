//! What a row (layer, channel of the MLP, steps) of the gated component is. Consecutive steps stand side by side in the
//! lanes of a row.
use alloc::vec::Vec;

use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::rescaling::RescalingColumns;
use crate::harness::rlc::RunningSum;
use crate::harness::row::Row;
use crate::layout::decoder::DecoderLayout;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on the first row of a layer.
    pub first: T,
    /// 1 on the last row of a layer.
    pub last: T,
    /// What accumulators of the gate are divided by.
    pub gate_unit: T,
    /// What accumulators of the up projection are divided by.
    pub up_unit: T,
    /// What products are divided by.
    pub unit: T,
    /// 1 on the first row of a channel.
    pub first_steps: T,
    /// Name of the gated value as an input of matrices.
    pub input: T,
    /// How often the input is used; on the last row of a channel.
    pub input_uses: T,
}

/// Columns of one step in the witness tree.
#[derive(Clone, Debug)]
pub struct Lane<T> {
    /// The gate.
    pub gate: RescalingColumns<T>,
    /// What it is multiplied with.
    pub up: RescalingColumns<T>,
    /// The gate's activation, from the activation table.
    pub activation: T,
    /// The product.
    pub gated: RescalingColumns<T>,
}

impl<T> Lane<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> impl Iterator<Item = T> {
        let Self {
            gate,
            up,
            activation,
            gated,
        } = self;
        let (gate, up, gated) = (gate.into_columns(), up.into_columns(), gated.into_columns());
        gate.into_iter().chain(up).chain([activation]).chain(gated)
    }
}

/// Columns of the RLC tree.
pub struct Rlcs<E: EvalAtRow> {
    /// Accumulators of up and gate of the layer so far.
    pub accumulators: RunningSum<E>,
    /// The product over the steps so far.
    pub gated: RunningSum<E>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Witness columns, step by step.
    pub lanes: Vec<Lane<E::F>>,
    /// Random linear combinations.
    pub rlcs: Rlcs<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        Self {
            selectors: Selectors {
                first: row.decoder(DecoderSelector::GatedFirst),
                last: row.decoder(DecoderSelector::GatedLast),
                gate_unit: row.decoder(DecoderSelector::GatedGateUnit),
                up_unit: row.decoder(DecoderSelector::GatedUpUnit),
                unit: row.decoder(DecoderSelector::GatedUnit),
                first_steps: row.decoder(DecoderSelector::GatedFirstSteps),
                input: row.decoder(DecoderSelector::GatedInput),
                input_uses: row.decoder(DecoderSelector::GatedInputUses),
            },
            lanes: (0..decoder.gated_lanes())
                .map(|_| Lane {
                    gate: RescalingColumns::read(row, ["gate", "gate excess", "gate remainder"]),
                    up: RescalingColumns::read(row, ["up", "up excess", "up remainder"]),
                    activation: row.witness("activation"),
                    gated: RescalingColumns::read(
                        row,
                        ["gated", "gated excess", "gated remainder"],
                    ),
                })
                .collect(),
            rlcs: Rlcs {
                accumulators: row.running_sum("accumulators", 1),
                gated: row.running_sum("combined gated", 1),
            },
        }
    }
}
