//! The reasons for which a model, or an execution, is refused.

use std::fmt;

use matchmark_graph::{LayerGroup, MatrixArithmetic, MatrixName};
use matchmark_quant::QuantError;
use matchmark_runtime::RuntimeError;
use matchmark_tables::TableError;

use crate::TokenizerError;

/// An operation of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// The embedding of a token.
    Embedding,
    /// The normalization before the attention.
    AttentionNorm,
    /// The query projection.
    Query,
    /// The key projection.
    Key,
    /// The value projection.
    Value,
    /// The rotation of the queries.
    RotatedQuery,
    /// The rotation of the keys.
    RotatedKey,
    /// Scores, weights and weighted means.
    Attention,
    /// The output projection of the attention, added to the stream.
    AttentionOutput,
    /// The normalization before the MLP.
    MlpNorm,
    /// The gate projection.
    Gate,
    /// The up projection.
    Up,
    /// The activation of the gate.
    Activation,
    /// The product of activated gate and up projection.
    Gated,
    /// The down projection, added to the stream.
    MlpOutput,
    /// The normalization before the output head.
    FinalNorm,
    /// The output head.
    Logits,
}

impl Operation {
    /// The operation in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::AttentionNorm => "attention norm",
            Self::Query => "query",
            Self::Key => "key",
            Self::Value => "value",
            Self::RotatedQuery => "rotated query",
            Self::RotatedKey => "rotated key",
            Self::Attention => "attention",
            Self::AttentionOutput => "stream after attention",
            Self::MlpNorm => "mlp norm",
            Self::Gate => "gate",
            Self::Up => "up",
            Self::Activation => "activation",
            Self::Gated => "gated",
            Self::MlpOutput => "stream after mlp",
            Self::FinalNorm => "final norm",
            Self::Logits => "logits",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where in an execution something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The operation.
    pub operation: Operation,
    /// The layer, where the operation belongs to one.
    pub layer: Option<usize>,
    /// The position of the token in the sequence.
    pub position: usize,
    /// The channel.
    pub channel: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.operation)?;
        if let Some(layer) = self.layer {
            write!(f, " of layer {layer}")?;
        }
        write!(f, ", position {}, channel {}", self.position, self.channel)
    }
}

