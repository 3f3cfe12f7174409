//! Reading of regular files alone, without waiting.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::kind::FileKind;
use crate::{is_own_descriptor, is_standard};

/// Most that is read of a file that has more than the system says.
const MAX_UNTOLD_BYTES: u64 = 16 << 20;

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The system refuses it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Something else stands there, or a link leads to it.
    #[error("expected a regular file, got {got}")]
    NotRegular {
        /// What stands there.
        got: FileKind,
    },
    /// There is a link, but nothing that can be opened where it leads.
    #[error(
        "this is a symbolic link to {target:?}, which cannot be opened: expected the file itself there"
    )]
    BrokenLink {
        /// Where the link leads.
        target: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is longer than any file of its kind.
    #[error("the file has {got} bytes, expected at most {expected}")]
    TooLong {
        /// Largest length in bytes.
        expected: u64,
        /// Length of the file in bytes; where it has no end, what was read of it.
        got: u64,
    },
}

impl InputError {
    /// What [`From`] has put into an error of the system.
    #[must_use]
    pub fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The reverse of [`From`]: the same error, whoever passed it on.
    #[must_use]
    pub fn from_io(error: io::Error) -> Self {
        if Self::within(&error).is_none() {
            return Self::Io(error);
        }
        // Looked at above, so that there is one, and it is ours.
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::Io(error),
        }
    }
}

impl From<InputError> for io::Error {
    fn from(error: InputError) -> Self {
        let kind = match &error {
            InputError::Io(_) => {
                return match error {
                    InputError::Io(source) => source,
                    other => Self::other(other),
                }
            }
            InputError::NotRegular { .. } => io::ErrorKind::InvalidInput,
            InputError::BrokenLink { source, .. } => source.kind(),
            InputError::TooLong { .. } => io::ErrorKind::FileTooLarge,
        };
        Self::new(kind, error)
    }
}

/// Options by which the system neither waits for the other end of a pipe nor makes a terminal the
/// process's own; by `links`, whether a link is followed.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions, links: bool) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let follow = if links { 0 } else { libc::O_NOFOLLOW };
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | follow)
}

#[cfg(not(unix))]
fn without_waiting(options: &mut OpenOptions, _links: bool) -> &mut OpenOptions {
    options
}

