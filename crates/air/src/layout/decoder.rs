//! The layout of the decoder around the attention: where the rows of weights and of every node stand, and how
//! values are named between components. Everything follows from the graph, and from the number of steps.
use alloc::vec::Vec;

use matchmark_graph::{
    ArithmeticTerms, Edge, EdgeId, Graph, Kind, LayerGroup, ModelShape, NodeId, MAX_LINEAR_WIDTH,
};
use matchmark_quant::MAX_LOG_ROWS;

use crate::layout::lanes::{argmax_lanes, choose, gated_columns, stream_columns, LaneChoice};
use crate::layout::{log_rows, LayoutError};

/// Largest number of weights in a row of the linear component that is chosen on account of height: a
/// column costs a proof about as many bytes as a level does.
const PREFERRED_WIDTH: usize = 96;
/// Names of matrices and of attention entries are kind times this plus a number below it.
pub const KIND: usize = 1 << 26;
/// Log of the number of rows of the range table: all limits from 1 to `2^15`.
pub const LOG_RANGE_ROWS: u32 = 16;
/// Widest range check.
pub const RANGE_BITS: u32 = 15;
/// Bits of the low limb of a stream value; the high one has as many, with its sign.
pub const LIMB_BITS: u32 = 8;
/// What the unit of a rescaling is on padding, where zero is rescaled.
pub const PADDING_UNIT: u32 = 2;
/// Bits that the unit of a sum of squares leaves of the products of limbs, which stand for `2^9` each.
pub const CROSS_LOW_BITS: u32 = 6;
/// What is added to the sum of the products of limbs, in units of `2^6`, so that it is not negative.
pub const CROSS_OFFSET: u32 = 1 << 23;
/// Bits of the low limb of that sum.
pub const CROSS_LIMB_BITS: u32 = 12;
/// Bits of a mantissa of the sum of squares.
pub const MANTISSA_BITS: u32 = 14;
/// Low bits of the remainder of a normalization.
pub const NORM_LOW_BITS: u32 = 8;

/// The matrices of a node: their size and place in the linear component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixLayout {
    /// The node that multiplies with them.
    pub node: NodeId,
    /// Number of outputs of all of them.
    pub outputs: usize,
    /// Number of inputs, the one of biases included.
    pub inputs: usize,
    /// Blocks of outputs; the first one is filled up with zeros in front.
    pub blocks: usize,
    /// First row in the linear component; rows are (block, input).
    pub first_row: usize,
}

/// Log sizes of the decoder's components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderLogRows {
    /// Rows (matrix, block of outputs, input).
    pub linear: u32,
    /// Rows (stage, channels, step).
    pub stream: u32,
    /// Rows (stage, step).
    pub norms: u32,
    /// Rows (layer, query or key head, pair of dimensions, step).
    pub rotary: u32,
    /// Rows (layer, key/value head, dimension, step).
    pub values: u32,
    /// Rows (layer, channel of the MLP, steps).
    pub gated: u32,
    /// Rows (tokens of the vocabulary, step); none of a group of layers without the output head.
    pub argmax: u32,
    /// Rows (channel, step); none where no stream comes from a group before.
    pub stream_in: u32,
    /// Rows (channel, step); none where no stream goes to a group behind.
    pub stream_out: u32,
    /// Entries of the activation table.
    pub activations: u32,
    /// Entries of the rotary table.
    pub rotations: u32,
}

/// Layout of the decoder around the attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderLayout {
    shape: ModelShape,
    layers: LayerGroup,
    graph: Graph,
    arithmetic: ArithmeticTerms,
    steps: usize,
    width: usize,
    matrices: Vec<MatrixLayout>,
    stream_lanes: usize,
    gated_lanes: usize,
    argmax_lanes: usize,
    log_rows: DecoderLogRows,
}

