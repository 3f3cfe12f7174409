//! Writing of files that a user names.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::kind::FileKind;
use crate::{is_own_descriptor, is_standard_output};

/// Links that are followed from one name to the next, as many as the system itself follows.
const MAX_LINKS: usize = 40;

/// Writes what a user names: `-` and the system's own names for it are standard output, everything else is written as by [`write()`].
///
/// # Errors
/// Those of the file system.
pub fn write_output(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_standard_output(path) {
        return to_stream(io::stdout().lock(), bytes);
    }
    write(path, bytes)
}

/// Writes a file so that it exists either wholly or not at all: into a temporary file of the same
/// directory, synced, then renamed. A regular file is replaced, and its permissions stay; a link stays
/// what it is, and the file that it leads to is replaced or made. Devices, pipes and the process's own
/// open files (`/dev/stdout`, `/dev/fd/3`) are written to as they are.
///
/// # Errors
/// Those of the file system; nothing is left behind. [`io::ErrorKind::IsADirectory`] for a folder.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if is_own_descriptor(path) {
        // To the end: the file may be one that other results were written to.
        return to_stream(OpenOptions::new().append(true).open(path)?, bytes);
    }
    let (target, there) = follow(path)?;
    let permissions = match there {
        None => None,
        Some(there) => match FileKind::of(there.file_type()) {
            FileKind::Regular => Some(there.permissions()),
            FileKind::Directory => {
                let message = "expected the name of a file, got a folder";
                return Err(io::Error::new(io::ErrorKind::IsADirectory, message));
            }
            _ => return to_stream(OpenOptions::new().write(true).open(&target)?, bytes),
        },
    };
    replace(&target, bytes, permissions)
}

fn to_stream(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// The name behind all links, and what stands there.
fn follow(path: &Path) -> io::Result<(PathBuf, Option<fs::Metadata>)> {
    let mut path = path.to_owned();
    for _ in 0..=MAX_LINKS {
        let there = match fs::symlink_metadata(&path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, None)),
            Err(error) => return Err(error),
        };
        if !there.is_symlink() {
            return Ok((path, Some(there)));
        }
        // A relative target is one from the link's folder.
        let target = fs::read_link(&path)?;
        path = folder(&path).join(target);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        "symbolic links lead from one to the next without an end",
    ))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, bytes: &[u8], permissions: Option<Permissions>) -> io::Result<()> {
    let directory = folder(path);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".matchmark-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // Temporary files are private by default; this one becomes an ordinary file, for which
        // the process's mask decides.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself is on disk once the directory is.
    if cfg!(unix) {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_whole_and_nothing_stays_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let error = write(directory.path(), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
        let error = write(&directory.path().join("no/file"), b"").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{symlink, FileTypeExt as _, PermissionsExt as _};
        use std::process::Command;
        use std::thread;

        use super::*;

        #[test]
        fn a_link_stays_and_its_target_is_replaced() {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            fs::create_dir(at("folder")).unwrap();
            fs::write(at("folder/file"), b"old").unwrap();
            fs::set_permissions(at("folder/file"), Permissions::from_mode(0o640)).unwrap();
            symlink("folder/file", at("link")).unwrap();
            symlink("link", at("second")).unwrap();
            symlink("folder/new", at("dangling")).unwrap();
            symlink("loop", at("loop")).unwrap();
            write(&at("second"), b"new").unwrap();
            write(&at("dangling"), b"made").unwrap();
            assert_eq!(fs::read(at("folder/file")).unwrap(), b"new");
            assert_eq!(fs::read(at("folder/new")).unwrap(), b"made");
            let mode = fs::metadata(at("folder/file")).unwrap().permissions();
            assert_eq!(mode.mode() & 0o777, 0o640);
            for link in ["link", "second", "dangling", "loop"] {
                assert!(at(link).is_symlink(), "{link}");
            }
            let error = write(&at("loop"), b"").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }

        #[test]
        fn devices_and_pipes_are_written_to() {
            let directory = tempfile::tempdir().unwrap();
            let at = |name: &str| directory.path().join(name);
            symlink("/dev/null", at("null")).unwrap();
            write(&at("null"), b"into nothing").unwrap();
            assert!(at("null").is_symlink());
            assert!(fs::metadata("/dev/null")
                .unwrap()
                .file_type()
                .is_char_device());
            if Path::new("/dev/full").exists() {
                symlink("/dev/full", at("full")).unwrap();
                let error = write(&at("full"), b"more").unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            }
            let pipe = at("pipe");
            assert!(Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success());
            let reader = thread::spawn({
                let pipe = pipe.clone();
                move || fs::read(pipe).unwrap()
            });
            write(&pipe, b"through a pipe").unwrap();
            assert_eq!(reader.join().unwrap(), b"through a pipe");
            assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        }

        #[test]
        fn the_process_own_files_are_appended_to() {
            use std::os::fd::AsRawFd as _;
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"before, ").unwrap();
            let name = format!("/dev/fd/{}", file.as_raw_fd());
            write(Path::new(&name), b"after").unwrap();
            let text = crate::read_input(Path::new(&name), 100).unwrap();
            assert_eq!(text, b"before, after");
        }
    }
}