/// Why a model is refused, or does not run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A part of a model has another number of elements than the shape says.
    #[error("{part} has {got} elements, expected {expected}")]
    WrongLength {
        /// The part.
        part: String,
        /// The number by the shape.
        expected: usize,
        /// The number that came.
        got: usize,
    },
    /// A matrix has other dimensions than the shape says.
    #[error("{matrix} is {got_outputs} by {got_inputs}, expected {outputs} by {inputs}")]
    WrongMatrix {
        /// The matrix.
        matrix: MatrixName,
        /// Output channels by the shape.
        outputs: usize,
        /// Input channels by the shape.
        inputs: usize,
        /// Output channels that came.
        got_outputs: usize,
        /// Input channels that came.
        got_inputs: usize,
    },
    /// A weight is too large.
    #[error("weight {index} is {got}, expected -{maximum} to {maximum}")]
    WeightOutOfRange {
        /// Its position in the matrix, row-major.
        index: usize,
        /// Largest magnitude.
        maximum: i16,
        /// The weight.
        got: i16,
    },
    /// A matrix has another norm of its rows or another largest bias than the arithmetic states, by which
    /// accumulators are bounded.
    #[error("the largest sum of magnitudes of a row of the {matrix} is {}, and its largest bias {}, expected {} and {} as the arithmetic states", got.row_norm, got.bias, expected.row_norm, expected.bias)]
    MatrixBounds {
        /// The matrix.
        matrix: MatrixName,
        /// What the arithmetic states.
        expected: MatrixArithmetic,
        /// What the matrix has.
        got: MatrixArithmetic,
    },
    /// The cache of a prefix does not belong to its tokens.
    #[error("the prefix has {expected} tokens and a cache of {got} entries, expected one of each")]
    PrefixCache {
        /// Number of tokens.
        expected: usize,
        /// Entries of the cache.
        got: usize,
    },
    /// A prefix leaves no room for a text.
    #[error(
        "the prefix has {got} tokens, expected fewer than the {positions} positions of the model"
    )]
    PrefixTooLong {
        /// Positions of the model.
        positions: usize,
        /// Number of tokens.
        got: usize,
    },
    /// A table does not belong to the shape or the arithmetic.
    #[error("{table} table is for {got}, expected {expected}")]
    WrongTable {
        /// Which table.
        table: &'static str,
        /// What the model needs.
        expected: String,
        /// What the table is for.
        got: String,
    },
    /// The tokenizer has another vocabulary than the model.
    #[error("tokenizer has {got} tokens, expected the model's vocabulary of {expected}")]
    WrongVocabulary {
        /// The model's vocabulary.
        expected: usize,
        /// The tokenizer's.
        got: usize,
    },
    /// The floats are not those of the model.
    #[error(
        "the floats are of another model, with [{got}] or another tokenizer; expected [{expected}]"
    )]
    OtherFloats {
        /// Sizes of the model.
        expected: matchmark_graph::ModelShape,
        /// Sizes of the floats.
        got: matchmark_graph::ModelShape,
    },
    /// A line of a text has more tokens than a model has positions.
    #[error("line {line} of the text has more than {limit} tokens with those at its ends, expected at most {limit}, the positions of the model: cut the line")]
    LongLine {
        /// Number of the line, from 1 on.
        line: usize,
        /// Positions of the model.
        limit: usize,
    },
    /// A model predicts a text so badly that its perplexity is not a number.
    #[error("the perplexity of the {of} on this text is beyond the range of numbers: {nats_per_token:e} nats per token, expected fewer than 709; the text is not of the model's kind, or its weights are damaged")]
    NoPerplexity {
        /// Which model.
        of: &'static str,
        /// The mean of the negative logarithms of the probabilities.
        nats_per_token: f64,
    },
    /// The results of an operation are so far from the floats that the distance is not a number.
    #[error("the distance of the {operation} from the floats is beyond the range of numbers: the model's scales are not those of its floats")]
    NoDistance {
        /// The operation.
        operation: Operation,
    },
    /// The layers of a group are not those of the model.
    #[error("a group of the {got}, expected layers of a model that has {layers}")]
    Group {
        /// Layers of the model.
        layers: usize,
        /// The group.
        got: LayerGroup,
    },
    /// The stream that a group of layers is to take in is not one that a group before gives out.
    #[error(
        "a stream of {got} values, {fitting} of them within 16 bits, expected {expected} such values"
    )]
    WrongStream {
        /// Number of values: tokens times channels, none where the embedding comes first.
        expected: usize,
        /// Values given.
        got: usize,
        /// Those of them that are in range.
        fitting: usize,
    },
    /// There is no token to execute.
    #[error("0 tokens given, expected at least 1")]
    NoTokens,
    /// A token is not in the vocabulary.
    #[error("token {index} is {got}, expected less than {vocabulary}")]
    UnknownToken {
        /// Its position among those given.
        index: usize,
        /// Size of the vocabulary.
        vocabulary: usize,
        /// The token.
        got: u32,
    },
    /// The sequence would be longer than the position limit, which is the capacity of the cache.
    #[error("{tokens} tokens after {position} positions exceed the position limit, expected at most {limit} positions in all")]
    PositionLimit {
        /// `N`.
        limit: usize,
        /// Positions already taken.
        position: usize,
        /// Tokens given.
        tokens: usize,
    },
    /// A state belongs to a model of another shape.
    #[error("state is of a model with [{got}], expected [{expected}]")]
    WrongState {
        /// Attention of all layers of the model.
        expected: matchmark_quant::AttentionShape,
        /// That of the state.
        got: matchmark_quant::AttentionShape,
    },
    /// A value lies so far outside of its range that a proof could not carry it.
    #[error("{place}: {reason}")]
    OutOfRange {
        /// Where.
        place: Place,
        /// By how much.
        reason: QuantError,
    },
    /// A sum of squares is too large for a normalization.
    #[error("{place}: scaled sum of squares is {got}, expected less than {limit}")]
    SquareSumTooLarge {
        /// Where; the channel means nothing.
        place: Place,
        /// The limit, `2^28`.
        limit: i64,
        /// The sum in units of `2^15`, epsilon included.
        got: i64,
    },
    /// Shape, width, scale or score step are refused.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// A table is refused.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The attention is refused.
    #[error(transparent)]
    Attention(#[from] RuntimeError),
    /// The tokenizer is refused.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}
