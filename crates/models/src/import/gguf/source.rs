//! The bytes of a GGUF file, from disk or from memory. The tensors are not read with the header: they are taken
//! one after the other.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use matchmark_runtime::GitLfsPointer;

use super::container::Header;
use super::GgufError;
use crate::import::{ImportError, GGUF};

/// Longest header. That of a vocabulary of 150,000 tokens takes about 6 MB.
const MAX_HEADER: usize = 1 << 28;
/// Bytes of the header that are read at first.
const FIRST: usize = 1 << 22;

/// Where the bytes are.
#[derive(Debug)]
pub(super) enum Source {
    Disk {
        path: PathBuf,
        file: File,
        length: u64,
    },
    Memory(Vec<u8>),
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let opened = matchmark_files::open(path).map_err(io::Error::from);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((length, file)) => Ok(Self::Disk {
                path: path.to_path_buf(),
                file,
                length,
            }),
            Err(source) => Err(ImportError::Io {
                path: path.to_path_buf(),
                source,
            }),
        }
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Disk { length, .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Some of the bytes, all of which are there by [`Self::length`].
    pub(super) fn read(&self, begin: u64, length: usize) -> Result<Vec<u8>, ImportError> {
        let read = match self {
            Self::Disk { file, .. } => read_file(file, begin, length),
            Self::Memory(bytes) => {
                let begin = usize::try_from(begin).unwrap_or(usize::MAX);
                let end = begin.saturating_add(length);
                let found = bytes.get(begin..end).map(<[u8]>::to_vec);
                found.ok_or_else(|| ErrorKind::UnexpectedEof.into())
            }
        };
        read.map_err(|source| ImportError::Io {
            path: match self {
                Self::Disk { path, .. } => path.clone(),
                Self::Memory(_) => PathBuf::from(GGUF),
            },
            source,
        })
    }

    /// As many of the first bytes as hold the header.
    pub(super) fn header(&self) -> Result<Vec<u8>, ImportError> {
        let file = usize::try_from(self.length()).unwrap_or(usize::MAX);
        let mut length = FIRST;
        loop {
            let bytes = self.read(0, length.min(file))?;
            if let Some(pointer) = GitLfsPointer::detect(&bytes) {
                return Err(ImportError::GitLfsPointer {
                    file: GGUF,
                    pointer,
                });
            }
            match Header::parse(&bytes, self.length()) {
                Err(GgufError::Truncated { .. }) if length < file => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(bytes),
            }
            if length >= MAX_HEADER {
                let maximum = MAX_HEADER;
                return Err(GgufError::HeaderTooLong { maximum }.into());
            }
            length *= 4;
        }
    }
}

fn read_file(mut file: &File, begin: u64, length: usize) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    let reserved = bytes.try_reserve_exact(length);
    reserved.map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
    file.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}
