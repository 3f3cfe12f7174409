//! Input files read, and output files written, whatever stands in their place.
//!
//! What somebody else put there may be a named pipe, a socket, a device, a link, or a directory. [`read`]
//! takes regular files of bounded length, by a link or not, and neither waits nor touches anything else;
//! [`write()`] replaces regular files as a whole, follows links, and writes through devices and pipes.
//! [`read_input`] and [`write_output`] are for files that a user names, where `-` is standard input and
//! standard output.
#![forbid(unsafe_code)]

mod input;
mod kind;
mod output;

use std::path::Path;

pub use input::{create, open, open_or_create, read, read_input, read_opened, InputError};
pub use kind::FileKind;
pub use output::{write, write_output};

/// Longest file that is read where nothing says how long one can be: 64 GiB.
pub const MAX_FILE_BYTES: u64 = 1 << 36;
/// The name by which a user means standard input or standard output.
pub const STANDARD: &str = "-";

/// Whether a user who names this means standard input, or standard output.
#[must_use]
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == STANDARD
}

/// Whether a user who names this as an output means standard output.
#[must_use]
pub fn is_standard_output(path: &Path) -> bool {
    let names = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].map(Path::new);
    is_standard(path) || cfg!(unix) && names.contains(&path)
}

/// Whether the system gives one of the process's own open files this name: what is behind it is nobody
/// else's to choose, and it is neither refused nor replaced.
fn is_own_descriptor(path: &Path) -> bool {
    let streams = ["/dev/stdin", "/dev/stdout", "/dev/stderr"].map(Path::new);
    let folders = ["/dev/fd", "/proc/self/fd"].map(Path::new);
    let within = path.parent().is_some_and(|it| folders.contains(&it));
    cfg!(unix) && (streams.contains(&path) || within)
}

/// The example of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
