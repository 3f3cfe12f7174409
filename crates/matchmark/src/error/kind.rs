//! What kind of reason an error has.

use std::error::Error as StdError;
use std::io;

use matchmark_composer::ChainReadError;
#[cfg(feature = "prover")]
use matchmark_composer::{ChainProveError, DirectoryError};
use matchmark_files::InputError;

/// What kind of reason an [`Error`](super::Error) has: what to do about it depends on that.
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

pub(super) fn incomplete_or_rejected(incomplete: bool) -> ErrorKind {
    if incomplete {
        ErrorKind::Incomplete
    } else {
        ErrorKind::Rejected
    }
}

/// What cannot be used: by its own fault, or because the system refuses it.
pub(super) fn input_or_system(error: &(dyn StdError + 'static)) -> ErrorKind {
    system_error(error).map_or(ErrorKind::Input, kind_of_io)
}

/// What cannot be read as a chain: parts may be missing yet, the system may refuse, or it is no chain.
pub(super) fn kind_of_chain(error: &ChainReadError) -> ErrorKind {
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
pub(super) fn kind_of_proving(error: &ChainProveError) -> ErrorKind {
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
pub(super) fn name_of_proving(error: &ChainProveError) -> &'static str {
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
