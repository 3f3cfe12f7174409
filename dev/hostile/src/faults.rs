//! A storage that fails at one operation, or from one operation on.
use std::fs::{File, ReadDir, TryLockError};
use std::io;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{FileSystem, Storage};

/// How the names of files begin that are being written.
pub const TEMPORARY: &str = ".matchmark-";

/// The name of a file while it is being written.
pub fn temporary(name: &str) -> String {
    format!("{TEMPORARY}{name}.part")
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no room.
    Full,
    /// Half of the bytes are written; there is no room for the others.
    Short,
    /// The operation is not permitted.
    Denied,
    /// The device fails.
    Broken,
}

impl Fault {
    pub const ALL: [Self; 4] = [Self::Full, Self::Short, Self::Denied, Self::Broken];

    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Short => "short",
            Self::Denied => "denied",
            Self::Broken => "broken",
        }
    }

    /// The system's number for it: `ENOSPC`, `EACCES` or `EIO`.
    pub fn code(self) -> i32 {
        match self {
            Self::Full | Self::Short => 28,
            Self::Denied => 13,
            Self::Broken => 5,
        }
    }

    /// Only a write can be short.
    pub fn suits(self, step: &Step) -> bool {
        self != Self::Short || step.action == "write"
    }
}

/// An operation, as an error would name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub action: &'static str,
    /// What is read or written. A file under its temporary name has the name that it will have.
    pub path: Utf8PathBuf,
}

impl Step {
    pub fn file(&self) -> &str {
        self.path.file_name().unwrap_or_default()
    }
}

/// What fails when.
#[derive(Clone, Copy, Debug)]
pub struct Shot {
    /// The operation, counted from 0.
    pub at: usize,
    pub fault: Fault,
    /// Every later operation fails as well.
    pub stays: bool,
}

/// The file system, with a fault. Nothing is really synced: that shows only once the machine stops.
#[derive(Debug, Default)]
pub struct Faulty {
    shot: Option<Shot>,
    /// Bytes that a write takes at most.
    at_most: Option<usize>,
    steps: Mutex<Vec<Step>>,
}

impl Faulty {
    /// Without a shot it only keeps a record.
    pub fn new(shot: Option<Shot>) -> Self {
        Self {
            shot,
            ..Self::default()
        }
    }

    /// Never fails; each write takes so many bytes at most.
    pub fn slow(at_most: usize) -> Self {
        Self {
            at_most: Some(at_most),
            ..Self::default()
        }
    }

    /// The operations so far.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }

    /// Counts an operation; the fault that strikes it, if one does, and whether it is the first.
    fn struck(&self, action: &'static str, path: &Utf8Path) -> Option<(Fault, bool)> {
        let name = path.file_name().unwrap_or_default();
        let own = name.strip_prefix(TEMPORARY);
        let path = match own.and_then(|name| name.strip_suffix(".part")) {
            Some(own) if action == "create" => path.with_file_name(own),
            _ => path.to_owned(),
        };
        let mut steps = self.steps.lock().unwrap();
        let at = steps.len();
        steps.push(Step { action, path });
        let shot = self.shot.filter(|shot| at >= shot.at)?;
        // The write after a short one finds no room.
        let strikes =
            at == shot.at || shot.stays || (shot.fault == Fault::Short && at == shot.at + 1);
        strikes.then_some((shot.fault, at == shot.at))
    }

    fn step(&self, action: &'static str, path: &Utf8Path) -> io::Result<()> {
        match self.struck(action, path) {
            None => Ok(()),
            Some((fault, _)) => Err(io::Error::from_raw_os_error(fault.code())),
        }
    }
}

impl Storage for Faulty {
    fn create_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.step("create", path)?;
        FileSystem.create_directory(path)
    }

    fn create_directories(&self, path: &Utf8Path) -> io::Result<()> {
        self.step("create", path)?;
        FileSystem.create_directories(path)
    }

    fn lock(&self, path: &Utf8Path) -> Result<File, TryLockError> {
        self.step("lock", path).map_err(TryLockError::Error)?;
        FileSystem.lock(path)
    }

    fn create_file(&self, path: &Utf8Path) -> io::Result<File> {
        self.step("create", path)?;
        FileSystem.create_file(path)
    }

    fn write(&self, path: &Utf8Path, file: &File, bytes: &[u8]) -> io::Result<usize> {
        match self.struck("write", path) {
            None => {
                let len = self.at_most.unwrap_or(bytes.len()).min(bytes.len());
                FileSystem.write(path, file, &bytes[..len])
            }
            Some((Fault::Short, true)) => FileSystem.write(path, file, &bytes[..bytes.len() / 2]),
            Some((fault, _)) => Err(io::Error::from_raw_os_error(fault.code())),
        }
    }

    fn sync_file(&self, path: &Utf8Path, _file: &File) -> io::Result<()> {
        self.step("sync", path)
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.step("rename", to)?;
        FileSystem.rename(from, to)
    }

    fn sync_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.step("sync", path)
    }

    fn open(&self, path: &Utf8Path) -> io::Result<File> {
        self.step("read", path)?;
        FileSystem.open(path)
    }

    fn list(&self, path: &Utf8Path) -> io::Result<ReadDir> {
        self.step("list", path)?;
        FileSystem.list(path)
    }

    fn remove_file(&self, path: &Utf8Path) -> io::Result<()> {
        self.step("remove", path)?;
        FileSystem.remove_file(path)
    }

    fn remove_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.step("remove", path)?;
        FileSystem.remove_directory(path)
    }
}
