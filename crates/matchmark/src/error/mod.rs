//! Why something is not done, and what kind of reason that is.

mod kind;
mod text;

use std::io;

use camino::Utf8PathBuf;
#[cfg(feature = "prover")]
use matchmark_composer::{ChainProveError, KeygenError, PartError, PlanError};
use matchmark_composer::{ChainReadError, ChainVerifyError, VerifyDirectoryError, VerifyError};
#[cfg(feature = "model")]
use matchmark_models::{ChatError, ImportError, ModelFileError, TokenizerError};
use matchmark_quant::QuantError;
#[cfg(feature = "prover")]
use matchmark_runtime::TraceError;
use matchmark_statement::{PolicyError, StatementError};
use matchmark_tables::TableError;
use matchmark_verifier::KeyError;

use crate::form::Found;

pub use kind::{kind_of_io, system_error, ErrorKind};
pub use text::{full_message, io_reason, variant_name};

use kind::{incomplete_or_rejected, input_or_system, kind_of_chain};
#[cfg(feature = "prover")]
use kind::{kind_of_proving, name_of_proving};

/// Why something is not done. One variant a reason; the errors of the lower crates are kept as sources, so
/// that every refusal can be matched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be used.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: Box<Error>,
    },
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file has another form than the one that is wanted.
    #[error("{path} is {got}, expected {expected}")]
    OtherFile {
        /// The file.
        path: Utf8PathBuf,
        /// What is wanted.
        expected: &'static str,
        /// What it is.
        got: Found,
    },
    /// Two files are to be read from standard input.
    #[error(
        "`-` is standard input, expected for one file only, got it for two: name the other one"
    )]
    StandardInputTwice,
    /// The acceptance policy is not valid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The key is not valid, or has nothing for the choices that were made.
    #[error("key: {0}")]
    Key(#[from] KeyError),
    /// Something is not what a key says.
    #[error("the {what} does not go with the key: its {field} is {got}, expected {expected}")]
    KeyMismatch {
        /// What does not go with the key.
        what: &'static str,
        /// In what the two differ.
        field: &'static str,
        /// By the key.
        expected: String,
        /// What it is.
        got: String,
    },
    /// The prompt is not the one that a policy is for.
    #[error(
        "the prompt has {got}, expected {expected}: the policy is for a chain that is given those"
    )]
    OtherPrompt {
        /// Tokens by the policy, in words.
        expected: String,
        /// Tokens of the prompt, in words.
        got: String,
    },
    /// Domain, security level or another part of a statement is not valid.
    #[error(transparent)]
    Terms(#[from] StatementError),
    /// A quantity leaves its bounds.
    #[error(transparent)]
    Quantity(#[from] QuantError),
    /// The weight table is not valid.
    #[error("table: {0}")]
    Table(#[from] TableError),
    /// The segment files cannot be read as a chain.
    #[error(transparent)]
    Chain(#[from] ChainReadError),
    /// A segment or a chain is refused by the verifier. [`Error::refusal`] is the reason within a segment.
    #[error(transparent)]
    Refused(#[from] ChainVerifyError),
    /// A chain that is followed did not come in time, or goes on behind its end.
    #[error(transparent)]
    Follow(Box<VerifyDirectoryError>),
    /// The tensors are no trace.
    #[cfg(feature = "prover")]
    #[error("trace: {0}")]
    Trace(#[from] TraceError),
    /// The folder of a trained model cannot be used.
    #[cfg(feature = "model")]
    #[error("model: {0}")]
    Import(#[from] Box<ImportError>),
    /// The bytes are no integer model.
    #[cfg(feature = "model")]
    #[error("model: {0}")]
    Model(#[from] ModelFileError),
    /// A text has no tokens, or a token no text.
    #[cfg(feature = "model")]
    #[error("{what}: {source}")]
    Tokens {
        /// What was to be encoded or decoded.
        what: &'static str,
        /// Why.
        #[source]
        source: TokenizerError,
    },
    /// A word names no token.
    #[cfg(feature = "model")]
    #[error("{got:?} names no token, expected {expected}")]
    NoSuchToken {
        /// What names a token.
        expected: &'static str,
        /// The word.
        got: String,
    },
    /// A conversation is not written as tokens.
    #[cfg(feature = "model")]
    #[error("conversation: {0}")]
    Chat(#[from] ChatError),
    /// There is no key for a model.
    #[cfg(feature = "prover")]
    #[error("no key: {0}")]
    Keygen(#[source] KeygenError),
    /// What is to be proven makes no chain, or there is too little memory for it.
    #[cfg(feature = "prover")]
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The chain is not proven. Boxed, as nothing else is as large.
    #[cfg(feature = "prover")]
    #[error(transparent)]
    Prove(Box<ChainProveError>),
    /// Proving was cancelled before anything was written.
    #[cfg(feature = "prover")]
    #[error("cancelled before anything was written")]
    Cancelled,
    /// Proving was cancelled. Finished segments are kept, and [`resume`](crate::resume) of the directory goes
    /// on behind them.
    #[cfg(feature = "prover")]
    #[error("stopped with {finished} of {segments} segments finished, and all that are on disk are kept: resume {directory}")]
    Stopped {
        /// The directory of the chain: what is to be resumed.
        directory: Utf8PathBuf,
        /// Segments that this run has proven or checked. There may be more on disk.
        finished: u64,
        /// Segments of the chain.
        segments: u64,
    },
    /// The constraints do not hold. Boxed, as nothing else is as large.
    #[cfg(feature = "prover")]
    #[error(transparent)]
    Mock(Box<ChainProveError>),
}

impl From<VerifyDirectoryError> for Error {
    fn from(error: VerifyDirectoryError) -> Self {
        match error {
            VerifyDirectoryError::Read(error) => error.into(),
            VerifyDirectoryError::Verify(error) => error.into(),
            other => Self::Follow(Box::new(other)),
        }
    }
}

#[cfg(feature = "model")]
impl From<ImportError> for Error {
    fn from(error: ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}

#[cfg(feature = "prover")]
impl From<KeygenError> for Error {
    fn from(error: KeygenError) -> Self {
        match error {
            KeygenError::Plan(error @ PlanError::Memory(_)) => error.into(),
            error => Self::Keygen(error),
        }
    }
}

#[cfg(feature = "prover")]
impl From<PartError> for Error {
    fn from(error: PartError) -> Self {
        Self::Prove(Box::new(error.into()))
    }
}

#[cfg(feature = "prover")]
impl From<ChainProveError> for Error {
    fn from(error: ChainProveError) -> Self {
        match error {
            ChainProveError::Plan(error) => error.into(),
            error => Self::Prove(Box::new(error)),
        }
    }
}

impl Error {
    /// What kind of reason it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::File { source, .. } => source.kind(),
            Self::Chain(error) => kind_of_chain(error),
            Self::Refused(error) => incomplete_or_rejected(error.is_incomplete()),
            Self::Follow(error) => incomplete_or_rejected(error.is_incomplete()),
            #[cfg(feature = "prover")]
            Self::Mock(_) => ErrorKind::Rejected,
            #[cfg(feature = "prover")]
            Self::Plan(PlanError::Memory(_)) | Self::Cancelled | Self::Stopped { .. } => {
                ErrorKind::System
            }
            #[cfg(feature = "prover")]
            Self::Prove(error) => kind_of_proving(error),
            #[cfg(feature = "prover")]
            Self::Keygen(_) | Self::Plan(_) | Self::Trace(_) => input_or_system(self),
            #[cfg(feature = "model")]
            Self::Import(_)
            | Self::Model(_)
            | Self::Tokens { .. }
            | Self::NoSuchToken { .. }
            | Self::Chat(_) => input_or_system(self),
            Self::Read { .. }
            | Self::Write { .. }
            | Self::OtherFile { .. }
            | Self::StandardInputTwice
            | Self::Policy(_)
            | Self::Key(_)
            | Self::KeyMismatch { .. }
            | Self::OtherPrompt { .. }
            | Self::Terms(_)
            | Self::Quantity(_)
            | Self::Table(_) => input_or_system(self),
        }
    }

    /// Why the verifier refuses a segment, if that is the reason.
    #[must_use]
    pub fn refusal(&self) -> Option<&VerifyError> {
        match self {
            Self::File { source, .. } => source.refusal(),
            Self::Refused(ChainVerifyError::Segment { source, .. })
            | Self::Chain(ChainReadError::Segment { source, .. }) => Some(source),
            #[cfg(feature = "prover")]
            Self::Prove(error) => match &**error {
                ChainProveError::CorruptSegment { source, .. } => Some(source),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether proving was cancelled, before or after something was written.
    #[cfg(feature = "prover")]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled | Self::Stopped { .. })
    }

    /// A name for the reason, for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::File { source, .. } => source.name(),
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::OtherFile { .. } => "other-file",
            Self::StandardInputTwice => "standard-input",
            Self::Policy(_) => "policy",
            Self::Key(_) => "key",
            Self::KeyMismatch { .. } => "key-mismatch",
            Self::OtherPrompt { .. } => "other-prompt",
            Self::Terms(_) => "terms",
            Self::Quantity(_) => "quantity",
            Self::Table(_) => "table",
            Self::Refused(ChainVerifyError::Segment { .. }) => "segment",
            Self::Refused(_) => "chain",
            Self::Follow(error) => match &**error {
                VerifyDirectoryError::Timeout { .. } => "timeout",
                _ => "segments",
            },
            Self::Chain(_) => "segments",
            #[cfg(feature = "prover")]
            Self::Trace(_) => "trace",
            #[cfg(feature = "model")]
            Self::Import(_) => "import",
            #[cfg(feature = "model")]
            Self::Model(_) => "model-file",
            #[cfg(feature = "model")]
            Self::Tokens { .. } => "tokens",
            #[cfg(feature = "model")]
            Self::NoSuchToken { .. } => "no-such-token",
            #[cfg(feature = "model")]
            Self::Chat(_) => "chat",
            #[cfg(feature = "prover")]
            Self::Keygen(_) => "keygen",
            #[cfg(feature = "prover")]
            Self::Plan(PlanError::Memory(_)) => "memory",
            #[cfg(feature = "prover")]
            Self::Plan(_) => "plan",
            #[cfg(feature = "prover")]
            Self::Prove(error) => name_of_proving(error),
            #[cfg(feature = "prover")]
            Self::Cancelled | Self::Stopped { .. } => "stopped",
            #[cfg(feature = "prover")]
            Self::Mock(_) => "mock",
        }
    }

    /// The name of the variant of the innermost error of ours, where there is one behind this one.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::File { source, .. } => source.reason(),
            Self::Read { source, .. } | Self::Write { source, .. } => io_reason(source),
            #[cfg(feature = "model")]
            Self::Tokens { source, .. } => variant_name(source),
            #[cfg(feature = "model")]
            Self::Chat(source) => variant_name(source),
            Self::Chain(ChainReadError::Segment { source, .. })
            | Self::Refused(ChainVerifyError::Segment { source, .. }) => variant_name(source),
            Self::Refused(
                ChainVerifyError::Join { source, .. } | ChainVerifyError::Chain { source, .. },
            ) => variant_name(source),
            Self::OtherFile { .. }
            | Self::StandardInputTwice
            | Self::KeyMismatch { .. }
            | Self::OtherPrompt { .. } => None,
            #[cfg(feature = "model")]
            Self::NoSuchToken { .. } => None,
            #[cfg(feature = "model")]
            Self::Import(_) | Self::Model(_) => variant_name(self),
            #[cfg(feature = "prover")]
            Self::Trace(_)
            | Self::Keygen(_)
            | Self::Plan(_)
            | Self::Prove(_)
            | Self::Mock(_)
            | Self::Cancelled
            | Self::Stopped { .. } => variant_name(self),
            Self::Policy(_)
            | Self::Key(_)
            | Self::Terms(_)
            | Self::Quantity(_)
            | Self::Table(_)
            | Self::Chain(_)
            | Self::Refused(_)
            | Self::Follow(_) => variant_name(self),
        }
    }

    /// The error and what is behind it, in one line.
    #[must_use]
    pub fn message(&self) -> String {
        full_message(self)
    }

    /// The same error, of a file.
    #[must_use]
    pub fn in_file(self, path: impl Into<Utf8PathBuf>) -> Self {
        Self::File {
            path: path.into(),
            source: Box::new(self),
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(feature = "prover")]
    use matchmark_composer::DirectoryError;
    use matchmark_files::InputError;
    #[cfg(feature = "prover")]
    use matchmark_verifier::key::ModelOptionsError;

    use super::*;

    #[test]
    fn what_the_system_refuses_is_told_from_what_was_named_wrongly() {
        let read = |source| Error::Read {
            path: "x".into(),
            source,
        };
        for (source, kind) in [
            (io::ErrorKind::NotFound.into(), ErrorKind::Input),
            (io::ErrorKind::PermissionDenied.into(), ErrorKind::System),
            (io::ErrorKind::OutOfMemory.into(), ErrorKind::System),
            (io::ErrorKind::StorageFull.into(), ErrorKind::System),
            (io::Error::other("no such luck"), ErrorKind::System),
            (
                InputError::TooLong {
                    expected: 1,
                    got: 2,
                }
                .into(),
                ErrorKind::Input,
            ),
        ] {
            let error = read(source);
            assert_eq!(error.kind(), kind, "{error:?}");
        }
        let listed = |kind: io::ErrorKind| {
            Error::from(ChainReadError::Io {
                action: "list",
                path: "x".into(),
                source: kind.into(),
            })
        };
        assert_eq!(listed(io::ErrorKind::NotFound).kind(), ErrorKind::Input);
        assert_eq!(listed(io::ErrorKind::Other).kind(), ErrorKind::System);
    }

    #[cfg(feature = "prover")]
    #[test]
    fn sources_are_named_once() {
        let error = Error::from(TraceError::Io {
            action: "read",
            path: "x".into(),
            source: io::Error::other("no such luck"),
        })
        .in_file("x");
        assert_eq!(error.message(), "x: trace: cannot read x: no such luck");
        assert_eq!((error.kind(), error.name()), (ErrorKind::System, "trace"));
        assert_eq!(error.reason().as_deref(), Some("Io"));
    }

    #[cfg(feature = "prover")]
    #[test]
    fn reasons_are_those_of_the_innermost_error() {
        let empty = ModelOptionsError::EmptyPrompt {
            expected: 1,
            got: 0,
        };
        let error = Error::from(PlanError::from(empty));
        assert_eq!(error.reason().as_deref(), Some("EmptyPrompt"));
        let none = ModelOptionsError::NoTokens {
            expected: 1,
            got: 0,
        };
        let error = Error::from(KeygenError::Plan(none.into()));
        assert_eq!(error.reason().as_deref(), Some("NoTokens"));
        assert_eq!((error.kind(), error.name()), (ErrorKind::Input, "keygen"));
        assert_eq!(Error::StandardInputTwice.reason(), None);
    }

    #[cfg(feature = "prover")]
    #[test]
    fn a_refusal_of_the_system_is_found_however_deep_it_is() {
        let of = |error: DirectoryError| Error::from(ChainProveError::Directory(error));
        let full = of(DirectoryError::Io {
            action: "write",
            path: "x".into(),
            source: io::ErrorKind::StorageFull.into(),
        });
        assert_eq!((full.kind(), full.name()), (ErrorKind::System, "io"));
        // Nobody's claim is judged where a chain is continued.
        let missing = of(DirectoryError::Segments(ChainReadError::NoSegments {
            path: "x".into(),
        }));
        assert_eq!(missing.kind(), ErrorKind::Input);
    }
}
