//! What stands at a path.

use std::fmt;
use std::fs::FileType;

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A file of bytes.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device: of characters or of blocks.
    Device,
    /// Something that only the system knows.
    Other,
}

impl FileKind {
    /// What the system says of a file.
    #[must_use]
    pub fn of(file: FileType) -> Self {
        if file.is_file() {
            return Self::Regular;
        }
        if file.is_dir() {
            return Self::Directory;
        }
        if file.is_symlink() {
            return Self::Link;
        }
        special(file)
    }
}

#[cfg(unix)]
fn special(file: FileType) -> FileKind {
    use std::os::unix::fs::FileTypeExt as _;
    if file.is_fifo() {
        FileKind::Pipe
    } else if file.is_socket() {
        FileKind::Socket
    } else if file.is_char_device() || file.is_block_device() {
        FileKind::Device
    } else {
        FileKind::Other
    }
}

#[cfg(not(unix))]
fn special(_: FileType) -> FileKind {
    FileKind::Other
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Regular => "a regular file",
            Self::Directory => "a folder",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Other => "no file",
        })
    }
}
