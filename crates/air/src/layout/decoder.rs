//! The layout of the decoder around the attention: which matrices there are, where their rows stand,
//! and how values are named between components. Everything follows from shape, arithmetic and the
//! number of steps.
use alloc::vec::Vec;

use matchmark_quant::{ArithmeticTerms, ModelShape, MAX_LINEAR_WIDTH, MAX_LOG_ROWS};

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

/// A matrix of the model, in the order in which the linear component has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatrixKind {
    /// Token to the first values of the stream.
    Embedding,
    /// Queries and keys of a layer: second halves of all heads, then first halves; query heads first.
    Rotary(usize),
    /// Values of a layer.
    Values(usize),
    /// Attention output to the stream.
    Output(usize),
    /// Up and gate of a layer, in this order.
    UpGate(usize),
    /// Gated values to the stream.
    Down(usize),
    /// Stream to logits.
    Head,
}

/// A vector that matrices take in, for every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputSpace {
    /// Tokens, one-hot.
    Tokens,
    /// The normalized stream at a stage.
    Normalized(usize),
    /// The attention outputs of a layer.
    Attention(usize),
    /// The gated values of a layer.
    Gated(usize),
}

/// A matrix: its size and place in the linear component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixLayout {
    /// Which one.
    pub kind: MatrixKind,
    /// Number of outputs.
    pub outputs: usize,
    /// Number of inputs.
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
    /// Rows (stage, channel, step).
    pub stream: u32,
    /// Rows (stage, step).
    pub norms: u32,
    /// Rows (layer, query or key head, pair of dimensions, step).
    pub rotary: u32,
    /// Rows (layer, key/value head, dimension, step).
    pub values: u32,
    /// Rows (layer, channel of the MLP, step).
    pub gated: u32,
    /// Rows (token of the vocabulary, step).
    pub argmax: u32,
    /// Entries of the activation table.
    pub activations: u32,
    /// Entries of the rotary table.
    pub rotations: u32,
}

/// Layout of the decoder around the attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderLayout {
    shape: ModelShape,
    arithmetic: ArithmeticTerms,
    steps: usize,
    width: usize,
    matrices: Vec<MatrixLayout>,
    log_rows: DecoderLogRows,
}

impl DecoderLayout {
    /// The layout of segments of up to `segment_steps` steps, for one of `steps` steps.
    ///
    /// # Errors
    ///
    /// Any [`LayoutError`], if the relation cannot carry the shape.
    pub fn new(
        shape: ModelShape,
        arithmetic: ArithmeticTerms,
        segment_steps: usize,
        steps: usize,
    ) -> Result<Self, LayoutError> {
        let sizes = matrix_sizes(&shape);
        let width = width(&sizes);
        let mut matrices = Vec::with_capacity(sizes.len());
        let mut first_row = 0;
        for (kind, outputs, inputs) in sizes {
            let blocks = outputs.div_ceil(width);
            matrices.push(MatrixLayout {
                kind,
                outputs,
                inputs,
                blocks,
                first_row,
            });
            first_row += blocks * inputs;
        }
        let attention = shape.attention();
        let (heads, kv_heads, dim) = (
            attention.query_heads(),
            attention.kv_heads(),
            attention.head_dim(),
        );
        let layers = shape.layers();
        let rows = |component, per_token: usize| {
            log_rows(component, per_token as u64 * segment_steps as u64)
        };
        let log_rows = DecoderLogRows {
            linear: log_rows("linear", first_row as u64)?,
            stream: rows("stream", stages(&shape) * shape.hidden())?,
            norms: rows("norms", stages(&shape))?,
            rotary: rows("rotary", layers * (heads + kv_heads) * (dim / 2))?,
            values: rows("values", layers * kv_heads * dim)?,
            gated: rows("gated", layers * shape.mlp())?,
            argmax: rows("argmax", shape.vocabulary())?,
            activations: log_rows(
                "activation table",
                2 * u64::from(arithmetic.gate_bits().max_value().unsigned_abs()) + 1,
            )?,
            rotations: log_rows("rotary table", (shape.positions() * (dim / 2)) as u64)?,
        };
        Ok(Self {
            shape,
            arithmetic,
            steps,
            width,
            matrices,
            log_rows,
        })
    }

    /// Shape of the model.
    pub fn shape(&self) -> &ModelShape {
        &self.shape
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
        let DecoderLogRows {
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            argmax,
            activations,
            rotations,
        } = self.log_rows;
        [
            linear,
            stream,
            norms,
            rotary,
            values,
            gated,
            argmax,
            activations,
            rotations,
        ]
        .into_iter()
        .fold(LOG_RANGE_ROWS, u32::max)
    }

    /// Values that enter random linear combinations: inputs and outputs of matrices, in a vectors component of
    /// `2^vectors` rows.
    pub(crate) fn combined_values(&self, vectors: u32) -> u64 {
        let rows = self.log_rows;
        // Additions and normalized values; both halves; up, gate and their product.
        [
            (rows.stream, 2),
            (rows.rotary, 2),
            (rows.values, 1),
            (rows.gated, 3),
            (rows.argmax, 1),
            (vectors, 1),
        ]
        .into_iter()
        .map(|(log, columns)| columns << log)
        .sum::<u64>()
            + (self.shape.vocabulary() * self.steps) as u64
    }

    /// Stages of the stream: after the embedding, and after attention and MLP of each layer.
    pub fn stages(&self) -> usize {
        stages(&self.shape)
    }

