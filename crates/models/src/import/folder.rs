//! The files of a folder, from disk or from memory.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use matchmark_runtime::TensorFile;

use super::ImportError;

/// Where files come from.
#[derive(Clone, Copy)]
pub(super) enum Folder<'a> {
    /// A folder on disk.
    Disk(&'a Path),
    /// Contents by name.
    Memory(&'a BTreeMap<String, Vec<u8>>),
}

/// Longest file beside the weights. The tokenizers of the largest vocabularies take 35 MB.
const MAX_BYTES: u64 = 1 << 26;

impl Folder<'_> {
    /// The content of a file beside the weights.
    pub(super) fn read(self, name: &'static str) -> Result<Vec<u8>, ImportError> {
        let content = self.content(name)?;
        if content.len() as u64 > MAX_BYTES {
            return Err(ImportError::TooLong {
                file: name,
                maximum: MAX_BYTES,
            });
        }
        Ok(content)
    }

    /// The content of a file, no further than shows that it is too long.
    fn content(self, name: &str) -> Result<Vec<u8>, ImportError> {
        let (path, content) = match self {
            Self::Disk(folder) => {
                let path = folder.join(name);
                let content = matchmark_files::open(&path).map_err(Into::into);
                let content = content.and_then(|file| {
                    let mut content = Vec::new();
                    file.take(MAX_BYTES + 1).read_to_end(&mut content)?;
                    Ok(content)
                });
                (path, content)
            }
            Self::Memory(files) => {
                let content = files.get(name).cloned();
                let missing = || ErrorKind::NotFound.into();
                (PathBuf::from(name), content.ok_or_else(missing))
            }
        };
        content.map_err(|source| ImportError::Io { path, source })
    }

    /// A file of tensors.
    pub(super) fn tensors(self, name: &str) -> Result<TensorFile, ImportError> {
        let read = match self {
            Self::Disk(folder) => TensorFile::read(&folder.join(name)),
            Self::Memory(_) => TensorFile::parse(self.content(name)?),
        };
        read.map_err(|source| ImportError::Container {
            file: name.to_owned(),
            source,
        })
    }

    /// Whether there is such a file.
    pub(super) fn has(self, name: &str) -> bool {
        match self {
            Self::Disk(folder) => folder.join(name).exists(),
            Self::Memory(files) => files.contains_key(name),
        }
    }
}
