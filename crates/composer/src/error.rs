//! Why a chain cannot be read, or is not accepted. One variant a reason.

use std::io;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use matchmark_files::FileKind;
use matchmark_statement::{ChainError, PolicyMismatch};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{variant_names, VerifyError};

/// Why the segment files of a directory cannot be read as a chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainReadError {
    /// The system refuses a directory or a file.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried: `"list"` or `"read"`.
        action: &'static str,
        /// The directory or file.
        path: Utf8PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// There is no segment file at all.
    #[error("{path}: expected segment files, got none")]
    NoSegments {
        /// The directory of segment files.
        path: Utf8PathBuf,
    },
    /// A segment file is missing, though there are later ones.
    #[error("{path} is missing: expected {expected} segment files, got {got}")]
    MissingSegment {
        /// The first file that is missing.
        path: Utf8PathBuf,
        /// Number of files by the number of the last one.
        expected: u64,
        /// Files that there are.
        got: u64,
    },
    /// There is something else among the segment files.
    #[error("{path}: expected files named 000000.segment and so on, got {got:?}")]
    UnexpectedFile {
        /// The directory of segment files.
        path: Utf8PathBuf,
        /// Name of the file or directory.
        got: String,
    },
    /// Something else stands where a file is expected, or a link leads to it.
    #[error("{path} is {got}, expected a regular file, or a symbolic link to one")]
    NotAFile {
        /// Where it stands.
        path: Utf8PathBuf,
        /// What it is.
        got: FileKind,
    },
    /// A link leads to nothing that can be opened.
    #[error(
        "{path} is a symbolic link to {target:?}, which cannot be opened: expected the file itself there"
    )]
    BrokenLink {
        /// The link.
        path: Utf8PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file is longer than any segment can be.
    #[error("{path} has {got} bytes, expected at most {expected}")]
    FileTooLarge {
        /// The file.
        path: Utf8PathBuf,
        /// Largest length in bytes.
        expected: u64,
        /// Length of the file in bytes.
        got: u64,
    },
    /// A file is not a segment.
    #[error("{path} is not a valid segment: {source}")]
    Segment {
        /// The file.
        path: Utf8PathBuf,
        /// Which part of it is wrong.
        #[source]
        source: VerifyError,
    },
}

/// Why segments are not accepted as a chain. Segments are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainVerifyError {
    /// A segment is refused on its own.
    #[error("segment {segment}: {source}")]
    Segment {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// A segment does not follow the one before.
    #[error("segment {segment} does not continue the chain: {source}")]
    Join {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: FoldError,
    },
    /// The segments fit together, but are not the whole chain that the policy accepts.
    #[error("chain of {segments} segments: {source}")]
    Chain {
        /// Number of segments.
        segments: u64,
        /// Why.
        #[source]
        source: FoldError,
    },
}

/// Why a chain directory is not accepted, as it is or while it is written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyDirectoryError {
    /// Its files cannot be read as a chain.
    #[error(transparent)]
    Read(#[from] ChainReadError),
    /// A segment is refused.
    #[error(transparent)]
    Verify(#[from] ChainVerifyError),
    /// The next segment of a chain that is followed did not come in time.
    #[error("segment {segment} did not come within {waited_ms} ms: expected {expected} steps, got {got}")]
    Timeout {
        /// The segment that was waited for.
        segment: u64,
        /// How long it was waited for, in milliseconds.
        waited_ms: u128,
        /// Steps of the chain that the policy accepts, at most.
        expected: usize,
        /// Steps that were accepted.
        got: usize,
    },
    /// A chain that is followed has segments behind the one that ends it.
    #[error("there are {got} segment files, expected {expected}: the chain is whole with those")]
    SegmentsBehind {
        /// Segments of the whole chain.
        expected: u64,
        /// Segment files.
        got: u64,
    },
}

impl ChainReadError {
    /// Whether more files may come yet, and nothing is wrong with those that are there.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::NoSegments { .. } | Self::MissingSegment { .. } => true,
            Self::BrokenLink { source, .. } => source.kind() == io::ErrorKind::NotFound,
            // One that went away after it was listed, or a directory that is not there.
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::UnexpectedFile { .. }
            | Self::NotAFile { .. }
            | Self::FileTooLarge { .. }
            | Self::Segment { .. } => false,
        }
    }
}

impl ChainVerifyError {
    /// Whether more segments may come yet, and nothing is wrong with those that are there.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Segment { .. } | Self::Join { .. } => false,
            Self::Chain { source, .. } => match source {
                FoldError::Chain(ChainError::Empty | ChainError::PartsMissing { .. }) => true,
                FoldError::Policy(PolicyMismatch::EndsEarly { .. }) => true,
                FoldError::Policy(PolicyMismatch::ChainSteps { expected, got }) => {
                    expected.entries_before() == got.entries_before()
                        && got.steps() < expected.steps()
                }
                _ => false,
            },
        }
    }
}

impl VerifyDirectoryError {
    /// Whether more segments may come yet, and nothing is wrong with those that are there.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        match self {
            Self::Read(error) => error.is_incomplete(),
            Self::Verify(error) => error.is_incomplete(),
            Self::Timeout { .. } => true,
            Self::SegmentsBehind { .. } => false,
        }
    }
}

variant_names!(ChainReadError {
    Io,
    NoSegments,
    MissingSegment,
    UnexpectedFile,
    NotAFile,
    BrokenLink,
    FileTooLarge,
    Segment,
});
variant_names!(ChainVerifyError {
    Segment,
    Join,
    Chain,
});
variant_names!(VerifyDirectoryError {
    Read,
    Verify,
    Timeout,
    SegmentsBehind,
});
