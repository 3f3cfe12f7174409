//! Safetensors files of any tensors, for other crates.

use std::path::Path;

use crate::container::{Container, TensorView};
use crate::TraceError;

/// A safetensors file, read strictly: its tensors fill the file without gap, overlap or rest.
pub struct TensorFile(Container);

impl TensorFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TraceError::Io`], and as [`Self::parse`]. What is not a safetensors file is refused by its first
    /// bytes, however long it is.
    pub fn read(path: &Path) -> Result<Self, TraceError> {
        Container::read(path).map(Self)
    }

    /// Takes the bytes of a file.
    ///
    /// # Errors
    /// [`TraceError::GitLfsPointer`], [`TraceError::HeaderTooLong`], [`TraceError::HeaderTruncated`],
    /// [`TraceError::Truncated`], [`TraceError::TrailingBytes`], [`TraceError::DuplicateEntry`],
    /// [`TraceError::TooManyTensors`] and [`TraceError::InvalidFile`].
    pub fn parse(bytes: Vec<u8>) -> Result<Self, TraceError> {
        Container::parse(bytes).map(Self)
    }

    /// The tensor of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        self.0.get(name)
    }

    /// All tensors, in the order of their names.
    pub fn tensors(&self) -> impl Iterator<Item = TensorView<'_>> {
        self.0.iter()
    }
}

impl std::fmt::Debug for TensorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.tensors().map(|t| t.name))
            .finish()
    }
}
