//! The reasons for which a GGUF file is refused that are about the file, not about its model.

/// Why a file is no GGUF file that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GgufError {
    /// The file does not begin as a GGUF file does.
    #[error("not a GGUF file: expected it to begin with \"GGUF\", or the folder of a model in its place")]
    NotGguf,
    /// The file has a version that is not known, or numbers with the highest byte first.
    #[error("version {got} of the format, expected 2 or 3 with the lowest byte first")]
    Version {
        /// The version of the file.
        got: u32,
    },
    /// The file ends within its header.
    #[error("the file ends within {part}, at byte {at}: it is truncated")]
    Truncated {
        /// What is being read.
        part: String,
        /// Where that begins.
        at: usize,
    },
    /// The header is longer than any that is read.
    #[error("the header has more than {maximum} bytes, expected at most {maximum}")]
    HeaderTooLong {
        /// The largest number of bytes.
        maximum: usize,
    },
    /// A name or a text is not UTF-8.
    #[error("{part} is not text in UTF-8, at byte {at}")]
    NotText {
        /// What is being read.
        part: String,
        /// Where it begins.
        at: usize,
    },
    /// A key of the metadata, or the name of a tensor, comes twice.
    #[error("{name:?} is there twice, expected it once")]
    Duplicate {
        /// The key or the name.
        name: String,
    },
    /// A part of the header has a form that is not known, or that does not fit.
    #[error("{part} is {got}, expected {expected}")]
    Form {
        /// The part.
        part: String,
        /// What would do.
        expected: String,
        /// What came.
        got: String,
    },
    /// A tensor is of a type that is not read.
    #[error("tensor {tensor:?} is of type {got}, expected {expected}")]
    TensorType {
        /// Its name.
        tensor: String,
        /// The types that are read.
        expected: String,
        /// The type's name, or its number.
        got: String,
    },
    /// A tensor does not begin where the one before it ends.
    #[error("tensor {tensor:?} begins at byte {got} of the tensors, expected {expected}, behind the one before it")]
    Layout {
        /// Its name.
        tensor: String,
        /// Where the one before it ends, rounded up to the alignment.
        expected: u64,
        /// Where it begins.
        got: u64,
    },
    /// The file does not have as many bytes as its tensors.
    #[error("the file has {got} bytes, expected {expected} with its tensors")]
    Length {
        /// Bytes up to the end of the last tensor.
        expected: u64,
        /// Bytes of the file.
        got: u64,
    },
}