impl DecoderLayout {
    /// The layout of a group of layers in segments of up to `segment_steps` steps, for one of `steps` steps, with lanes
    /// chosen like this.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn new(
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
        group: &LayerGroup,
        (segment_steps, steps): (usize, usize),
        lanes: LaneChoice,
    ) -> Result<Self, LayoutError> {
        let graph = Graph::decoder_group(&shape, group);
        let width = width(&graph);
        let mut matrices = Vec::new();
        let mut first_row = 0;
        for (node, linear) in graph.linears() {
            let (outputs, inputs) = (linear.outputs(), linear.rows_of_weights());
            let blocks = outputs.div_ceil(width);
            matrices.push(MatrixLayout {
                node,
                outputs,
                inputs,
                blocks,
                first_row,
            });
            first_row += blocks * inputs;
        }
        let rows = |component, per_token: usize| {
            log_rows(component, per_token as u64 * segment_steps as u64)
        };
        let of = |kind| graph.rows_per_token(kind);
        let channels = of(Kind::Stream);
        let height = |lanes| rows("stream", channels / lanes);
        // Lanes that leave no channel over.
        let (stream_lanes, stream) = choose(lanes, stream_columns, |lanes| {
            shape.hidden().is_multiple_of(lanes).then(|| height(lanes))
        })?;
        let gates = of(Kind::Gated) as u64;
        let height = |lanes| log_rows("gated", gates * segment_steps.div_ceil(lanes) as u64);
        let (gated_lanes, gated) = choose(lanes, gated_columns, |lanes| Some(height(lanes)))?;
        let mut log_rows = DecoderLogRows {
            linear: log_rows("linear", first_row as u64)?,
            stream,
            norms: rows("norms", graph.of(Kind::Stream).len())?,
            rotary: rows("rotary", of(Kind::Rotary))?,
            values: rows("values", of(Kind::Values))?,
            gated,
            argmax: 0,
            stream_in: rows("stream in", of(Kind::StreamIn))?,
            stream_out: rows("stream out", of(Kind::StreamOut))?,
            activations: log_rows(
                "activation table",
                2 * u64::from(arithmetic.gate_bits().max_value().unsigned_abs()) + 1,
            )?,
            rotations: log_rows(
                "rotary table",
                (shape.positions() * (shape.attention().head_dim() / 2)) as u64,
            )?,
        };
        let vocabulary = of(Kind::Argmax);
        let height = |lanes| rows("argmax", vocabulary.div_ceil(lanes));
        let (argmax_lanes, argmax) = argmax_lanes(lanes, max_log_rows(&log_rows), height)?;
        log_rows.argmax = argmax;
        Ok(Self {
            shape,
            layers: *group,
            graph,
            arithmetic,
            steps,
            width,
            matrices,
            stream_lanes,
            gated_lanes,
            argmax_lanes,
            log_rows,
        })
    }

    /// Shape of the model.
    pub fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// The layers.
    pub fn layers(&self) -> &LayerGroup {
        &self.layers
    }

    /// What they compute, node by node.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What holds for all nodes of the arithmetic.
    pub fn arithmetic(&self) -> &ArithmeticTerms {
        &self.arithmetic
    }

    /// Steps of the segment, the stride of consecutive channels.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Weights in a row of the linear component.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The matrices in order.
    pub fn matrices(&self) -> &[MatrixLayout] {
        &self.matrices
    }

    /// Log sizes of the components.
    pub fn log_rows(&self) -> DecoderLogRows {
        self.log_rows
    }

    /// Log of the largest component.
    pub fn max_log_rows(&self) -> u32 {
        max_log_rows(&self.log_rows)
    }

    /// Values that enter random linear combinations: inputs and outputs of matrices, with so many outputs of the
    /// attention, padding included.
    pub(crate) fn combined_values(&self, outputs: u64) -> u64 {
        let rows = self.log_rows;
        // Additions and normalized values; both halves; up, gate and their product.
        [
            (rows.stream, 2 * self.stream_lanes as u64),
            (rows.rotary, 2),
            (rows.values, 1),
            (rows.gated, 3 * self.gated_lanes as u64),
        ]
        .into_iter()
        // The logits, and what comes from a group before.
        .chain(
            self.has(Kind::Argmax)
                .then_some((rows.argmax, self.argmax_lanes as u64)),
        )
        .chain(self.has(Kind::StreamIn).then_some((rows.stream_in, 1)))
        .map(|(log, columns)| columns << log)
        .sum::<u64>()
            + outputs
            // What is public: tokens, and where there are biases the number one.
            + (self.public_inputs() * self.steps) as u64
    }

    /// Numbers that are public and that matrices take in.
    fn public_inputs(&self) -> usize {
        let edges = self.graph.edges().iter();
        let public = edges.filter(|it| it.from().is_none() && it.kind().is_taken_by_matrices());
        public.map(Edge::width).sum()
    }

    /// Whether there are nodes of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        !self.graph.of(kind).is_empty()
    }

    /// Stages of the stream: the one that the layers begin with, and those after attention and MLP of each.
    pub fn stages(&self) -> usize {
        self.graph.of(Kind::Stream).len()
    }

    /// Row of one of a node's rows for a token at a step, in the component that shows nodes of its kind, of those
    /// without lanes.
    pub fn row(&self, node: NodeId, index: usize, step: usize) -> usize {
        (self.graph.node(node).first_row() + index) * self.steps + step
    }

    /// Rows that are not padding in the component that shows nodes of a kind.
    pub fn rows_in_use(&self, kind: Kind) -> usize {
        let rows = self.graph.rows_per_token(kind);
        match kind {
            Kind::Argmax => rows.div_ceil(self.argmax_lanes) * self.steps,
            Kind::Stream => rows / self.stream_lanes * self.steps,
            Kind::Gated => rows * self.gated_steps(),
            Kind::Linear
            | Kind::Rotary
            | Kind::Values
            | Kind::Attention
            | Kind::StreamIn
            | Kind::StreamOut => rows * self.steps,
        }
    }

    /// Tokens of the vocabulary that stand side by side in a row of the argmax component.
    pub fn argmax_lanes(&self) -> usize {
        self.argmax_lanes
    }

    /// Lanes of its first row that stand before the first token.
    pub fn argmax_missing(&self) -> usize {
        let vocabulary = self.graph.rows_per_token(Kind::Argmax);
        vocabulary.next_multiple_of(self.argmax_lanes) - vocabulary
    }

    fn row_of(&self, kind: Kind, rank: usize, index: usize, step: usize) -> usize {
        self.row(self.graph.nth(kind, rank), index, step)
    }

    /// Channels that stand side by side in a row of the stream component.
    pub fn stream_lanes(&self) -> usize {
        self.stream_lanes
    }

    /// Row and lane of (stage, channel, step) in the stream component.
    pub fn stream_row(&self, stage: usize, channel: usize, step: usize) -> (usize, usize) {
        let place = stage * self.shape.hidden() + channel;
        let (row, lane) = (place / self.stream_lanes, place % self.stream_lanes);
        (row * self.steps + step, lane)
    }

    /// Number of (stage, step) in the relations between stream and norms.
    pub fn norm_row(&self, stage: usize, step: usize) -> usize {
        stage * self.steps + step
    }

    /// Row of (layer, head, pair, step) in the rotary component; key heads follow query heads.
    pub fn rotary_row(&self, layer: usize, head: usize, pair: usize, step: usize) -> usize {
        let pairs = self.shape.attention().head_dim() / 2;
        self.row_of(Kind::Rotary, layer, head * pairs + pair, step)
    }

    /// Row of (layer, key/value head, dimension, step) in the values component.
    pub fn values_row(&self, layer: usize, head: usize, dim: usize, step: usize) -> usize {
        let dims = self.shape.attention().head_dim();
        self.row_of(Kind::Values, layer, head * dims + dim, step)
    }

    /// Steps that stand side by side in a row of the gated component.
    pub fn gated_lanes(&self) -> usize {
        self.gated_lanes
    }

    /// Rows of a channel in the gated component.
    pub fn gated_steps(&self) -> usize {
        self.steps.div_ceil(self.gated_lanes)
    }

    /// Lanes of the first of them that stand before the first step.
    pub fn gated_missing(&self) -> usize {
        self.gated_steps() * self.gated_lanes - self.steps
    }

    /// Row and lane of (layer, channel, step) in the gated component.
    pub fn gated_row(&self, layer: usize, channel: usize, step: usize) -> (usize, usize) {
        let first = (layer * self.shape.mlp() + channel) * self.gated_steps();
        let place = self.gated_missing() + step;
        (first + place / self.gated_lanes, place % self.gated_lanes)
    }

    /// Row and lane of (token of the vocabulary, step) in the argmax component.
    pub fn argmax_row(&self, token: usize, step: usize) -> (usize, usize) {
        let place = self.argmax_missing() + token;
        let (row, lane) = (place / self.argmax_lanes, place % self.argmax_lanes);
        (row * self.steps + step, lane)
    }

    /// How often each number of a vector is used: once by each block of each node of matrices that takes it in.
    pub fn input_uses(&self, edge: EdgeId) -> usize {
        let to = self.graph.edge(edge).to();
        let taking = self.matrices.iter();
        let taking = taking.filter(|matrix| to.contains(&matrix.node));
        taking.map(|matrix| matrix.blocks).sum()
    }

    /// Name of the input that a row of weights is for.
    ///
    /// # Panics
    /// If the matrices have no such input.
    pub fn input(&self, matrix: &MatrixLayout, mut index: usize) -> usize {
        for edge in self.graph.node(matrix.node).inputs() {
            let width = self.graph.edge(*edge).width();
            if index < width {
                return self.graph.name(*edge, index);
            }
            index -= width;
        }
        panic!("no such input of {:?}", matrix.node)
    }
}

