//! Why a command ended early, and with which exit code.

use std::fmt::Display;

/// An unsuccessful end.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit code: 1 for work that failed, 2 for wrong use, or that of a process passed through.
    pub code: u8,
    /// What to print; nothing where the reason was printed already.
    pub message: Option<String>,
}

impl Failure {
    /// Work that failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: Some(message.into()),
        }
    }

    /// A command used wrongly.
    pub fn wrong_use(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: Some(message.into()),
        }
    }

    /// The exit code of another process, which has said why itself.
    pub fn passed_through(code: u8) -> Self {
        Self {
            code,
            message: None,
        }
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Turns the error into a [`Failure`] whose message is `doing: error`.
    ///
    /// # Errors
    /// That of the result.
    fn context(self, doing: impl Display) -> Result<T, Failure>;
}

impl<T, E: Display> Context<T> for Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::failed(format!("{doing}: {error}")))
    }
}
