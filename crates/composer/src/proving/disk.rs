//! The steps that a chain directory takes on a storage. Errors name the file and the operation.

use std::fs::{File, TryLockError};
use std::io;

use camino::Utf8Path;

use crate::layout::{segments_directory, LOCK_FILE, TEMPORARY_PREFIX};
use crate::proving::error::DirectoryError;
use crate::proving::storage::Storage;
use crate::reader::read_opened;

/// A storage, and what is done on it.
#[derive(Clone, Copy)]
pub(crate) struct Disk<'a>(pub(crate) &'a dyn Storage);

impl Disk<'_> {
    pub(crate) fn read(self, path: &Utf8Path, max_bytes: u64) -> Result<Vec<u8>, DirectoryError> {
        Ok(read_opened(path, self.0.open(path), max_bytes)?)
    }

    pub(crate) fn lock(self, chain: &Utf8Path) -> Result<File, DirectoryError> {
        let path = chain.join(LOCK_FILE);
        match self.0.lock(&path) {
            Ok(file) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path }),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
        }
    }

    pub(crate) fn create_directory(self, path: &Utf8Path) -> Result<(), DirectoryError> {
        let parent = parent(path);
        self.0
            .create_directories(parent)
            .map_err(|source| io_error("create", parent, source))?;
        match self.0.create_directory(path) {
            Ok(()) => {
                let synced = self.sync_directory(parent);
                if synced.is_err() {
                    // Nothing stays behind of a creation that fails.
                    let _ = self.0.remove_directory(path);
                }
                synced
            }
            // Another process was faster; the lock decides.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(source) => Err(io_error("create", path, source)),
        }
    }

    pub(crate) fn create_segments_directory(self, chain: &Utf8Path) -> Result<(), DirectoryError> {
        let path = segments_directory(chain);
        self.0
            .create_directories(&path)
            .map_err(|source| io_error("create", &path, source))?;
        self.sync_directory(chain)
    }

    pub(crate) fn remove_temporaries(self, directory: &Utf8Path) -> Result<(), DirectoryError> {
        let list_error = |source| io_error("list", directory, source);
        for entry in self.0.list(directory).map_err(list_error)? {
            let name = entry.map_err(list_error)?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(TEMPORARY_PREFIX) {
                let path = directory.join(&*name);
                self.0
                    .remove_file(&path)
                    .map_err(|source| io_error("remove", &path, source))?;
            }
        }
        Ok(())
    }

    /// A rename or a new directory is on disk once the directory that holds it is.
    fn sync_directory(self, path: &Utf8Path) -> Result<(), DirectoryError> {
        self.0
            .sync_directory(path)
            .map_err(|source| io_error("sync", path, source))
    }

    /// Writes a file so that it exists either wholly or not at all: under a temporary name of the same
    /// directory, synced, then renamed. An existing file is replaced. The directory is locked, and no two
    /// workers write the same file, so that the temporary name is nobody else's.
    pub(crate) fn write(self, path: &Utf8Path, bytes: &[u8]) -> Result<(), DirectoryError> {
        let directory = parent(path);
        let name = path.file_name().unwrap_or_default();
        let temporary = directory.join(format!("{TEMPORARY_PREFIX}{name}.part"));
        let file = self
            .0
            .create_file(&temporary)
            .map_err(|source| io_error("create", path, source))?;
        let written = self
            .write_all(path, &file, bytes)
            .and_then(|()| {
                let synced = self.0.sync_file(path, &file);
                synced.map_err(|source| io_error("sync", path, source))
            })
            .and_then(|()| {
                let renamed = self.0.rename(&temporary, path);
                renamed.map_err(|source| io_error("rename", path, source))
            });
        if written.is_err() {
            // An error on top of the one that is being reported is not reported. What stays is removed
            // by the next prover.
            let _ = self.0.remove_file(&temporary);
        }
        written?;
        self.sync_directory(directory)
    }

    fn write_all(
        self,
        path: &Utf8Path,
        file: &File,
        mut bytes: &[u8],
    ) -> Result<(), DirectoryError> {
        while !bytes.is_empty() {
            let source = match self.0.write(path, file, bytes) {
                Ok(written) if written > 0 => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    continue;
                }
                Ok(_) => io::ErrorKind::WriteZero.into(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            return Err(io_error("write", path, source));
        }
        Ok(())
    }
}

/// The directory that a file or directory lies in.
fn parent(path: &Utf8Path) -> &Utf8Path {
    match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    }
}

pub(crate) fn exists(path: &Utf8Path) -> Result<bool, DirectoryError> {
    path.try_exists()
        .map_err(|source| io_error("read", path, source))
}

pub(crate) fn io_error(action: &'static str, path: &Utf8Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        for (path, expected) in [
            ("chain", "."),
            ("a/chain", "a"),
            ("/chain", "/"),
            ("/", "."),
        ] {
            assert_eq!(parent(Utf8Path::new(path)), expected, "{path}");
        }
    }
}
