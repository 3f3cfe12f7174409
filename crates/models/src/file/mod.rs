//! Model files: sixteen bytes that name the format, its version, the length of the canonical encoding,
//! the encoding, and the model's identity.

mod decode;

use std::path::{Path, PathBuf};

use matchmark_files::{read, write, MAX_FILE_BYTES};

use crate::encode;
use crate::{IntegerModel, ModelError, ModelId};

/// What every model file begins with.
const MAGIC: &[u8; 16] = b"matchmark model\n";
/// The version of the format: that of the encoding's tag, so that a file of another one is refused by its
/// number.
const VERSION: u32 = 3;
/// Magic, version, length of the encoding.
const HEADER_BYTES: usize = MAGIC.len() + 4 + 8;
const IDENTITY_BYTES: usize = 32;

/// Why a model file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
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
    /// The file does not begin as a model file does.
    #[error("not a model file: expected it to begin with \"matchmark model\"")]
    NotAModel,
    /// The file has another version of the format.
    #[error("model file has version {got}, expected {expected}")]
    Version {
        /// The version that is known.
        expected: u32,
        /// That of the file.
        got: u32,
    },
    /// The file is shorter than it says.
    #[error("model file has {got} bytes, expected {expected}: it is truncated")]
    Truncated {
        /// Its length by its header.
        expected: u64,
        /// Its length.
        got: u64,
    },
    /// The file is longer than it says.
    #[error("model file has {got} bytes, expected {expected}: something follows the model")]
    TrailingBytes {
        /// Its length by its header.
        expected: u64,
        /// Its length.
        got: u64,
    },
    /// The content is not the one that the file's identity names: it was edited or damaged.
    #[error("model has the identity {got}, expected {expected} by its file")]
    IdentityMismatch {
        /// The identity that the file states.
        expected: ModelId,
        /// That of its content.
        got: ModelId,
    },
    /// The encoding ends within a part of the model.
    #[error("the encoding ends within the {part}")]
    PartTruncated {
        /// The part.
        part: &'static str,
    },
    /// The encoding goes on after the model.
    #[error("{got} bytes follow the last matrix, expected none")]
    PartsTrailing {
        /// Their number.
        got: usize,
    },
    /// A part of the encoding has a form that is never written.
    #[error("the encoding of the {part} is {got}, expected {expected}")]
    PartForm {
        /// The part.
        part: &'static str,
        /// What would do.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// The parts make no model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl IntegerModel {
    /// The bytes of the model's file. Equal models give equal bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let encoding = encode::encode(self.parts());
        let mut bytes = Vec::with_capacity(HEADER_BYTES + encoding.len() + IDENTITY_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(encoding.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&encoding);
        bytes.extend_from_slice(self.identity().as_bytes());
        bytes
    }

    /// Reads the bytes of a model's file: the only ones that [`Self::to_bytes`] gives for that model.
    ///
    /// # Errors
    /// [`ModelFileError`] for everything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFileError> {
        let (encoding, stated) = split(bytes)?;
        let got = encode::identity_of(encoding);
        if got != stated {
            return Err(ModelFileError::IdentityMismatch {
                expected: stated,
                got,
            });
        }
        let model = Self::new(decode::decode(encoding)?)?;
        // Every reader above takes what the writer gives; whether it takes more is seen here.
        if model.identity() != stated {
            return Err(ModelFileError::IdentityMismatch {
                expected: stated,
                got: model.identity(),
            });
        }
        Ok(model)
    }

    /// Writes the model's file: wholly or not at all.
    ///
    /// # Errors
    /// [`ModelFileError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), ModelFileError> {
        write(path, &self.to_bytes()).map_err(|source| ModelFileError::Io {
            action: "write",
            path: path.to_path_buf(),
            source,
        })
    }

    /// Reads a model's file.
    ///
    /// # Errors
    /// [`ModelFileError`].
    pub fn load(path: &Path) -> Result<Self, ModelFileError> {
        let bytes = read(path, MAX_FILE_BYTES).map_err(|error| ModelFileError::Io {
            action: "read",
            path: path.to_path_buf(),
            source: error.into(),
        })?;
        Self::from_bytes(&bytes)
    }
}

/// The encoding and the identity of a file.
fn split(bytes: &[u8]) -> Result<(&[u8], ModelId), ModelFileError> {
    let prefix = &bytes[..bytes.len().min(MAGIC.len())];
    if !MAGIC.starts_with(prefix) || prefix.is_empty() {
        return Err(ModelFileError::NotAModel);
    }
    let got = bytes.len() as u64;
    let truncated = |expected: u64| ModelFileError::Truncated { expected, got };
    let shortest = (HEADER_BYTES + IDENTITY_BYTES) as u64;
    let rest = &bytes[prefix.len()..];
    let Some((version, rest)) = rest.split_first_chunk::<4>() else {
        return Err(truncated(shortest));
    };
    let version = u32::from_le_bytes(*version);
    if version != VERSION {
        return Err(ModelFileError::Version {
            expected: VERSION,
            got: version,
        });
    }
    let Some((length, rest)) = rest.split_first_chunk::<8>() else {
        return Err(truncated(shortest));
    };
    let length = u64::from_le_bytes(*length);
    let expected = length.saturating_add(shortest);
    if got < expected {
        return Err(truncated(expected));
    }
    if got > expected {
        return Err(ModelFileError::TrailingBytes { expected, got });
    }
    // The file is in memory, so that its length fits.
    let (encoding, identity) = rest.split_at(rest.len() - IDENTITY_BYTES);
    let mut id = [0; IDENTITY_BYTES];
    id.copy_from_slice(identity);
    Ok((encoding, ModelId::from_bytes(id)))
}