/// Opens a regular file for reading. Links are followed. Never waits.
///
/// Opening a device or the end of a pipe can already do something, so that what stands there is looked at
/// first; as another may stand there a moment later, the open handle is looked at again.
///
/// # Errors
/// [`InputError`], but for [`InputError::TooLong`].
pub fn open(path: &Path) -> Result<File, InputError> {
    let broken = |source: io::Error| match fs::read_link(path) {
        Ok(target) => InputError::BrokenLink { target, source },
        Err(_) => InputError::Io(source),
    };
    regular(&fs::metadata(path).map_err(broken)?)?;
    let mut options = OpenOptions::new();
    let file = without_waiting(options.read(true), true)
        .open(path)
        .map_err(broken)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Makes a file of one's own directory for writing, empty. What has its name is emptied if it is a regular
/// file, and refused if not: no link is followed.
///
/// # Errors
/// [`InputError::Io`] and [`InputError::NotRegular`].
pub fn create(path: &Path) -> Result<File, InputError> {
    open_own(path, OpenOptions::new().create(true).truncate(true))
}

/// As [`create`], but a file that is there keeps what it holds.
///
/// # Errors
/// As [`create`].
pub fn open_or_create(path: &Path) -> Result<File, InputError> {
    open_own(path, OpenOptions::new().create(true).truncate(false))
}

fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File, InputError> {
    if let Ok(there) = fs::symlink_metadata(path) {
        regular(&there)?;
    }
    let file = without_waiting(options.write(true), false).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(metadata: &fs::Metadata) -> Result<(), InputError> {
    match FileKind::of(metadata.file_type()) {
        FileKind::Regular => Ok(()),
        got => Err(InputError::NotRegular { got }),
    }
}

/// Reads a regular file of at most `max` bytes; a longer one is not read. Links are followed. Never waits.
///
/// # Errors
/// [`InputError`].
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, InputError> {
    read_opened(open(path)?, max)
}

/// Reads a regular file that was opened, from where it stands to its end, of at most `max` bytes.
///
/// A file that has more than the system says is one that grows, or one of the system's own, which have no
/// length and may have no end: of those no more than 16 MiB are read.
///
/// # Errors
/// [`InputError`]; [`io::ErrorKind::OutOfMemory`] within [`InputError::Io`] where there is no room for it.
pub fn read_opened(file: File, max: u64) -> Result<Vec<u8>, InputError> {
    let metadata = file.metadata()?;
    regular(&metadata)?;
    let got = metadata.len();
    if got > max {
        return Err(InputError::TooLong { expected: max, got });
    }
    let mut bytes = Vec::new();
    // Asked for first, as the standard library's own reading gives up the process where there is none.
    usize::try_from(got)
        .ok()
        .and_then(|length| bytes.try_reserve_exact(length).ok())
        .ok_or(io::ErrorKind::OutOfMemory)
        .map_err(|kind| InputError::Io(kind.into()))?;
    take(file, bytes, max.min(got.max(MAX_UNTOLD_BYTES)))
}

fn take(from: impl Read, mut bytes: Vec<u8>, max: u64) -> Result<Vec<u8>, InputError> {
    from.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
    let got = bytes.len() as u64;
    if got > max {
        return Err(InputError::TooLong { expected: max, got });
    }
    Ok(bytes)
}

/// Reads a file that a user names, of at most `max` bytes: `-` is standard input. The names that the
/// system gives to the process's own open files (`/dev/stdin`, `/dev/fd/3`) may be pipes, which are waited
/// for; everything else is read as by [`read`].
///
/// # Errors
/// [`InputError`].
pub fn read_input(path: &Path, max: u64) -> Result<Vec<u8>, InputError> {
    if is_standard(path) {
        return take(io::stdin().lock(), Vec::new(), max);
    }
    if is_own_descriptor(path) {
        return take(File::open(path)?, Vec::new(), max);
    }
    read(path, max)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    /// One of each kind of thing, by name.
    fn place() -> (tempfile::TempDir, impl Fn(&str) -> PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let at = move |name: &str| root.join(name);
        fs::write(at("file"), b"content").unwrap();
        fs::create_dir(at("folder")).unwrap();
        let made = Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        drop(UnixListener::bind(at("socket")).unwrap());
        for (link, target) in [
            ("to-file", "file"),
            ("to-link", "to-file"),
            ("to-folder", "folder"),
            ("to-pipe", "pipe"),
            ("to-socket", "socket"),
            ("to-zero", "/dev/zero"),
            ("to-nothing", "nothing"),
            ("loop", "loop"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        (directory, at)
    }

    #[test]
    fn regular_files_alone_are_read() {
        let (_guard, at) = place();
        for name in ["file", "to-file", "to-link"] {
            assert_eq!(read(&at(name), 7).unwrap(), b"content", "{name}");
            assert!(matches!(
                read(&at(name), 6),
                Err(InputError::TooLong {
                    expected: 6,
                    got: 7
                })
            ));
        }
        for (name, expected) in [
            ("folder", FileKind::Directory),
            ("to-folder", FileKind::Directory),
            ("pipe", FileKind::Pipe),
            ("to-pipe", FileKind::Pipe),
            ("socket", FileKind::Socket),
            ("to-socket", FileKind::Socket),
            ("to-zero", FileKind::Device),
        ] {
            match read(&at(name), 100) {
                Err(InputError::NotRegular { got }) => assert_eq!(got, expected, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        match read(&at("to-nothing"), 100) {
            Err(InputError::BrokenLink { target, source }) => {
                assert_eq!(target, Path::new("nothing"));
                assert_eq!(source.kind(), io::ErrorKind::NotFound);
            }
            other => panic!("{other:?}"),
        }
        match read(&at("loop"), 100) {
            Err(InputError::BrokenLink { source, .. }) => {
                assert_eq!(source.raw_os_error(), Some(libc::ELOOP));
            }
            other => panic!("{other:?}"),
        }
        match read(&at("nothing"), 100) {
            Err(InputError::Io(source)) => assert_eq!(source.kind(), io::ErrorKind::NotFound),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_handle_is_judged_whatever_was_looked_at_before() {
        let directory = File::open("/").unwrap();
        assert!(matches!(
            read_opened(directory, 100),
            Err(InputError::NotRegular {
                got: FileKind::Directory
            })
        ));
        let zeros = File::open("/dev/zero").unwrap();
        assert!(matches!(
            read_opened(zeros, 100),
            Err(InputError::NotRegular {
                got: FileKind::Device
            })
        ));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_of_the_system_without_an_end_are_not_read_to_it() {
        let text = read(Path::new("/proc/self/status"), u64::MAX).unwrap();
        assert!(text.starts_with(b"Name:"));
        // Eight bytes for each page that a process could have. It is read by eights alone, so that the system
        // may refuse the byte that is one too many.
        let endless = Path::new("/proc/self/pagemap");
        if endless.exists() {
            assert!(matches!(
                read(endless, u64::MAX),
                Err(InputError::TooLong {
                    expected: MAX_UNTOLD_BYTES,
                    ..
                } | InputError::Io(_))
            ));
        }
    }

    #[test]
    fn own_files_are_not_made_by_a_link() {
        let (_guard, at) = place();
        for name in [
            "to-file",
            "to-nothing",
            "to-pipe",
            "loop",
            "pipe",
            "folder",
            "socket",
        ] {
            for made in [create(&at(name)), open_or_create(&at(name))] {
                assert!(
                    matches!(made, Err(InputError::NotRegular { .. })),
                    "{name}: {made:?}"
                );
            }
        }
        assert_eq!(fs::read(at("file")).unwrap(), b"content");
        drop(open_or_create(&at("file")).unwrap());
        assert_eq!(fs::read(at("file")).unwrap(), b"content");
        drop(create(&at("file")).unwrap());
        assert!(fs::read(at("file")).unwrap().is_empty());
        drop(open_or_create(&at("new")).unwrap());
        assert!(at("new").is_file());
    }

    #[test]
    fn the_process_own_files_may_be_pipes() {
        let (reader, mut writer) = io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"by a pipe").unwrap();
        drop(writer);
        let name = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        assert_eq!(read_input(Path::new(&name), 9).unwrap(), b"by a pipe");
        let zero = read_input(Path::new("/dev/zero"), 100);
        assert!(matches!(zero, Err(InputError::NotRegular { .. })));
    }

    #[test]
    fn errors_of_the_system_carry_the_reason() {
        let error = io::Error::from(InputError::TooLong {
            expected: 1,
            got: 2,
        });
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(matches!(
            InputError::within(&error),
            Some(InputError::TooLong { .. })
        ));
        assert!(matches!(
            InputError::from_io(error),
            InputError::TooLong {
                expected: 1,
                got: 2
            }
        ));
        let plain = io::Error::from(InputError::Io(io::ErrorKind::NotFound.into()));
        assert_eq!(plain.kind(), io::ErrorKind::NotFound);
        assert!(matches!(InputError::from_io(plain), InputError::Io(_)));
    }
}