/// Log of the largest of these components.
fn max_log_rows(rows: &DecoderLogRows) -> u32 {
    let DecoderLogRows {
        linear,
        stream,
        norms,
        rotary,
        values,
        gated,
        argmax,
        stream_in,
        stream_out,
        activations,
        rotations,
    } = *rows;
    [
        linear,
        stream,
        norms,
        rotary,
        values,
        gated,
        argmax,
        stream_in,
        stream_out,
        activations,
        rotations,
    ]
    .into_iter()
    .fold(LOG_RANGE_ROWS, u32::max)
}

/// Names of outputs in the stream component: the number of their last (stage, step). Those of the rotary
/// and the values component are the names of the attention entries on their last row.
pub const STREAM_OUTPUT: usize = 0;
/// Names of outputs in the gated component: the input that the last row provides.
pub const GATED_OUTPUT: usize = 3 * KIND;
/// Name of the outputs of the argmax component.
pub const ARGMAX_OUTPUT: usize = 4 * KIND;

/// Kinds of attention entries: queries by lane and row of the vectors component.
pub const QUERY_ENTRY: usize = 0;
/// Keys by cache row.
pub const KEY_ENTRY: usize = KIND;
/// Values by cache row.
pub const VALUE_ENTRY: usize = 2 * KIND;

/// The number of weights in a row: the smallest for the least height at which it is not preferred to
/// have fewer columns. Where that height is more than a component can have, rows grow until it is not.
fn width(graph: &Graph) -> usize {
    let rows = |width: usize| -> usize {
        let linears = graph.linears();
        let rows = linears.map(|(_, it)| it.outputs().div_ceil(width) * it.rows_of_weights());
        rows.sum()
    };
    let height = |width: usize| rows(width).next_power_of_two();
    let largest = (1..=MAX_LINEAR_WIDTH).rev();
    let tallest = rows(PREFERRED_WIDTH)
        .next_power_of_two()
        .min(1 << MAX_LOG_ROWS);
    largest
        .take_while(|width| height(*width) <= tallest)
        .last()
        .unwrap_or(MAX_LINEAR_WIDTH)
}
