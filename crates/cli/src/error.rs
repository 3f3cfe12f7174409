//! Why a command fails, and with which exit code.

use std::io;

use camino::Utf8PathBuf;
use matchmark::error::{full_message, io_reason, kind_of_io, system_error, variant_name};
use matchmark::{
    ChainReadError, Error, ErrorKind, PlanError, QuantError, StatementError, TraceError,
    VerifyError,
};
use matchmark_models::{ConversationError, ModelError};
use matchmark_planner::PlannerError;
use matchmark_runtime::RuntimeError;
use matchmark_statement::{ChainError, SegmentKind};

use crate::interrupt::{how_to_resume, INTERRUPTED};
use crate::mistaken::help;

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

    /// How a command ends for a reason of this kind.
    #[must_use]
    pub const fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Rejected => Self::Rejected,
            ErrorKind::Input => Self::WrongUse,
            ErrorKind::System => Self::Environment,
            ErrorKind::Incomplete => Self::NotYet,
        }
    }
}

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// The library refuses. Boxed, as nothing else is as large.
    #[error(transparent)]
    Library(Box<Error>),
    /// Something is not what its key says.
    #[error("{path} and {key}: {source}")]
    KeyMismatch {
        /// The file that does not go with the key.
        path: Utf8PathBuf,
        /// The key.
        key: Utf8PathBuf,
        /// In what the two differ.
        #[source]
        source: Box<Error>,
    },
    /// The filter in `MATCHMARK_LOG` is not valid.
    #[error("MATCHMARK_LOG: {reason}")]
    LogFilter {
        /// What is wrong with it.
        reason: String,
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
    /// A model cannot be made, or does not run on a text.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A file of prompts has none.
    #[error("{path} has 0 prompts, expected at least one: a line of it is one")]
    NoPrompts {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A model does not answer.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
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
        source: VerifyError,
    },
    /// There is no synthetic trace of this shape.
    #[error("synthetic trace: {0}")]
    Synthetic(#[source] QuantError),
    /// The time for the whole command is over.
    #[error("the time is over: expected an answer within {seconds} seconds, got none")]
    Timeout {
        /// The time in seconds.
        seconds: u64,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
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
    /// There are no rules by which the trace would be decoded.
    #[error(transparent)]
    Rules(#[from] RuntimeError),
    /// The segments do not fit together.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no plan within bounds, or none at all.
    #[error(transparent)]
    Planner(#[from] PlannerError),
    /// No variable of the environment names a folder for caches.
    #[error("no folder for caches: expected {expected} in the environment")]
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

/// Errors of the library and of what it is made of.
macro_rules! of_the_library {
    ($($error:ty),*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Library(Box::new(error.into()))
            }
        }
    )*};
}

of_the_library!(Error, ChainReadError, PlanError, StatementError);

impl CliError {
    /// How the command ends: input that cannot be used is wrong use, a refusal of the system is one of the
    /// environment, and what is judged and does not hold is rejected.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Library(error) | Self::KeyMismatch { source: error, .. } => {
                Outcome::of(error.kind())
            }
            // The folder is the command's own choice, or one that is made: nobody has named it wrongly.
            Self::Print(_) | Self::Measure { .. } | Self::Thread(_) => Outcome::Environment,
            Self::Timeout { .. } => Outcome::NotYet,
            Self::Chain(_) | Self::Sizes { .. } => Outcome::Rejected,
            Self::LogFilter { .. }
            | Self::Floats { .. }
            | Self::Model(_)
            | Self::NoPrompts { .. }
            | Self::Conversation(_)
            | Self::Reference { .. }
            | Self::Synthetic(_)
            | Self::WriteTensors { .. }
            | Self::NoTensors { .. }
            | Self::Rules(_)
            | Self::Planner(_)
            | Self::NoCacheFolder { .. }
            | Self::Calibration { .. } => match system_error(self) {
                Some(error) => Outcome::of(kind_of_io(error)),
                None => Outcome::WrongUse,
            },
        }
    }

    /// The exit code: that of the outcome, or that of a command that was interrupted.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Library(error) if error.is_cancelled() => INTERRUPTED,
            _ => self.outcome().code(),
        }
    }

    /// The error, what is behind it, and what to do instead, in one line.
    #[must_use]
    pub fn message(&self) -> String {
        let message = full_message(self);
        match self {
            Self::Library(error) => match (&**error, help(error)) {
                (Error::Stopped { directory, .. }, _) => {
                    format!("interrupted: {}", how_to_resume(directory))
                }
                (_, Some(help)) => format!("{message}; {help}"),
                (_, None) => message,
            },
            Self::KeyMismatch { source, .. } => match help(source) {
                Some(help) => format!("{message}; {help}"),
                None => message,
            },
            Self::Model(ModelError::Quantity(QuantError::TooManyEntries { expected, .. })) => {
                format!("{message}; `quantize --positions {expected}` makes a model of so many")
            }
            _ => message,
        }
    }

    /// The name of the reason within its kind, where it has one: that of the innermost error.
    #[must_use]
    pub fn variant(&self) -> Option<String> {
        match self {
            Self::Library(error) => error.reason(),
            Self::Floats { source, .. } | Self::WriteTensors { source, .. } => variant_name(source),
            Self::Sizes { source, .. } => variant_name(source),
            Self::Synthetic(source) => variant_name(source),
            Self::Calibration { source, .. } => variant_name(source),
            Self::Print(source) | Self::Thread(source) => io_reason(source),
            Self::Model(_)
            | Self::Conversation(_)
            | Self::Rules(_)
            | Self::Chain(_)
            | Self::Planner(_) => variant_name(self),
            Self::KeyMismatch { .. }
            | Self::LogFilter { .. }
            | Self::NoPrompts { .. }
            | Self::Reference { .. }
            | Self::Timeout { .. }
            | Self::NoTensors { .. }
            | Self::NoCacheFolder { .. }
            | Self::Measure { .. } => None,
        }
    }

    /// A name for the reason, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Library(error) | Self::KeyMismatch { source: error, .. } => error.name(),
            Self::LogFilter { .. } => "log-filter",
            Self::Floats { .. } => "floats",
            Self::Model(_) => "model",
            Self::NoPrompts { .. } => "no-prompts",
            Self::Conversation(_) => "conversation",
            Self::Reference { .. } => "reference",
            Self::Synthetic(_) => "synthetic",
            Self::Timeout { .. } => "timeout",
            Self::Thread(_) => "thread",
            Self::WriteTensors { .. } => "write",
            Self::NoTensors { .. } => "no-tensors",
            Self::Rules(_) => "plan",
            Self::Planner(_) => "planner",
            Self::NoCacheFolder { .. } => "no-cache-folder",
            Self::Calibration { .. } => "calibration",
            Self::Measure { .. } => "measure",
            Self::Chain(_) => "chain",
            Self::Sizes { .. } => "sizes",
            Self::Print(_) => "print",
        }
    }
}

