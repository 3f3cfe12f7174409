//! What a row (stage, channels, step) of the stream component is. Consecutive channels stand side by side in the lanes
//! of a row.
use alloc::vec::Vec;

use matchmark_graph::Kind;
use stwo_constraint_framework::EvalAtRow;

use crate::gadgets::rescaling::ClampedColumns;
use crate::harness::rlc::RunningSum;
use crate::harness::row::Row;
use crate::layout::decoder::DecoderLayout;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on rows of a stage, 0 on padding.
    pub active: T,
    /// What accumulators are divided by.
    pub unit: T,
    /// What the stream of the stage before is multiplied by; 0 on the first stage.
    pub before: T,
    /// 1 on the first channels of a stage.
    pub first_channel: T,
    /// 1 on the last channels of a stage.
    pub last_channel: T,
    /// 1 on the first step of a channel.
    pub first_step: T,
    /// 1 on the last row of a stage.
    pub last: T,
    /// Number of (stage, step).
    pub norm: T,
    /// Name of the first normalized value as an input of matrices.
    pub input: T,
    /// How often the input is used; on the last step.
    pub input_uses: T,
    /// 1 on rows whose stream goes to the group of layers behind, where there is one.
    pub goes_out: Option<T>,
}

/// Columns of the witness tree. `Value` columns are read one stage before as well, `Sum` columns one
/// row of channels before.
#[derive(Clone, Debug)]
pub struct Witness<T, Value, Sum> {
    /// Sum of the squares of the high limbs over the channels so far.
    pub high_sum: Sum,
    /// Sum of the products of both limbs over the channels so far.
    pub cross_sum: Sum,
    /// Sum of the squares of the low limbs over the channels so far.
    pub low_sum: Sum,
    /// Factor of the normalization, the same for all channels.
    pub factor: T,
    /// What normalization divides by, `2^bits`.
    pub divisor: T,
    /// The limit of the excess of normalized values, `2^(26 - bits)`.
    pub excess_limit: T,
    /// The channels.
    pub lanes: Vec<Lane<T, Value>>,
}

/// Columns of one channel in the witness tree.
#[derive(Clone, Debug)]
pub struct Lane<T, Value> {
    /// High limb of the stream after this stage, with its sign: the stream is `256 high + low`.
    pub high: Value,
    /// Low limb of the stream.
    pub low: Value,
    /// What clamping took from the stream, its low limb.
    pub excess: T,
    /// What clamping took besides, in units of `2^15` before the division.
    pub excess_high: T,
    /// Remainder of what was added to it.
    pub remainder: T,
    /// The normalized value.
    pub normalized: ClampedColumns<T>,
    /// Remainder of the normalization, its low bits.
    pub norm_remainder_low: T,
    /// Remainder of the normalization, the others.
    pub norm_remainder_high: T,
}

impl<T> Witness<T, T, T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> impl Iterator<Item = T> {
        let Self {
            high_sum,
            cross_sum,
            low_sum,
            factor,
            divisor,
            excess_limit,
            lanes,
        } = self;
        [high_sum, cross_sum, low_sum, factor, divisor, excess_limit]
            .into_iter()
            .chain(lanes.into_iter().flat_map(Lane::into_columns))
    }
}

impl<T> Lane<T, T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; LANE_COLUMNS] {
        let Self {
            high,
            low,
            excess,
            excess_high,
            remainder,
            normalized,
            norm_remainder_low,
            norm_remainder_high,
        } = self;
        [
            high,
            low,
            excess,
            excess_high,
            remainder,
            normalized.out,
            normalized.excess,
            norm_remainder_low,
            norm_remainder_high,
        ]
    }
}

/// Number of columns of a channel in the witness tree.
pub const LANE_COLUMNS: usize = 9;

/// Columns of the RLC tree.
pub struct Rlcs<E: EvalAtRow> {
    /// What was added to the stream, over the steps and channels of a stage so far.
    pub added: RunningSum<E>,
    /// The normalized value of each channel over the steps so far.
    pub normalized: Vec<RunningSum<E>>,
}

/// A whole row, in reading order.
pub struct Columns<E: EvalAtRow> {
    /// Selectors.
    pub selectors: Selectors<E::F>,
    /// Witness columns.
    pub witness: Witness<E::F, [E::F; 2], [E::F; 2]>,
    /// Random linear combinations.
    pub rlcs: Rlcs<E>,
}

impl<E: EvalAtRow> Columns<E> {
    /// Reads a row.
    pub fn read(row: &mut Row<'_, E>, decoder: &DecoderLayout) -> Self {
        let steps = decoder.steps();
        let lanes = decoder.stream_lanes();
        let stage = decoder.shape().hidden() / lanes * steps;
        let goes_out = decoder.has(Kind::StreamOut);
        let mut selector = |selector: DecoderSelector| row.decoder(selector);
        let selectors = Selectors {
            active: selector(DecoderSelector::StreamActive),
            unit: selector(DecoderSelector::StreamUnit),
            before: selector(DecoderSelector::StreamBefore),
            first_channel: selector(DecoderSelector::StreamFirstChannel),
            last_channel: selector(DecoderSelector::StreamLastChannel),
            first_step: selector(DecoderSelector::StreamFirstStep),
            last: selector(DecoderSelector::StreamLast),
            norm: selector(DecoderSelector::StreamNorm),
            input: selector(DecoderSelector::StreamInput),
            input_uses: selector(DecoderSelector::StreamInputUses),
            goes_out: goes_out.then(|| selector(DecoderSelector::StreamGoesOut)),
        };
        Self {
            selectors,
            witness: Witness {
                high_sum: row.witness_before("high sum", steps),
                cross_sum: row.witness_before("cross sum", steps),
                low_sum: row.witness_before("low sum", steps),
                factor: row.witness("factor"),
                divisor: row.witness("divisor"),
                excess_limit: row.witness("excess limit"),
                lanes: (0..lanes)
                    .map(|_| Lane {
                        high: row.witness_before("high", stage),
                        low: row.witness_before("low", stage),
                        excess: row.witness("excess"),
                        excess_high: row.witness("excess high"),
                        remainder: row.witness("remainder"),
                        normalized: ClampedColumns {
                            out: row.witness("normalized"),
                            excess: row.witness("normalized excess"),
                        },
                        norm_remainder_low: row.witness("norm remainder low"),
                        norm_remainder_high: row.witness("norm remainder high"),
                    })
                    .collect(),
            },
            rlcs: Rlcs {
                added: row.running_sum("added", 1),
                normalized: (0..lanes)
                    .map(|_| row.running_sum("combined normalized", 1))
                    .collect(),
            },
        }
    }
}
