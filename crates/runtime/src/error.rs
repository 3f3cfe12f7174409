//! The reasons for which a trace or an execution is refused.

use std::path::PathBuf;

use matchmark_quant::{QuantError, StepRange, ValueBits};
use matchmark_tables::TableError;

use crate::GitLfsPointer;

/// Why a tensor is not one of floats that can be computed with.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FloatError {
    /// The elements have another type.
    #[error("has element type {got}, expected F16, BF16, F32 or F64")]
    Dtype {
        /// The type that came.
        got: String,
    },
    /// An element is NaN or infinite.
    #[error("element {index} is {got}, expected a finite number")]
    NotFinite {
        /// Position in the flattened tensor.
        index: usize,
        /// The element.
        got: f64,
    },
    /// An element is so large that sums and products of such leave the range of floats.
    #[error("element {index} is {got:e}, expected a magnitude of at most 2^40")]
    TooLarge {
        /// Position in the flattened tensor.
        index: usize,
        /// The element.
        got: f64,
    },
    /// A tensor is not zero, but so small that it has no scale.
    #[error("element {index} is {got:e} and the largest, expected a magnitude of at least 2^-126 or zeros alone")]
    TooSmall {
        /// Position of the largest element in the flattened tensor.
        index: usize,
        /// The element.
        got: f64,
    },
}

