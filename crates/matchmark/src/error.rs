//! Why something is not done, and what kind of reason that is.

use std::error::Error as StdError;
use std::io;

use camino::Utf8PathBuf;
#[cfg(feature = "prover")]
use matchmark_composer::{
    ChainProveError, DirectoryError, KeygenError, MockSegmentError, PlanError,
};
use matchmark_composer::{
    ChainReadError, ChainVerifyError, FollowError, VerifyDirectoryError, VerifyError,
};
use matchmark_files::InputError;
#[cfg(feature = "model")]
use matchmark_model::{ImportError, ModelFileError, TokenizerError};
use matchmark_quant::QuantError;
#[cfg(feature = "prover")]
use matchmark_runtime::TraceError;
use matchmark_statement::{PolicyError, StatementError};
use matchmark_tables::TableError;
use matchmark_verifier::KeyError;

use crate::form::Found;

/// What kind of reason an [`Error`] has: what to do about it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A proof, a chain or a constraint does not hold: what was claimed is not accepted.
    Rejected,
    /// The input cannot be used, or was named wrongly.
    Input,
    /// The system refuses: something cannot be read or written, there is no memory, another process has the
    /// lock, or the run was stopped.
    System,
    /// Nothing is wrong but that parts are missing: they may come yet.
    Incomplete,
}

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
    Follow(Box<FollowError>),
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
    /// The constraints do not hold.
    #[cfg(feature = "prover")]
    #[error(transparent)]
    Mock(#[from] MockSegmentError),
}

impl From<VerifyDirectoryError> for Error {
    fn from(error: VerifyDirectoryError) -> Self {
        match error {
            VerifyDirectoryError::Read(error) => error.into(),
            VerifyDirectoryError::Verify(error) => error.into(),
        }
    }
}

impl From<FollowError> for Error {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Read(error) => error.into(),
            FollowError::Verify(error) => error.into(),
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
            Self::Import(_) | Self::Model(_) | Self::Tokens { .. } => input_or_system(self),
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
                FollowError::Timeout { .. } => "timeout",
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

fn incomplete_or_rejected(incomplete: bool) -> ErrorKind {
    if incomplete {
        ErrorKind::Incomplete
    } else {
        ErrorKind::Rejected
    }
}

/// What cannot be used: by its own fault, or because the system refuses it.
fn input_or_system(error: &(dyn StdError + 'static)) -> ErrorKind {
    system_error(error).map_or(ErrorKind::Input, kind_of_io)
}

/// What cannot be read as a chain: parts may be missing yet, the system may refuse, or it is no chain.
fn kind_of_chain(error: &ChainReadError) -> ErrorKind {
    match error {
        ChainReadError::Io {
            action: "list",
            source,
            ..
        } => kind_of_io(source),
        error if error.is_incomplete() => ErrorKind::Incomplete,
        ChainReadError::Io { source, .. } | ChainReadError::BrokenLink { source, .. } => {
            kind_of_io(source)
        }
        _ => ErrorKind::Rejected,
    }
}

#[cfg(feature = "prover")]
fn kind_of_proving(error: &ChainProveError) -> ErrorKind {
    match error {
        // Nobody's claim is judged where a chain is continued.
        ChainProveError::Directory(DirectoryError::Segments(error)) => match kind_of_chain(error) {
            ErrorKind::System => ErrorKind::System,
            ErrorKind::Rejected | ErrorKind::Input | ErrorKind::Incomplete => ErrorKind::Input,
        },
        ChainProveError::Directory(DirectoryError::Locked { .. })
        | ChainProveError::Threads { .. }
        | ChainProveError::Stopped { .. } => ErrorKind::System,
        error => match system_error(error) {
            Some(error) => kind_of_io(error),
            None if is_rejected(error) => ErrorKind::Rejected,
            None => ErrorKind::Input,
        },
    }
}

/// Whether something that was judged does not hold.
#[cfg(feature = "prover")]
fn is_rejected(error: &ChainProveError) -> bool {
    matches!(
        error,
        ChainProveError::Execute { .. }
            | ChainProveError::ExecuteModel { .. }
            | ChainProveError::Prove { .. }
            | ChainProveError::Chain(_)
            | ChainProveError::CorruptSegment { .. }
            | ChainProveError::OtherSegment { .. }
    )
}

#[cfg(feature = "prover")]
fn name_of_proving(error: &ChainProveError) -> &'static str {
    match error {
        ChainProveError::Directory(error) => match error {
            DirectoryError::Io { .. } => "io",
            DirectoryError::Locked { .. } => "locked",
            DirectoryError::OtherChain { .. } => "other-chain",
            DirectoryError::AlreadyBegun { .. } => "already-begun",
            DirectoryError::NoChain { .. } => "no-chain",
            DirectoryError::NotAChain { .. } => "not-a-chain",
            _ => "directory",
        },
        ChainProveError::CorruptSegment { .. } | ChainProveError::OtherSegment { .. } => {
            "stored-segment"
        }
        _ => "prove",
    }
}

/// The kind of a refusal of the system: what a user has named and can name otherwise is input.
#[must_use]
pub fn kind_of_io(error: &io::Error) -> ErrorKind {
    if InputError::within(error).is_some() {
        return ErrorKind::Input;
    }
    match error.kind() {
        io::ErrorKind::NotFound
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidFilename => ErrorKind::Input,
        _ => ErrorKind::System,
    }
}

/// The name of the reason for which the system, or our own check of a file, refuses.
#[must_use]
pub fn io_reason(error: &io::Error) -> Option<String> {
    InputError::within(error)
        .and_then(|error| variant_name(error))
        .or_else(|| Some(format!("{:?}", error.kind())))
}

/// The refusal of the system that is behind an error, if there is one.
#[must_use]
pub fn system_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a io::Error> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(found) = this.downcast_ref() {
            return Some(found);
        }
        error = this.source();
    }
    None
}

/// The name of an error's variant; where that has nothing but another error in it, the name of that one's.
#[must_use]
pub fn variant_name(error: &dyn std::fmt::Debug) -> Option<String> {
    let text = format!("{error:?}");
    let mut rest = text.as_str();
    let mut name = None;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let word = &rest[..end.unwrap_or(rest.len())];
        if !word.starts_with(|c: char| c.is_ascii_uppercase()) {
            return name;
        }
        name = Some(word.to_owned());
        match rest[word.len()..].strip_prefix('(') {
            Some(inner) => rest = inner,
            None => return name,
        }
    }
}

/// An error and what is behind it, in one line. Where an error's text names its source already, the
/// source is not named again.
#[must_use]
pub fn full_message(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
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
        use matchmark_verifier::key::ModelOptionsError;

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
