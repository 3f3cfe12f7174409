//! Why a command fails, and with which exit code.

use std::error::Error;
use std::io;

use camino::Utf8PathBuf;
use matchmark_composer::{
    ChainProveError, ChainReadError, DirectoryError, KeyError, KeygenError, PlanError,
};
use matchmark_files::InputError;
use matchmark_model::{ImportError, ModelError, ModelFileError, TokenizerError};
use matchmark_planner::PlannerError;
use matchmark_runtime::{RuntimeError, TraceError};
use matchmark_statement::{ChainError, PolicyError, SegmentKind, StatementError};
use matchmark_tables::TableError;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or accepted.
    Done,
    /// Rejected: a proof, a chain or a constraint does not hold.
    Rejected,
    /// Wrong use, or input that cannot be used.
    WrongUse,
    /// The system refuses: it cannot be read or written, there is no memory, it was interrupted.
    Environment,
    /// Not yet there: the time is over, or a chain is not complete.
    NotYet,
}

impl Outcome {
    /// The exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::WrongUse => 2,
            Self::Environment => 3,
            Self::NotYet => 4,
        }
    }

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Rejected => "rejected",
            Self::WrongUse => "wrong-use",
            Self::Environment => "environment",
            Self::NotYet => "not-yet",
        }
    }

    /// How a command ends that the system refuses a file: what a user has named and can name otherwise is
    /// wrong use.
    fn of_io(error: &io::Error) -> Self {
        if InputError::within(error).is_some() {
            return Self::WrongUse;
        }
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidFilename => Self::WrongUse,
            _ => Self::Environment,
        }
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The filter in `MATCHMARK_LOG` is not valid.
    #[error("MATCHMARK_LOG: {reason}")]
    LogFilter {
        /// What is wrong with it.
        reason: String,
    },
    /// The trace cannot be used.
    #[error("trace {path}: {source}")]
    Trace {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TraceError,
    },
    /// The float tensors cannot be quantized.
    #[error("{path}: {source}")]
    Floats {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TraceError,
    },
    /// The folder of a trained model cannot be used.
    #[error("model {path}: {source}")]
    Import {
        /// The folder.
        path: Utf8PathBuf,
        /// Why. Boxed, as nothing else is as large.
        #[source]
        source: Box<ImportError>,
    },
    /// The model's file cannot be used.
    #[error("model {path}: {source}")]
    ModelFile {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: ModelFileError,
    },
    /// A model cannot be made, or does not run on a text.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The reference does not run on the trained model.
    #[error("reference: {reason}")]
    Reference {
        /// What it says.
        reason: String,
    },
    /// A stored proof does not have the structure that its statement asks for.
    #[error("segment {segment}: {source}")]
    Sizes {
        /// Index of the segment.
        segment: u64,
        /// Why.
        #[source]
        source: matchmark_composer::VerifyError,
    },
    /// There is no synthetic trace of this shape.
    #[error("synthetic trace: {0}")]
    Synthetic(#[source] matchmark_quant::QuantError),
    /// The table cannot be used.
    #[error("table {path}: {source}")]
    Table {
        /// The file, or the name that was given.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TableError,
    },
    /// The policy cannot be used.
    #[error("{path}: {source}")]
    Policy {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: PolicyError,
    },
    /// The key cannot be used.
    #[error("key {path}: {source}")]
    Key {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// There is no key of a model.
    #[error("key: {0}")]
    Keygen(#[source] KeygenError),
    /// Something is not what its key says.
    #[error("{path} does not go with the key {key}: its {field} is {got}, expected {expected}")]
    KeyMismatch {
        /// The file that does not go with the key.
        path: Utf8PathBuf,
        /// The key.
        key: Utf8PathBuf,
        /// In what the two differ.
        field: &'static str,
        /// By the key.
        expected: String,
        /// By the file.
        got: String,
    },
    /// The prompt is not the one that a policy is for.
    #[error("the prompt has {got}, expected {expected}: {path} is the policy for a chain that is given those")]
    OtherPrompt {
        /// The policy.
        path: Utf8PathBuf,
        /// Tokens by the policy, in words.
        expected: String,
        /// Tokens of the prompt, in words.
        got: String,
    },
    /// A text has no tokens, or a token no text.
    #[error("{what}: {source}")]
    Tokens {
        /// What was to be encoded or decoded.
        what: &'static str,
        /// Why.
        #[source]
        source: TokenizerError,
    },
    /// A file is of another form than the one that is wanted, or of no known form.
    #[error("{path} is {got}, expected {expected}; {help}")]
    OtherFile {
        /// The file.
        path: Utf8PathBuf,
        /// What is wanted.
        expected: &'static str,
        /// What it is.
        got: String,
        /// Where such a file is of use, or what would be.
        help: &'static str,
    },
    /// Two files are to be read from standard input.
    #[error(
        "`-` is standard input, expected for one file only, got it for two: name the other one"
    )]
    StandardInputTwice,
    /// The time for the whole command is over.
    #[error("timed out: expected an answer within {seconds} seconds, got none")]
    Timeout {
        /// The time in seconds.
        seconds: u64,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
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
    /// Tensors cannot be written.
    #[error("{path}: {source}")]
    WriteTensors {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: TraceError,
    },
    /// The public values of the chain are not tensors.
    #[error("the chain is one of {got}: expected {expected}, whose public values are tensors")]
    NoTensors {
        /// The kind of chain whose tensors can be written.
        expected: SegmentKind,
        /// The kind of this one.
        got: SegmentKind,
    },
    /// Domain or security level are not valid.
    #[error(transparent)]
    Terms(#[from] StatementError),
    /// There are no rules by which the trace would be decoded.
    #[error(transparent)]
    Rules(#[from] RuntimeError),
    /// Trace and options make no chain.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The chain is not proven.
    #[error(transparent)]
    Prove(#[from] ChainProveError),
    /// The segment files cannot be read as a chain.
    #[error(transparent)]
    Segments(#[from] ChainReadError),
    /// The segments do not fit together.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The constraints do not hold.
    #[error(transparent)]
    Mock(Box<ChainProveError>),
    /// There is no plan within bounds, or none at all.
    #[error(transparent)]
    Planner(#[from] PlannerError),
    /// No variable of the environment names a folder for caches.
    #[error("folder for caches not found: expected {expected} in the environment")]
    NoCacheFolder {
        /// The variables that would name one.
        expected: &'static str,
    },
    /// What is kept in the cache folder is not a calibration.
    #[error("{path}: {source}; `matchmark plan --calibrate` writes a new one")]
    Calibration {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        #[source]
        source: PlannerError,
    },
    /// A command that was to be measured fails.
    #[error("cannot measure `matchmark {command}`: {reason}")]
    Measure {
        /// The command.
        command: String,
        /// Why.
        reason: String,
    },
    /// The result cannot be printed.
    #[error("cannot print the result")]
    Print(#[source] io::Error),
}

impl CliError {
    /// How the command ends: input that cannot be used is wrong use, a refusal of the system is one of the
    /// environment, and what is judged and does not hold is rejected.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_memory() {
            return Outcome::Environment;
        }
        match self {
            // The folder is the command's own choice, or one that is made: nobody has named it wrongly.
            Self::Print(_) | Self::Measure { .. } | Self::Thread(_) => Outcome::Environment,
            Self::Timeout { .. } => Outcome::NotYet,
            Self::Segments(error) => of_segments(error),
            // Nobody's claim is judged where a chain is continued.
            Self::Prove(ChainProveError::Directory(DirectoryError::Segments(error))) => {
                match of_segments(error) {
                    Outcome::Environment => Outcome::Environment,
                    _ => Outcome::WrongUse,
                }
            }
            _ => match system_error(self) {
                Some(error) => Outcome::of_io(error),
                None => self.outcome_of_input(),
            },
        }
    }

    /// How the command ends if the system has refused nothing.
    fn outcome_of_input(&self) -> Outcome {
        match self {
            Self::Chain(_) | Self::Sizes { .. } | Self::Mock(_) => Outcome::Rejected,
            Self::Prove(error) => match error {
                ChainProveError::Execute { .. }
                | ChainProveError::ExecuteModel { .. }
                | ChainProveError::Prove { .. }
                | ChainProveError::Chain(_)
                | ChainProveError::CorruptSegment { .. }
                | ChainProveError::OtherSegment { .. } => Outcome::Rejected,
                ChainProveError::Threads { .. }
                | ChainProveError::Stopped { .. }
                | ChainProveError::Directory(DirectoryError::Locked { .. }) => Outcome::Environment,
                _ => Outcome::WrongUse,
            },
            _ => Outcome::WrongUse,
        }
    }

    /// The name of the reason within its kind, where it has one: that of the innermost error.
    #[must_use]
    pub fn variant(&self) -> Option<String> {
        match self {
            Self::Trace { source, .. }
            | Self::Floats { source, .. }
            | Self::WriteTensors { source, .. } => variant_name(source),
            Self::Import { source, .. } => variant_name(&**source),
            Self::ModelFile { source, .. } => variant_name(source),
            Self::Sizes { source, .. } => variant_name(source),
            Self::Synthetic(source) => variant_name(source),
            Self::Table { source, .. } => variant_name(source),
            Self::Policy { source, .. } => variant_name(source),
            Self::Key { source, .. } => variant_name(source),
            Self::Tokens { source, .. } => variant_name(source),
            Self::Calibration { source, .. } => variant_name(source),
            Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Print(source)
            | Self::Thread(source) => InputError::within(source)
                .and_then(|error| variant_name(error))
                .or_else(|| Some(format!("{:?}", source.kind()))),
            Self::Model(_)
            | Self::Keygen(_)
            | Self::Terms(_)
            | Self::Rules(_)
            | Self::Plan(_)
            | Self::Prove(_)
            | Self::Segments(_)
            | Self::Chain(_)
            | Self::Mock(_)
            | Self::Planner(_) => variant_name(self),
            Self::LogFilter { .. }
            | Self::Reference { .. }
            | Self::KeyMismatch { .. }
            | Self::OtherPrompt { .. }
            | Self::OtherFile { .. }
            | Self::StandardInputTwice
            | Self::Timeout { .. }
            | Self::NoTensors { .. }
            | Self::NoCacheFolder { .. }
            | Self::Measure { .. } => None,
        }
    }

    /// Whether there is too little memory.
    fn is_memory(&self) -> bool {
        matches!(
            self,
            Self::Plan(PlanError::Memory(_))
                | Self::Keygen(KeygenError::Plan(PlanError::Memory(_)))
                | Self::Prove(ChainProveError::Plan(PlanError::Memory(_)))
        )
    }

    /// A name for the reason, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.is_memory() {
            return "memory";
        }
        match self {
            Self::LogFilter { .. } => "log-filter",
            Self::Trace { .. } => "trace",
            Self::Floats { .. } => "floats",
            Self::Import { .. } => "import",
            Self::ModelFile { .. } => "model-file",
            Self::Model(_) => "model",
            Self::Reference { .. } => "reference",
            Self::Synthetic(_) => "synthetic",
            Self::Table { .. } => "table",
            Self::Policy { .. } => "policy",
            Self::Key { .. } => "key",
            Self::Keygen(_) => "keygen",
            Self::KeyMismatch { .. } => "key-mismatch",
            Self::OtherPrompt { .. } => "other-prompt",
            Self::Tokens { .. } => "tokens",
            Self::Read { .. } => "read",
            Self::OtherFile { .. } => "other-file",
            Self::StandardInputTwice => "standard-input",
            Self::Timeout { .. } => "timeout",
            Self::Thread(_) => "thread",
            Self::Write { .. } | Self::WriteTensors { .. } => "write",
            Self::NoTensors { .. } => "no-tensors",
            Self::Terms(_) => "terms",
            Self::Rules(_) | Self::Plan(_) | Self::Prove(ChainProveError::Plan(_)) => "plan",
            Self::Planner(_) => "planner",
            Self::NoCacheFolder { .. } => "no-cache-folder",
            Self::Calibration { .. } => "calibration",
            Self::Measure { .. } => "measure",
            Self::Prove(ChainProveError::Directory(error)) => match error {
                DirectoryError::Io { .. } => "io",
                DirectoryError::Locked { .. } => "locked",
                DirectoryError::OtherChain { .. } => "other-chain",
                DirectoryError::AlreadyBegun { .. } => "already-begun",
                DirectoryError::NoChain { .. } => "no-chain",
                DirectoryError::NotAChain { .. } => "not-a-chain",
                _ => "directory",
            },
            Self::Prove(
                ChainProveError::CorruptSegment { .. } | ChainProveError::OtherSegment { .. },
            ) => "stored-segment",
            Self::Prove(_) => "prove",
            Self::Segments(_) => "segments",
            Self::Chain(_) => "chain",
            Self::Sizes { .. } => "sizes",
            Self::Mock(_) => "mock",
            Self::Print(_) => "print",
        }
    }
}

/// What cannot be read as a chain: parts may be missing yet, the system may refuse, or it is not a chain.
pub(crate) fn of_segments(error: &ChainReadError) -> Outcome {
    match error {
        ChainReadError::Io {
            action: "list",
            source,
            ..
        } => Outcome::of_io(source),
        error if error.is_incomplete() => Outcome::NotYet,
        ChainReadError::Io { source, .. } | ChainReadError::BrokenLink { source, .. } => {
            Outcome::of_io(source)
        }
        _ => Outcome::Rejected,
    }
}

/// The refusal of the system that is behind an error, if there is one.
fn system_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
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
pub(crate) fn variant_name(error: &dyn std::fmt::Debug) -> Option<String> {
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
pub(crate) fn full_message(error: &dyn Error) -> String {
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
    use matchmark_composer::ModelOptionsError;

    use super::*;

    #[test]
    fn sources_are_named_once() {
        let source = || TraceError::Io {
            action: "read",
            path: "x".into(),
            source: io::Error::other("no such luck"),
        };
        let error = CliError::Trace {
            path: "x".into(),
            source: source(),
        };
        assert_eq!(full_message(&error), "trace x: cannot read x: no such luck");
        assert_eq!((error.outcome().code(), error.kind()), (3, "trace"));
        assert_eq!(error.variant().as_deref(), Some("Io"));
    }

    #[test]
    fn names_are_those_of_the_innermost_error() {
        let empty = ModelOptionsError::EmptyPrompt {
            expected: 1,
            got: 0,
        };
        let error = CliError::Plan(empty.into());
        assert_eq!(error.variant().as_deref(), Some("EmptyPrompt"));
        let none = ModelOptionsError::NoTokens {
            expected: 1,
            got: 0,
        };
        let error = CliError::Keygen(KeygenError::Plan(none.into()));
        assert_eq!(error.variant().as_deref(), Some("NoTokens"));
        assert_eq!(error.outcome(), Outcome::WrongUse);
        assert_eq!(CliError::Timeout { seconds: 1 }.variant(), None);
    }

    #[test]
    fn what_the_system_refuses_is_told_from_what_was_named_wrongly() {
        let read = |source| CliError::Read {
            path: "x".into(),
            source,
        };
        for (source, outcome) in [
            (io::ErrorKind::NotFound.into(), Outcome::WrongUse),
            (io::ErrorKind::PermissionDenied.into(), Outcome::Environment),
            (io::ErrorKind::OutOfMemory.into(), Outcome::Environment),
            (io::ErrorKind::StorageFull.into(), Outcome::Environment),
            (io::Error::other("no such luck"), Outcome::Environment),
            (
                InputError::TooLong {
                    expected: 1,
                    got: 2,
                }
                .into(),
                Outcome::WrongUse,
            ),
        ] {
            let error = read(source);
            assert_eq!(error.outcome(), outcome, "{error:?}");
        }
        // However deep it is.
        let source = io::ErrorKind::StorageFull.into();
        let error = CliError::Prove(ChainProveError::Directory(DirectoryError::Io {
            action: "write",
            path: "x".into(),
            source,
        }));
        assert_eq!(error.outcome(), Outcome::Environment);
        let locked = ChainProveError::Directory(DirectoryError::Locked { path: "x".into() });
        assert_eq!(CliError::Prove(locked).outcome(), Outcome::Environment);
    }
}