/// Why tensors, or a file of tensors, are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// A file cannot be read or written.
    #[error("cannot {action} {path}", path = .path.display())]
    Io {
        /// What was tried: "read" or "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A pointer of git-lfs stands where the file should.
    #[error("{0}")]
    GitLfsPointer(GitLfsPointer),
    /// The file does not begin as a safetensors file, or its header is longer than any that is read.
    #[error("not a safetensors file: its first eight bytes announce a header of {got} bytes, expected at most {maximum}")]
    HeaderTooLong {
        /// The longest header.
        maximum: u64,
        /// The length that the file states.
        got: u64,
    },
    /// The file ends within its header.
    #[error("the safetensors file is truncated: it ends at byte {got} of at least {expected}, within its header; copy or download it again")]
    HeaderTruncated {
        /// Where the header would end.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// The file ends before its tensors do.
    #[error("the safetensors file is truncated: it ends at byte {got} of the {expected} that its header promises; copy or download it again")]
    Truncated {
        /// The length that follows from the header.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// Something follows the tensors.
    #[error("the safetensors file has {got} bytes, expected {expected} by its header: something follows the tensors")]
    TrailingBytes {
        /// The length that follows from the header.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// The header has an entry twice: which of them counts is not said anywhere.
    #[error("the header has the entry {entry:?} twice, expected it once")]
    DuplicateEntry {
        /// Its name.
        entry: String,
    },
    /// The header speaks of more tensors than any file that is read.
    #[error("the header speaks of more than {maximum} tensors, expected at most {maximum}")]
    TooManyTensors {
        /// The largest number.
        maximum: usize,
    },
    /// The header is not of the format, or tensors do not lie one after another as it should say.
    #[error("invalid safetensors file: {reason}")]
    InvalidFile {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A tensor is missing.
    #[error("tensor {tensor:?} is missing")]
    MissingTensor {
        /// Its name.
        tensor: &'static str,
    },
    /// A tensor has elements of another type.
    #[error("tensor {tensor:?} has element type {got}, expected {expected}")]
    WrongDtype {
        /// Name of the tensor.
        tensor: &'static str,
        /// The type or types that would do.
        expected: &'static str,
        /// The type that came.
        got: String,
    },
    /// A tensor has another shape.
    #[error("tensor {tensor:?} has shape {got:?}, expected {expected}")]
    WrongShape {
        /// Name of the tensor.
        tensor: &'static str,
        /// The shape that would do.
        expected: String,
        /// The shape that came.
        got: Vec<usize>,
    },
    /// A tensor has another number of elements than its shape says.
    #[error("tensor {tensor:?} has {got} elements, expected {expected}")]
    WrongLength {
        /// Name of the tensor.
        tensor: &'static str,
        /// Product of its dimensions.
        expected: usize,
        /// Number of elements that came.
        got: usize,
    },
    /// An element lies outside of the symmetric range of its width.
    #[error("tensor {tensor:?}, element {index}: {reason}")]
    ValueOutOfRange {
        /// Name of the tensor.
        tensor: &'static str,
        /// Position in the flattened tensor.
        index: usize,
        /// The element.
        value: i32,
        /// [`QuantError::ValueIsExcludedMinimum`] for the most negative number of the width,
        /// [`QuantError::ValueOutOfRange`] otherwise.
        reason: QuantError,
    },
    /// A float tensor cannot be computed with.
    #[error("tensor {tensor:?}: {reason}")]
    Floats {
        /// Name of the tensor.
        tensor: &'static str,
        /// Which element, and why.
        reason: FloatError,
    },
    /// The largest magnitudes of queries and keys make no score step, or no table.
    #[error("scores cannot be computed with units of {q:e} for q and {k:e} for k: {reason}")]
    Scores {
        /// What one unit of a query stands for.
        q: f64,
        /// What one unit of a key stands for.
        k: f64,
        /// Why.
        reason: QuantError,
    },
    /// There is no decode step.
    #[error("the tensors hold 0 steps, expected at least 1")]
    NoSteps,
    /// The prefix leaves no token for a step.
    #[error("prefix of {got} tokens leaves no step, expected fewer than the {tokens} tokens of the file")]
    PrefixTooLong {
        /// Tokens in the file.
        tokens: usize,
        /// Tokens asked for as prefix.
        got: usize,
    },
    /// An entry of the file's metadata cannot be read.
    #[error("metadata {key:?} is {got:?}, expected {expected}")]
    InvalidMetadata {
        /// The entry's key.
        key: String,
        /// What would do.
        expected: &'static str,
        /// The text that came.
        got: String,
    },
    /// An entry of the file's metadata is missing, though another one needs it.
    #[error("metadata {key:?} is missing, expected beside {beside:?}")]
    MissingMetadata {
        /// The entry's key.
        key: &'static str,
        /// The entry that needs it.
        beside: &'static str,
    },
    /// The file's metadata has an entry of this project's that is not known.
    #[error("metadata {key:?} is unknown, expected one of {expected}")]
    UnknownMetadata {
        /// The entry's key.
        key: String,
        /// The known keys.
        expected: String,
    },
    /// Shape, width, scale or score step are refused.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The table that belongs to the scales is refused.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The quantized tensors cannot be decoded.
    #[error("the quantized tensors cannot be decoded: {0}")]
    Undecodable(#[from] RuntimeError),
}

/// Why steps are not executed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Steps are asked for that the trace does not have.
    #[error("{got} asked for, expected a part of the trace's {expected}")]
    StepsOutsideTrace {
        /// The steps of the trace.
        expected: StepRange,
        /// The steps asked for.
        got: StepRange,
    },
    /// Inputs and cache, or two caches, speak of different shapes.
    #[error("shape is [{got}], expected [{expected}]")]
    ShapeMismatch {
        /// The shape of the cache.
        expected: matchmark_quant::AttentionShape,
        /// The shape that came.
        got: matchmark_quant::AttentionShape,
    },
    /// The cache does not end where the steps begin.
    #[error("the steps begin after {got} cache entries, expected {expected}, as many as the cache holds")]
    PositionMismatch {
        /// Entries in the cache.
        expected: usize,
        /// Entries before the first step.
        got: usize,
    },
    /// Inputs and rules speak of different widths.
    #[error("values have {got} bits, expected {expected} by the rules")]
    BitsMismatch {
        /// Width in the rules.
        expected: ValueBits,
        /// Width of the inputs.
        got: ValueBits,
    },
    /// A tensor has another number of elements than its shape says.
    #[error("tensor {tensor:?} has {got} elements, expected {expected}")]
    WrongLength {
        /// Name of the tensor.
        tensor: &'static str,
        /// Product of its dimensions.
        expected: usize,
        /// Number of elements that came.
        got: usize,
    },
    /// An element lies outside of the symmetric range of its width.
    #[error("tensor {tensor:?}, element {index}: {reason}")]
    ValueOutOfRange {
        /// Name of the tensor.
        tensor: &'static str,
        /// Position in the flattened tensor.
        index: usize,
        /// The element.
        value: i32,
        /// Why it is refused.
        reason: QuantError,
    },
    /// An intermediate value could leave its range, or a size is refused.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The table is refused.
    #[error(transparent)]
    Table(#[from] TableError),
}
