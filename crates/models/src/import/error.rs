//! The reasons for which a folder is refused.

use std::path::PathBuf;

use matchmark_quant::QuantError;
use matchmark_runtime::{FloatError, GitLfsPointer, TraceError};

use super::gguf_error::GgufError;
use crate::{ChatError, TokenizerError};

/// Why a model's folder is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read {path}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file is not JSON of the expected form.
    #[error("{file} is not of the expected form: {reason}")]
    Json {
        /// The file.
        file: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// A pointer of git-lfs stands where the file should.
    #[error("{file}: {pointer}")]
    GitLfsPointer {
        /// The file.
        file: &'static str,
        /// What the pointer says.
        pointer: GitLfsPointer,
    },
    /// A file beside the weights is longer than any that is read.
    #[error("{file} has more than {maximum} bytes, expected at most {maximum}")]
    TooLong {
        /// The file.
        file: &'static str,
        /// The largest number of bytes.
        maximum: u64,
    },
    /// A file has an entry twice: which of them counts is not said anywhere.
    #[error("{file} has the entry {entry:?} twice, expected it once")]
    DuplicateEntry {
        /// The file.
        file: &'static str,
        /// Path to the entry.
        entry: String,
    },
    /// A model has a feature that is not supported.
    #[error("{file}: {feature} is not supported")]
    Unsupported {
        /// The file that says so.
        file: &'static str,
        /// The feature, by its name in the file.
        feature: String,
    },
    /// A file has an entry of which nothing is known, and which may change what the model computes.
    #[error("{file} has the unknown entry {entry:?}")]
    UnknownEntry {
        /// The file.
        file: &'static str,
        /// The entry.
        entry: String,
    },
    /// A file lacks an entry.
    #[error("{file} lacks the entry {entry:?}")]
    MissingEntry {
        /// The file.
        file: &'static str,
        /// The entry.
        entry: &'static str,
    },
    /// A file of tensors cannot be read, is truncated, extended, or no safetensors file at all.
    #[error("{file}: {source}")]
    Container {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: TraceError,
    },
    /// A GGUF file cannot be read as one.
    #[error("GGUF file: {0}")]
    Gguf(#[from] GgufError),
    /// The weights are there twice.
    #[error("model.safetensors and model.safetensors.index.json are both there: remove the one that does not belong to the model")]
    TwoWeights,
    /// The index places a tensor into something that is not a file of tensors of the folder itself.
    #[error("model.safetensors.index.json places the tensor {tensor:?} into {got}, expected the name of a .safetensors file of the same folder")]
    ShardName {
        /// Name of the tensor.
        tensor: String,
        /// What the index says.
        got: String,
    },
    /// A file of tensors lacks one that the index places into it.
    #[error(
        "{shard} lacks the tensor {tensor:?}, which model.safetensors.index.json places into it"
    )]
    MissingInShard {
        /// Name of the tensor.
        tensor: String,
        /// The file.
        shard: String,
    },
    /// A file of tensors has one that the index does not place into it.
    #[error("{shard} has the tensor {tensor:?}, which model.safetensors.index.json {words}", words = match .expected {
        Some(file) => format!("places into {file}"),
        None => "does not name".to_owned(),
    })]
    UnexpectedInShard {
        /// Name of the tensor.
        tensor: String,
        /// The file that has it.
        shard: String,
        /// The file that the index says, where it names the tensor.
        expected: Option<String>,
    },
    /// A weight's tensor is missing.
    #[error("the weights lack the tensor {tensor:?}")]
    MissingTensor {
        /// Its name.
        tensor: String,
    },
    /// There is a tensor that the model does not have.
    #[error("the weights have the unknown tensor {tensor:?}")]
    UnknownTensor {
        /// Its name.
        tensor: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("tensor {tensor:?} has shape {got:?}, expected {expected:?}")]
    WrongShape {
        /// Its name.
        tensor: String,
        /// The shape by the configuration.
        expected: Vec<usize>,
        /// The shape that came.
        got: Vec<usize>,
    },
    /// A tensor has elements of a type that is not supported, or numbers that nothing can be computed with.
    #[error("tensor {tensor:?}: {reason}")]
    Floats {
        /// Its name.
        tensor: String,
        /// Which element, and why.
        reason: FloatError,
    },
    /// Embedding and head are one by the configuration, and two in the weights.
    #[error("embedding and head are one by the configuration, but element {index} of {head:?} is {got:e}, expected {expected:e} as in {embedding:?}")]
    TiedHeadDiffers {
        /// Name of the embedding's tensor.
        embedding: &'static str,
        /// Name of the head's.
        head: &'static str,
        /// Position of the first difference in the flattened tensor.
        index: usize,
        /// The element of the embedding.
        expected: f32,
        /// That of the head.
        got: f32,
    },
    /// The tokenizer has another vocabulary than the configuration.
    #[error(
        "the tokenizer has {got} tokens, expected the configuration's vocabulary of {expected}"
    )]
    VocabularyMismatch {
        /// The configuration's vocabulary.
        expected: usize,
        /// The tokenizer's.
        got: usize,
    },
    /// The tokenizer begins a text with another token than the configuration.
    #[error(
        "tokenizer.json begins a text with token {got}, expected the configuration's {expected}"
    )]
    BeginMismatch {
        /// The configuration's token.
        expected: u32,
        /// The tokenizer's.
        got: u32,
    },
    /// More positions are wanted than the model has.
    #[error("{got} positions are wanted, expected at most {expected}, those that the model has")]
    TooManyPositions {
        /// Positions of the model.
        expected: u32,
        /// Positions wanted.
        got: u32,
    },
    /// The model has more positions than any that can be carried.
    #[error(
        "the model has {got} positions, expected at most {expected}: name fewer (`--positions N`)"
    )]
    ManyPositions {
        /// The largest number.
        expected: u32,
        /// That of the model.
        got: u32,
    },
    /// The tokens of the vocabulary are not numbered from 0 without a gap.
    #[error("tokenizer.json has no token {token}, though it has {tokens} tokens")]
    VocabularyGap {
        /// The first token that is missing.
        token: usize,
        /// The number of tokens.
        tokens: usize,
    },
    /// A size is refused.
    #[error("sizes of the model: {0}")]
    Quantity(#[from] QuantError),
    /// The chat template is refused.
    #[error("chat template of the model: {0}")]
    Chat(#[from] ChatError),
    /// The tokenizer is refused.
    #[error("tokenizer of the model: {0}")]
    Tokenizer(#[from] TokenizerError),
}
