//! The reasons for which a folder is refused.

use std::path::PathBuf;

use matchmark_quant::QuantError;
use matchmark_runtime::TraceError;

use crate::TokenizerError;

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
    /// The weights' file is truncated, extended, or no safetensors file at all.
    #[error("model.safetensors: {0}")]
    Container(#[from] TraceError),
    /// A weight's tensor is missing.
    #[error("model.safetensors lacks the tensor {tensor:?}")]
    MissingTensor {
        /// Its name.
        tensor: String,
    },
    /// There is a tensor that the model does not have.
    #[error("model.safetensors has the unknown tensor {tensor:?}")]
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
    /// A tensor has elements of a type that is not supported.
    #[error("tensor {tensor:?} has element type {got}, expected F32, F16 or BF16")]
    WrongDtype {
        /// Its name.
        tensor: String,
        /// The type that came.
        got: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {tensor:?}, element {index} is {got}, expected a finite number")]
    NotFinite {
        /// Name of the tensor.
        tensor: String,
        /// Position in the flattened tensor.
        index: usize,
        /// The weight.
        got: f32,
    },
    /// The tokenizer has another vocabulary than the configuration.
    #[error(
        "tokenizer.json has {got} tokens, expected the configuration's vocabulary of {expected}"
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
    /// The tokens of the vocabulary are not numbered from 0 without a gap.
    #[error("tokenizer.json has no token {token}, though it has {tokens} tokens")]
    VocabularyGap {
        /// The first token that is missing.
        token: usize,
        /// The number of tokens.
        tokens: usize,
    },
    /// A size is refused.
    #[error("config.json: {0}")]
    Quantity(#[from] QuantError),
    /// The tokenizer is refused.
    #[error("tokenizer.json: {0}")]
    Tokenizer(#[from] TokenizerError),
}