#[cfg(test)]
mod tests {
    use matchmark::files::{Form, Found};

    use super::*;

    #[test]
    fn what_to_do_is_told_with_the_reason() {
        let stopped = CliError::from(Error::Stopped {
            directory: "my chain".into(),
            finished: 1,
            segments: 3,
        });
        assert_eq!(
            stopped.message(),
            "interrupted: finished segments are kept; go on with `matchmark \
             resume 'my chain'`"
        );
        let name = (stopped.kind(), stopped.outcome(), stopped.exit_code());
        assert_eq!(name, ("stopped", Outcome::Environment, INTERRUPTED));

        let other = CliError::from(Error::OtherFile {
            path: "x".into(),
            expected: Form::Policy.name(),
            got: Found::Form(Form::Key),
        });
        let expected =
            "x is the key of a model, expected an acceptance policy; a key goes to `--key`";
        assert_eq!(other.message(), expected);
        assert_eq!((other.exit_code(), other.kind()), (2, "other-file"));
    }

    #[test]
    fn the_option_for_fewer_positions_is_named() {
        let error = CliError::Model(ModelError::Quantity(QuantError::TooManyEntries {
            bits: 11,
            max_weight: 2048,
            expected: 511,
            got: 8192,
        }));
        let message = error.message();
        assert!(message.contains("quantize --positions 511"), "{message}");
    }

    #[test]
    fn two_files_that_do_not_go_together_are_named() {
        let source = Error::KeyMismatch {
            what: "model",
            field: "identity",
            expected: "a".to_owned(),
            got: "b".to_owned(),
        };
        let error = CliError::KeyMismatch {
            path: "m.mm".into(),
            key: "k.vk".into(),
            source: Box::new(source),
        };
        assert_eq!(
            error.message(),
            "m.mm and k.vk: the model does not go with the key: its identity is b, expected a"
        );
        assert_eq!(error.variant(), None);
        assert_eq!(CliError::Timeout { seconds: 1 }.outcome(), Outcome::NotYet);
    }
}