    /// Row of (stage, channel, step) in the stream component.
    pub fn stream_row(&self, stage: usize, channel: usize, step: usize) -> usize {
        (stage * self.shape.hidden() + channel) * self.steps + step
    }

    /// Number of (stage, step) in the relations between stream and norms.
    pub fn norm_row(&self, stage: usize, step: usize) -> usize {
        stage * self.steps + step
    }

    /// Row of (layer, head, pair, step) in the rotary component; key heads follow query heads.
    pub fn rotary_row(&self, layer: usize, head: usize, pair: usize, step: usize) -> usize {
        let attention = self.shape.attention();
        let heads = attention.query_heads() + attention.kv_heads();
        ((layer * heads + head) * (attention.head_dim() / 2) + pair) * self.steps + step
    }

    /// Row of (layer, key/value head, dimension, step) in the values component.
    pub fn values_row(&self, layer: usize, head: usize, dim: usize, step: usize) -> usize {
        let attention = self.shape.attention();
        ((layer * attention.kv_heads() + head) * attention.head_dim() + dim) * self.steps + step
    }

    /// Row of (layer, channel, step) in the gated component.
    pub fn gated_row(&self, layer: usize, channel: usize, step: usize) -> usize {
        (layer * self.shape.mlp() + channel) * self.steps + step
    }

    /// Row of (token of the vocabulary, step) in the argmax component.
    pub fn argmax_row(&self, token: usize, step: usize) -> usize {
        token * self.steps + step
    }

    /// Name of an input of matrices: where its random linear combination over the steps is provided.
    pub fn input(&self, space: InputSpace, index: usize) -> usize {
        let shape = &self.shape;
        let normalized = self.stages() * shape.hidden();
        let attention = shape.attention().query_heads() * shape.attention().head_dim();
        let first = match space {
            InputSpace::Tokens => 0,
            InputSpace::Normalized(stage) => shape.vocabulary() + stage * shape.hidden(),
            InputSpace::Attention(layer) => shape.vocabulary() + normalized + layer * attention,
            InputSpace::Gated(layer) => {
                shape.vocabulary() + normalized + shape.layers() * attention + layer * shape.mlp()
            }
        };
        first + index
    }

    /// Number of names of inputs.
    pub fn inputs(&self) -> usize {
        self.input(InputSpace::Gated(self.shape.layers()), 0)
    }

    /// How often each input of a vector is used: once by each block of each matrix that takes it.
    pub fn input_uses(&self, space: InputSpace) -> usize {
        self.matrices
            .iter()
            .filter(|matrix| self.input_space(matrix.kind) == space)
            .map(|matrix| matrix.blocks)
            .sum()
    }

    /// The vector that a matrix takes.
    pub fn input_space(&self, kind: MatrixKind) -> InputSpace {
        match kind {
            MatrixKind::Embedding => InputSpace::Tokens,
            MatrixKind::Rotary(layer) | MatrixKind::Values(layer) => {
                InputSpace::Normalized(2 * layer)
            }
            MatrixKind::Output(layer) => InputSpace::Attention(layer),
            MatrixKind::UpGate(layer) => InputSpace::Normalized(2 * layer + 1),
            MatrixKind::Down(layer) => InputSpace::Gated(layer),
            MatrixKind::Head => InputSpace::Normalized(2 * self.shape.layers()),
        }
    }
}

/// Names of outputs in the stream component: the number of their last (stage, step). Those of the rotary
/// and the values component are the names of the attention entries on their last row.
pub const STREAM_OUTPUT: usize = 0;
/// Names of outputs in the gated component: the input that the last row provides.
pub const GATED_OUTPUT: usize = 3 * KIND;
/// Name of the outputs of the argmax component.
pub const ARGMAX_OUTPUT: usize = 4 * KIND;

/// Kinds of attention entries: queries by row of the vectors component.
pub const QUERY_ENTRY: usize = 0;
/// Keys by cache row.
pub const KEY_ENTRY: usize = KIND;
/// Values by cache row.
pub const VALUE_ENTRY: usize = 2 * KIND;

fn stages(shape: &ModelShape) -> usize {
    2 * shape.layers() + 1
}

/// Kind, outputs and inputs of all matrices, in order.
fn matrix_sizes(shape: &ModelShape) -> Vec<(MatrixKind, usize, usize)> {
    let attention = shape.attention();
    let (queries, keys) = (
        attention.query_heads() * attention.head_dim(),
        attention.kv_heads() * attention.head_dim(),
    );
    let (hidden, mlp) = (shape.hidden(), shape.mlp());
    let mut sizes = alloc::vec![(MatrixKind::Embedding, hidden, shape.vocabulary())];
    for layer in 0..shape.layers() {
        sizes.extend([
            (MatrixKind::Rotary(layer), queries + keys, hidden),
            (MatrixKind::Values(layer), keys, hidden),
            (MatrixKind::Output(layer), hidden, queries),
            (MatrixKind::UpGate(layer), 2 * mlp, hidden),
            (MatrixKind::Down(layer), hidden, mlp),
        ]);
    }
    sizes.push((MatrixKind::Head, shape.vocabulary(), hidden));
    sizes
}

/// The number of weights in a row: the smallest for the least height at which it is not preferred to
/// have fewer columns. Where that height is more than a component can have, rows grow until it is not.
fn width(sizes: &[(MatrixKind, usize, usize)]) -> usize {
    let rows = |width: usize| -> usize {
        sizes
            .iter()
            .map(|(_, outputs, inputs)| outputs.div_ceil(width) * inputs)
            .sum()
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
