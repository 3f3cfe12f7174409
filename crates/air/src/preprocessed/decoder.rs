//! The decoder's preprocessed columns: selectors, names, constants of the nodes, and tables that are the same for
//! all models.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_graph::{Kind, ModelArithmetic, NodeId, Operation};
use num_traits::{One, Zero};
use stwo::core::fields::m31::M31;

use crate::layout::decoder::{
    DecoderLayout, ARGMAX_OUTPUT, GATED_OUTPUT, KEY_ENTRY, LOG_RANGE_ROWS, MANTISSA_BITS,
    PADDING_UNIT, QUERY_ENTRY, STREAM_OUTPUT, VALUE_ENTRY,
};
use crate::layout::{SegmentLayout, MIN_LOG_ROWS};

macro_rules! selectors {
    ($($group:ident, $of_group:ident {
        $($(#[$meta:meta])* $name:ident, $text:literal;)+
    })+) => {
        /// A preprocessed column of the decoder.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DecoderSelector {
            $($($(#[$meta])* $name,)+)+
        }

        impl DecoderSelector {
            /// All columns, in the order of the tree.
            pub const ALL: &'static [Self] = &[$($(Self::$name),+),+];

            /// Name of the column.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => $text,)+)+
                }
            }

            const fn group(self) -> Group {
                match self {
                    $($(Self::$name => Group::$group($of_group::$name),)+)+
                }
            }
        }

        /// The component or table that a column belongs to, and the column among those of it.
        #[derive(Clone, Copy)]
        enum Group {
            $($group($of_group),)+
        }

        $(
            #[derive(Clone, Copy, PartialEq)]
            #[allow(clippy::enum_variant_names)] // The names of the whole tree.
            enum $of_group {
                $($name,)+
            }
        )+
    };
}

selectors! {
    Vectors, VectorSelector {
        /// Vectors: the name of the first query entry.
        VectorQuery, "vector_query";
        /// Vectors: 1 on the first step of a head.
        VectorFirstStep, "vector_first_step";
        /// Vectors: the name of the first attention output as an input of matrices.
        VectorInput, "vector_input";
        /// Vectors: how often the inputs are used, on the last step.
        VectorInputUses, "vector_input_uses";
    }
    Linear, LinearSelector {
        /// Linear: the name of the input.
        LinearInput, "linear_input";
        /// Linear: 1 on rows of a matrix.
        LinearActive, "linear_active";
        /// Linear: 1 where the block of the row before goes on.
        LinearContinues, "linear_continues";
        /// Linear: 1 on the first row of a block that is not the first of its matrix.
        LinearNextBlock, "linear_next_block";
        /// Linear: 1 on the last row of a matrix.
        LinearLast, "linear_last";
        /// Linear: the name of the outputs, on the last row of a matrix.
        LinearOutput, "linear_output";
    }
    Stream, StreamSelector {
        /// Stream: 1 on rows of a stage.
        StreamActive, "stream_active";
        /// Stream: what accumulators are divided by, `2^shift`.
        StreamUnit, "stream_unit";
        /// Stream: what the stream of the stage before is multiplied by; 0 on the first stage.
        StreamBefore, "stream_before";
        /// Stream: 1 on the first channels of a stage.
        StreamFirstChannel, "stream_first_channel";
        /// Stream: 1 on the last channels of a stage.
        StreamLastChannel, "stream_last_channel";
        /// Stream: 1 on the first step of a channel.
        StreamFirstStep, "stream_first_step";
        /// Stream: 1 on the last row of a stage.
        StreamLast, "stream_last";
        /// Stream: the number of (stage, step).
        StreamNorm, "stream_norm";
        /// Stream: the name of the first normalized value as an input of matrices.
        StreamInput, "stream_input";
        /// Stream: how often the input is used, on the last step.
        StreamInputUses, "stream_input_uses";
        /// Stream: 1 on rows whose stream goes to the group of layers behind. Only there are such rows.
        StreamGoesOut, "stream_goes_out";
    }
    StreamIn, StreamInSelector {
        /// Stream in: 1 on the first row.
        StreamInFirst, "stream_in_first";
        /// Stream in: 1 on the last row.
        StreamInLast, "stream_in_last";
    }
    StreamOut, StreamOutSelector {
        /// Stream out: 1 on rows of a channel and step.
        StreamOutActive, "stream_out_active";
        /// Stream out: the number of (last stage, step).
        StreamOutNorm, "stream_out_norm";
        /// Stream out: the name of the channel's normalized value in the last stage.
        StreamOutInput, "stream_out_input";
    }
    Norms, NormSelector {
        /// Norms: 1 on rows of a stage.
        NormActive, "norm_active";
        /// Norms: the number of (stage, step).
        NormRow, "norm_row";
        /// Norms: epsilon of the stage.
        NormEpsilon, "norm_epsilon";
        /// Norms: what normalization divides by where the exponent is zero, `2^shift`.
        NormUnit, "norm_unit";
    }
    Rotary, RotarySelector {
        /// Rotary: 1 on the first row of a layer.
        RotaryFirst, "rotary_first";
        /// Rotary: 1 on the last row of a layer.
        RotaryLast, "rotary_last";
        /// Rotary: what accumulators are divided by, `2^shift` of queries or keys.
        RotaryUnit, "rotary_unit";
        /// Rotary: the step.
        RotaryStep, "rotary_step";
        /// Rotary: the pair of dimensions.
        RotaryPair, "rotary_pair";
        /// Rotary: the name of the attention entry of the pair's first dimension.
        RotaryEntry, "rotary_entry";
        /// Rotary: how often the entries are used.
        RotaryEntryUses, "rotary_entry_uses";
    }
    Values, ValueSelector {
        /// Values: 1 on the first row of a layer.
        ValueFirst, "value_first";
        /// Values: 1 on the last row of a layer.
        ValueLast, "value_last";
        /// Values: what accumulators are divided by, `2^shift`.
        ValueUnit, "value_unit";
        /// Values: the name of the attention entry.
        ValueEntry, "value_entry";
        /// Values: how often the entry is used.
        ValueEntryUses, "value_entry_uses";
    }
    Gated, GatedSelector {
        /// Gated: 1 on the first row of a layer.
        GatedFirst, "gated_first";
        /// Gated: 1 on the last row of a layer.
        GatedLast, "gated_last";
        /// Gated: what accumulators of the gate are divided by, `2^shift`.
        GatedGateUnit, "gated_gate_unit";
        /// Gated: what accumulators of the up projection are divided by, `2^shift`.
        GatedUpUnit, "gated_up_unit";
        /// Gated: what products are divided by, `2^shift`.
        GatedUnit, "gated_unit";
        /// Gated: 1 on the first row of a channel.
        GatedFirstSteps, "gated_first_steps";
        /// Gated: the name of the gated value as an input of matrices.
        GatedInput, "gated_input";
        /// Gated: how often the input is used, on the last row of a channel.
        GatedInputUses, "gated_input_uses";
    }
    Argmax, ArgmaxSelector {
        /// Argmax: 1 on the first tokens of the vocabulary.
        ArgmaxFirst, "argmax_first";
        /// Argmax: 1 on the first row.
        ArgmaxStart, "argmax_start";
        /// Argmax: 1 on the last row.
        ArgmaxLast, "argmax_last";
        /// Argmax: 1 on the first step. Only where there are several lanes.
        ArgmaxFirstStep, "argmax_first_step";
    }
    Range, RangeSelector {
        /// Range table: the limit.
        RangeLimit, "range_limit";
        /// Range table: a number below it.
        RangeValue, "range_value";
    }
    Root, RootSelector {
        /// Reciprocal roots: the mantissa.
        RootMantissa, "root_mantissa";
        /// Reciprocal roots: the factor.
        RootFactor, "root_factor";
    }
    Exponent, ExponentSelector {
        /// Exponents: `2^e`.
        ExponentScale, "exponent_scale";
        /// Exponents: `4^e`.
        ExponentPower, "exponent_power";
        /// Exponents: the smallest mantissa.
        ExponentSmallest, "exponent_smallest";
    }
}

impl DecoderSelector {
    /// Log of the number of rows.
    pub fn log_rows(self, layout: &SegmentLayout, decoder: &DecoderLayout) -> u32 {
        let rows = decoder.log_rows();
        match self.group() {
            Group::Vectors(_) => layout.log_rows().vectors,
            Group::Linear(_) => rows.linear,
            Group::Stream(_) => rows.stream,
            Group::Norms(_) => rows.norms,
            Group::Rotary(_) => rows.rotary,
            Group::Values(_) => rows.values,
            Group::Gated(_) => rows.gated,
            Group::Argmax(_) => rows.argmax,
            Group::StreamIn(_) => rows.stream_in,
            Group::StreamOut(_) => rows.stream_out,
            Group::Range(_) => LOG_RANGE_ROWS,
            Group::Root(_) => MANTISSA_BITS,
            Group::Exponent(_) => MIN_LOG_ROWS,
        }
    }

    /// Whether the proofs of a group of layers have the column.
    pub fn is_of(self, decoder: &DecoderLayout) -> bool {
        match self.group() {
            Group::Argmax(column) => {
                let has_lanes = decoder.argmax_lanes() > 1;
                decoder.has(Kind::Argmax)
                    && (column != ArgmaxSelector::ArgmaxFirstStep || has_lanes)
            }
            Group::StreamIn(_) => decoder.has(Kind::StreamIn),
            Group::StreamOut(_) => decoder.has(Kind::StreamOut),
            Group::Stream(column) => {
                column != StreamSelector::StreamGoesOut || decoder.has(Kind::StreamOut)
            }
            Group::Vectors(_)
            | Group::Linear(_)
            | Group::Norms(_)
            | Group::Rotary(_)
            | Group::Values(_)
            | Group::Gated(_)
            | Group::Range(_)
            | Group::Root(_)
            | Group::Exponent(_) => true,
        }
    }

    /// The column's entries in row order, for a model of this arithmetic.
    pub fn column(
        self,
        layout: &SegmentLayout,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
    ) -> Vec<M31> {
        let rows = 1 << self.log_rows(layout, decoder);
        match self.group() {
            Group::Vectors(column) => column.entries(layout, decoder, rows),
            Group::Linear(column) => column.entries(layout, decoder, rows),
            Group::Stream(column) => column.entries(decoder, arithmetic, rows),
            Group::Norms(column) => column.entries(decoder, arithmetic, rows),
            Group::Rotary(column) => column.entries(layout, decoder, arithmetic, rows),
            Group::Values(column) => column.entries(layout, decoder, arithmetic, rows),
            Group::Gated(column) => column.entries(decoder, arithmetic, rows),
            Group::Argmax(column) => (0..rows).map(|row| column.entry(decoder, row)).collect(),
            Group::StreamIn(column) => (0..rows).map(|row| column.entry(decoder, row)).collect(),
            Group::StreamOut(column) => (0..rows).map(|row| column.entry(decoder, row)).collect(),
            Group::Range(column) => (0..rows).map(|row| column.entry(row)).collect(),
            Group::Root(column) => (0..rows).map(|row| column.entry(row)).collect(),
            Group::Exponent(column) => (0..rows).map(|row| column.entry(row)).collect(),
        }
    }
}

impl VectorSelector {
    fn entries(self, layout: &SegmentLayout, decoder: &DecoderLayout, rows: usize) -> Vec<M31> {
        let graph = decoder.graph();
        let heads = decoder.shape().attention().query_heads();
        let (dim, steps) = (layout.head_dim(), decoder.steps());
        let mut column = vec![M31::zero(); rows];
        for (layer, id) in graph.of(Kind::Attention).iter().enumerate() {
            let vector = graph.vector_of(*id);
            let input_uses = decoder.input_uses(vector);
            // What stands here is that of the first lane.
            for head in (0..heads).step_by(layout.vector_lanes()) {
                for step in 0..steps {
                    for c in 0..dim {
                        let (row, _) = layout.vector_row(layer * heads + head, step, c);
                        column[row] = match self {
                            Self::VectorQuery => M31::from(QUERY_ENTRY + row),
                            Self::VectorFirstStep => flag(step == 0),
                            Self::VectorInput => M31::from(graph.name(vector, head * dim + c)),
                            Self::VectorInputUses => uses(step + 1 == steps, input_uses),
                        };
                    }
                }
            }
        }
        column
    }
}

impl LinearSelector {
    fn entries(self, layout: &SegmentLayout, decoder: &DecoderLayout, rows: usize) -> Vec<M31> {
        let mut column = vec![M31::zero(); rows];
        for matrix in decoder.matrices() {
            for block in 0..matrix.blocks {
                for input in 0..matrix.inputs {
                    let last = block + 1 == matrix.blocks && input + 1 == matrix.inputs;
                    column[matrix.first_row + block * matrix.inputs + input] = match self {
                        Self::LinearInput => M31::from(decoder.input(matrix, input)),
                        Self::LinearActive => M31::one(),
                        Self::LinearContinues => flag(input > 0),
                        Self::LinearNextBlock => flag(input == 0 && block > 0),
                        Self::LinearLast => flag(last),
                        Self::LinearOutput => uses(last, output_name(layout, decoder, matrix.node)),
                    };
                }
            }
        }
        column
    }
}

impl StreamSelector {
    fn entries(
        self,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
        rows: usize,
    ) -> Vec<M31> {
        let (graph, steps) = (decoder.graph(), decoder.steps());
        let (channels, lanes) = (decoder.shape().hidden(), decoder.stream_lanes());
        let mut column = filled(matches!(self, Self::StreamUnit), rows);
        for (stage, id) in graph.of(Kind::Stream).iter().enumerate() {
            let constants = arithmetic.stream(*id);
            let vector = graph.vector_of(*id);
            let input_uses = decoder.input_uses(vector);
            for channel in (0..channels).step_by(lanes) {
                for step in 0..steps {
                    let (last, is_last) = (step + 1 == steps, channel + lanes == channels);
                    let (row, _) = decoder.stream_row(stage, channel, step);
                    column[row] = match self {
                        Self::StreamActive => M31::one(),
                        Self::StreamUnit => power(constants.shift),
                        Self::StreamBefore => constants.before.map_or(M31::zero(), power),
                        Self::StreamFirstChannel => flag(channel == 0),
                        Self::StreamLastChannel => flag(is_last),
                        Self::StreamFirstStep => flag(step == 0),
                        Self::StreamLast => flag(last && is_last),
                        Self::StreamNorm => M31::from(decoder.norm_row(stage, step)),
                        Self::StreamInput => M31::from(graph.name(vector, channel)),
                        Self::StreamInputUses => uses(last, input_uses),
                        Self::StreamGoesOut => flag(stage + 1 == decoder.stages()),
                    };
                }
            }
        }
        column
    }
}

impl NormSelector {
    fn entries(
        self,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
        rows: usize,
    ) -> Vec<M31> {
        let of_row = |row: usize| {
            // Padding is normalized like the last stage.
            let stage = (row / decoder.steps()).min(decoder.stages() - 1);
            let norm = arithmetic
                .stream(decoder.graph().nth(Kind::Stream, stage))
                .norm;
            match self {
                Self::NormActive => flag(row < decoder.stages() * decoder.steps()),
                Self::NormRow => M31::from(row),
                Self::NormEpsilon => M31::from(norm.epsilon),
                Self::NormUnit => power(norm.shift),
            }
        };
        (0..rows).map(of_row).collect()
    }
}

impl RotarySelector {
    fn entries(
        self,
        layout: &SegmentLayout,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
        rows: usize,
    ) -> Vec<M31> {
        let attention = decoder.shape().attention();
        let (queries, keys) = (attention.query_heads(), attention.kv_heads());
        let (pairs, steps) = (attention.head_dim() / 2, decoder.steps());
        let mut column = filled(matches!(self, Self::RotaryUnit), rows);
        for (layer, id) in decoder.graph().of(Kind::Rotary).iter().enumerate() {
            let constants = arithmetic.rotary(*id);
            for head in 0..queries + keys {
                for pair in 0..pairs {
                    for step in 0..steps {
                        let first = head == 0 && pair == 0 && step == 0;
                        let last =
                            head + 1 == queries + keys && pair + 1 == pairs && step + 1 == steps;
                        column[decoder.row(*id, head * pairs + pair, step)] = match self {
                            Self::RotaryFirst => flag(first),
                            Self::RotaryLast => flag(last),
                            Self::RotaryUnit => power(match head < queries {
                                true => constants.query,
                                false => constants.key,
                            }),
                            Self::RotaryStep => M31::from(step),
                            Self::RotaryPair => M31::from(pair),
                            Self::RotaryEntry => M31::from(match head.checked_sub(queries) {
                                None => {
                                    let head = layer * queries + head;
                                    QUERY_ENTRY + layout.query_entry(head, step, pair)
                                }
                                Some(head) => {
                                    KEY_ENTRY + layout.cache_row(layer * keys + head, step, pair)
                                }
                            }),
                            Self::RotaryEntryUses => M31::from(match head < queries {
                                true => 1,
                                false => layout.entry_uses(),
                            }),
                        };
                    }
                }
            }
        }
        column
    }
}

impl ValueSelector {
    fn entries(
        self,
        layout: &SegmentLayout,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
        rows: usize,
    ) -> Vec<M31> {
        let attention = decoder.shape().attention();
        let (heads, dim, steps) = (attention.kv_heads(), attention.head_dim(), decoder.steps());
        let mut column = filled(matches!(self, Self::ValueUnit), rows);
        for (layer, id) in decoder.graph().of(Kind::Values).iter().enumerate() {
            let constants = arithmetic.values(*id);
            for head in 0..heads {
                for c in 0..dim {
                    for step in 0..steps {
                        let last = head + 1 == heads && c + 1 == dim && step + 1 == steps;
                        column[decoder.row(*id, head * dim + c, step)] = match self {
                            Self::ValueFirst => flag(head == 0 && c == 0 && step == 0),
                            Self::ValueLast => flag(last),
                            Self::ValueUnit => power(constants.shift),
                            Self::ValueEntry => M31::from(
                                VALUE_ENTRY + layout.cache_row(layer * heads + head, step, c),
                            ),
                            Self::ValueEntryUses => M31::from(layout.entry_uses()),
                        };
                    }
                }
            }
        }
        column
    }
}

impl GatedSelector {
    fn entries(
        self,
        decoder: &DecoderLayout,
        arithmetic: &ModelArithmetic,
        rows: usize,
    ) -> Vec<M31> {
        let graph = decoder.graph();
        let (channels, rows_of_channel) = (decoder.shape().mlp(), decoder.gated_steps());
        let is_unit = matches!(
            self,
            Self::GatedGateUnit | Self::GatedUpUnit | Self::GatedUnit
        );
        let mut column = filled(is_unit, rows);
        for (layer, id) in graph.of(Kind::Gated).iter().enumerate() {
            let constants = arithmetic.gated(*id);
            let vector = graph.vector_of(*id);
            let input_uses = decoder.input_uses(vector);
            for channel in 0..channels {
                for step in 0..rows_of_channel {
                    let last = step + 1 == rows_of_channel;
                    let row = (layer * channels + channel) * rows_of_channel + step;
                    column[row] = match self {
                        Self::GatedFirst => flag(channel == 0 && step == 0),
                        Self::GatedLast => flag(last && channel + 1 == channels),
                        Self::GatedGateUnit => power(constants.gate),
                        Self::GatedUpUnit => power(constants.up),
                        Self::GatedUnit => power(constants.product),
                        Self::GatedFirstSteps => flag(step == 0),
                        Self::GatedInput => M31::from(graph.name(vector, channel)),
                        Self::GatedInputUses => uses(last, input_uses),
                    };
                }
            }
        }
        column
    }
}

impl ArgmaxSelector {
    fn entry(self, decoder: &DecoderLayout, row: usize) -> M31 {
        let steps = decoder.steps();
        let rows = decoder.rows_in_use(Kind::Argmax);
        match self {
            Self::ArgmaxFirst => flag(row < steps),
            Self::ArgmaxStart => flag(row == 0),
            Self::ArgmaxLast => flag(row + 1 == rows),
            Self::ArgmaxFirstStep => flag(row.is_multiple_of(steps)),
        }
    }
}

impl StreamInSelector {
    fn entry(self, decoder: &DecoderLayout, row: usize) -> M31 {
        flag(match self {
            Self::StreamInFirst => row == 0,
            Self::StreamInLast => row + 1 == decoder.rows_in_use(Kind::StreamIn),
        })
    }
}

impl StreamOutSelector {
    fn entry(self, decoder: &DecoderLayout, row: usize) -> M31 {
        if row >= decoder.rows_in_use(Kind::StreamOut) {
            return M31::zero();
        }
        let (channel, step) = (row / decoder.steps(), row % decoder.steps());
        let stage = decoder.stages() - 1;
        let graph = decoder.graph();
        match self {
            Self::StreamOutActive => M31::one(),
            Self::StreamOutNorm => M31::from(decoder.norm_row(stage, step)),
            Self::StreamOutInput => {
                let vector = graph.vector_of(graph.nth(Kind::Stream, stage));
                M31::from(graph.name(vector, channel))
            }
        }
    }
}

impl RangeSelector {
    /// All numbers below each limit: row `limit + x`. Row 0 repeats the number zero below one.
    fn entry(self, row: usize) -> M31 {
        let limit = 1_usize << row.max(1).ilog2();
        match self {
            Self::RangeLimit => M31::from(limit),
            Self::RangeValue => M31::from(row.max(1) - limit),
        }
    }
}

impl RootSelector {
    fn entry(self, row: usize) -> M31 {
        match self {
            Self::RootMantissa => M31::from(row),
            Self::RootFactor => M31::from(matchmark_tables::reciprocal_root(row)),
        }
    }
}

impl ExponentSelector {
    /// Exponents from 0 to the largest that any sum of squares can have, filled up with the first.
    fn entry(self, row: usize) -> M31 {
        let largest = usize::from(ModelArithmetic::MAX_NORM_EXPONENT);
        let exponent = if row <= largest { row } else { 0 };
        match self {
            Self::ExponentScale => M31::from(1_usize << exponent),
            Self::ExponentPower => M31::from(1_usize << (2 * exponent)),
            Self::ExponentSmallest => M31::from(match exponent {
                0 => 0,
                1.. => 1_usize << (MANTISSA_BITS - 2),
            }),
        }
    }
}

/// Name of the outputs of a product with matrices: what the component of the node that takes them in finds on
/// the last of that node's rows.
///
/// # Panics
/// If no node takes in what this one gives.
pub fn output_name(layout: &SegmentLayout, decoder: &DecoderLayout, id: NodeId) -> usize {
    let graph = decoder.graph();
    let attention = decoder.shape().attention();
    let last = decoder.steps() - 1;
    let to = graph.node(graph.edge(graph.output(id)).to()[0]);
    let last_head = (to.rank() + 1) * attention.kv_heads() - 1;
    let dim = attention.head_dim();
    match to.operation() {
        Operation::Stream(_) => STREAM_OUTPUT + decoder.norm_row(to.rank(), last),
        Operation::Rotary(_) => KEY_ENTRY + layout.cache_row(last_head, last, dim / 2 - 1),
        Operation::Values(_) => VALUE_ENTRY + layout.cache_row(last_head, last, dim - 1),
        Operation::Gated(gated) => GATED_OUTPUT + graph.name(to.outputs()[0], gated.channels - 1),
        Operation::Argmax(_) => ARGMAX_OUTPUT,
        Operation::Linear(_)
        | Operation::Attention(_)
        | Operation::StreamIn(_)
        | Operation::StreamOut(_) => {
            unreachable!("they take in no accumulators")
        }
    }
}

/// A column of zeros, or of the unit that padding has.
fn filled(is_unit: bool, rows: usize) -> Vec<M31> {
    let padding = match is_unit {
        true => M31::from(PADDING_UNIT),
        false => M31::zero(),
    };
    vec![padding; rows]
}

fn power(shift: u8) -> M31 {
    M31::from(1_u32 << shift)
}

fn flag(set: bool) -> M31 {
    uses(set, 1)
}

fn uses(set: bool, times: usize) -> M31 {
    match set {
        true => M31::from(times),
        false => M31::zero(),
    }
}
