//! Why a command fails, and with which exit code.

use std::error::Error;
use std::io;

use camino::Utf8PathBuf;
use matchmark_composer::{
    ChainProveError, ChainReadError, DirectoryError, KeyError, KeygenError, MockSegmentError,
    ModelCacheError, PlanError,
};
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
    /// Rejected, or failed.
    Rejected,
    /// Wrong use, or input that cannot be used.
    WrongUse,
    /// The system refuses: it cannot be read or written, there is no memory, it was interrupted.
    Environment,
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
        }
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The filter in `MATCHMARK_LOG` is none.
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
        /// Why.
        #[source]
        source: ImportError,
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
    #[error("no key: {0}")]
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
    /// The public values of the chain are no tensors.
    #[error("the chain is one of {got}: expected {expected}, whose public values are tensors")]
    NoTensors {
        /// The kind of chain whose tensors can be written.
        expected: SegmentKind,
        /// The kind of this one.
        got: SegmentKind,
    },
    /// Domain or security level are none.
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
    Mock(#[from] MockSegmentError),
    /// There is no plan within bounds, or none at all.
    #[error(transparent)]
    Planner(#[from] PlannerError),
    /// No variable of the environment names a folder for caches.
    #[error("no folder for caches: expected {expected} in the environment")]
    NoCacheFolder {
        /// The variables that would name one.
        expected: &'static str,
    },
    /// What is kept in the cache folder is no calibration.
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
    /// How the command ends: input that cannot be used is wrong use, work that fails is not.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_memory() {
            return Outcome::Environment;
        }
        match self.model_cache() {
            Some(ModelCacheError::Directory(_)) => return Outcome::Rejected,
            Some(_) => return Outcome::WrongUse,
            None => {}
        }
        match self {
            Self::LogFilter { .. }
            | Self::Trace { .. }
            | Self::Floats { .. }
            | Self::Import { .. }
            | Self::Model(_)
            | Self::Synthetic(_)
            | Self::Table { .. }
            | Self::Policy { .. }
            | Self::Key { .. }
            | Self::KeyMismatch { .. }
            | Self::OtherPrompt { .. }
            | Self::Tokens { .. }
            | Self::Read { .. }
            | Self::NoTensors { .. }
            | Self::Terms(_)
            | Self::Rules(_)
            | Self::Plan(_)
            | Self::Planner(_)
            | Self::NoCacheFolder { .. }
            | Self::Calibration { .. }
            | Self::Prove(
                ChainProveError::Plan(_)
                | ChainProveError::Directory(
                    DirectoryError::NotAChain { .. }
                    | DirectoryError::NoChain { .. }
                    | DirectoryError::OtherChain { .. }
                    | DirectoryError::AlreadyBegun { .. },
                ),
            )
            | Self::Segments(ChainReadError::Io { .. }) => Outcome::WrongUse,
            Self::ModelFile {
                source:
                    ModelFileError::Io {
                        action: "write", ..
                    },
                ..
            } => Outcome::Rejected,
            Self::ModelFile { .. } => Outcome::WrongUse,
            _ => Outcome::Rejected,
        }
    }

    /// Why the cache of models cannot be used, if that is the reason.
    fn model_cache(&self) -> Option<&ModelCacheError> {
        match self {
            Self::Plan(PlanError::ModelCache(error))
            | Self::Keygen(KeygenError::Plan(PlanError::ModelCache(error)))
            | Self::Prove(ChainProveError::Plan(PlanError::ModelCache(error))) => Some(error),
            _ => None,
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
        if self.model_cache().is_some() {
            return "model-cache";
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
        assert_eq!((error.outcome().code(), error.kind()), (2, "trace"));
    }
}
