//! What a chain directory asks of the file system.

use std::fmt::Debug;
use std::fs::{self, File, ReadDir, TryLockError};
use std::io::{self, Write as _};

use camino::Utf8Path;

/// The operations by which a chain directory is written and read, one method each. What the methods do
/// by themselves is the real thing; another storage is one that fails, to test what comes of it.
///
/// Nothing is checked here. What is read is judged by whoever reads it.
///
/// # Errors
///
/// All methods: those of the file system.
#[allow(clippy::missing_errors_doc, reason = "stands above, once for all")]
pub trait Storage: Debug + Send + Sync {
    /// Makes a directory that is not there.
    fn create_directory(&self, path: &Utf8Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Makes a directory and those that it lies in, where they are not there.
    fn create_directories(&self, path: &Utf8Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Opens a file, which is made if it is not there, and locks it until it is closed. No link is followed.
    fn lock(&self, path: &Utf8Path) -> Result<File, TryLockError> {
        let opened = matchmark_files::open_or_create(path.as_std_path());
        let file = opened.map_err(|error| TryLockError::Error(error.into()))?;
        file.try_lock()?;
        Ok(file)
    }

    /// Makes a file, empty, for writing. No link is followed.
    fn create_file(&self, path: &Utf8Path) -> io::Result<File> {
        Ok(matchmark_files::create(path.as_std_path())?)
    }

    /// Writes the first of these bytes to the end of a file, and says how many.
    fn write(&self, _path: &Utf8Path, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    /// What was written to a file is on disk afterwards.
    fn sync_file(&self, _path: &Utf8Path, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    /// Gives a file its name, in place of any file of that name.
    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    /// Names in a directory, as they were made and renamed, are on disk afterwards.
    fn sync_directory(&self, path: &Utf8Path) -> io::Result<()> {
        if cfg!(unix) {
            File::open(path)?.sync_all()?;
        }
        Ok(())
    }

    /// Opens a regular file for reading, without waiting. Links are followed.
    fn open(&self, path: &Utf8Path) -> io::Result<File> {
        Ok(matchmark_files::open(path.as_std_path())?)
    }

    /// What a directory holds.
    fn list(&self, path: &Utf8Path) -> io::Result<ReadDir> {
        fs::read_dir(path)
    }

    /// Removes a file.
    fn remove_file(&self, path: &Utf8Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    /// Removes an empty directory.
    fn remove_directory(&self, path: &Utf8Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

/// The file system as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileSystem;

impl Storage for FileSystem {}
