//! The chain directory on the proving side: creation, lock, and writing of segments.
//!
//! The manifest is written first, then the copies of the inputs, then segments as they finish. Every
//! file is written under a temporary name, synced and renamed, so that a file that has its name is
//! whole. A creation that was interrupted before the copies were there is finished by creating the
//! same chain again; a creation that fails leaves nothing behind.

use std::fs::{self, File, TryLockError};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_model::IntegerModel;
use matchmark_runtime::{write_file_atomically, AttentionTrace};
use matchmark_tables::WeightTable;

use crate::error::ChainReadError;
use crate::layout::{
    segment_file_name, segments_directory, LOCK_FILE, MANIFEST_FILE, MODEL_FILE,
    SEGMENTS_DIRECTORY, TABLE_FILE, TEMPORARY_PREFIX, TRACE_FILE,
};
use crate::proving::error::{ChainProveError, DirectoryError};
use crate::proving::manifest::{
    ChainInputs, ChainManifest, FileDigest, ManifestDifference, ManifestError,
};
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;
use crate::proving::work::{ChainWork, PlanFiles};
use crate::reader::{read_bounded, scan};

/// Longest manifest, and longest table file, that is read.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// A chain directory, locked for proving until it is dropped.
#[derive(Debug)]
pub(crate) struct ChainDirectory {
    path: Utf8PathBuf,
    _lock: File,
}

/// What stands where a chain is to be created.
enum Existing {
    /// Nothing, not even a directory.
    Absent,
    /// A directory in which nothing was begun.
    Empty,
    /// This chain, but without the copies of its inputs.
    Incomplete,
}

impl ChainDirectory {
    /// Creates the directory of a chain, with manifest and copies of the inputs, and locks it.
    pub(crate) fn create(path: &Utf8Path, files: &PlanFiles) -> Result<Self, DirectoryError> {
        let created = match examine(path, files)? {
            Existing::Absent => {
                create_directory(path)?;
                true
            }
            Existing::Empty | Existing::Incomplete => false,
        };
        let mut undo = Undo {
            path,
            created,
            lock: None,
            done: false,
        };
        let lock = lock(path)?;
        // Whoever was here before the lock was ours has left, perhaps with a chain.
        examine(path, files)?;
        let lock = undo.lock.insert(lock).try_clone();
        let lock = lock.map_err(|source| io_error("lock", path, source))?;
        remove_temporaries(path)?;
        let manifest = files
            .manifest
            .to_toml()
            .map_err(|reason| DirectoryError::Unwritable { reason })?;
        write(&path.join(MANIFEST_FILE), manifest.as_bytes())?;
        for (name, content) in &files.copies {
            write(&path.join(name), content)?;
        }
        create_segments_directory(path)?;
        undo.done = true;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Locks the directory of a chain that was begun, and reads its plan.
    pub(crate) fn resume(path: &Utf8Path) -> Result<(Self, ChainWork), ChainProveError> {
        if !exists(&path.join(MANIFEST_FILE))? {
            return Err(DirectoryError::NoChain {
                path: path.to_owned(),
            }
            .into());
        }
        let lock = lock(path)?;
        let plan = read_work(path)?;
        let segments = segments_directory(path);
        create_segments_directory(path)?;
        // What a process left behind that was killed while it wrote.
        remove_temporaries(path)?;
        remove_temporaries(&segments)?;
        let expected = plan.segment_count();
        let mut outside = None;
        scan(&segments, |index| {
            if index >= expected {
                outside = Some(index);
            }
        })
        .map_err(DirectoryError::from)?;
        if let Some(got) = outside {
            return Err(DirectoryError::SegmentOutside {
                path: segments.join(segment_file_name(got)),
                expected,
                got,
            }
            .into());
        }
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        Ok((directory, plan))
    }

    /// Path of a segment's file.
    pub(crate) fn segment_path(&self, index: u64) -> Utf8PathBuf {
        segments_directory(&self.path).join(segment_file_name(index))
    }

    /// The bytes of a segment's file, if there is one.
    pub(crate) fn read_segment(
        &self,
        index: u64,
        max_bytes: u64,
    ) -> Result<Option<Vec<u8>>, DirectoryError> {
        match read_bounded(&self.segment_path(index), max_bytes) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ChainReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a segment's file.
    pub(crate) fn write_segment(&self, index: u64, bytes: &[u8]) -> Result<(), DirectoryError> {
        write(&self.segment_path(index), bytes)
    }
}

/// Reads manifest and copies, and makes the plan of them.
pub(crate) fn read_work(path: &Utf8Path) -> Result<ChainWork, ChainProveError> {
    let manifest = read_manifest(path)?.ok_or_else(|| DirectoryError::NoChain {
        path: path.to_owned(),
    })?;
    let plan: ChainWork = match &manifest.inputs {
        ChainInputs::Trace {
            trace_sha256,
            table_sha256,
        } => {
            let trace = read_trace(&path.join(TRACE_FILE), *trace_sha256)?;
            let table = read_table(&path.join(TABLE_FILE), *table_sha256)?;
            let boundaries = manifest.boundaries.clone();
            ChainPlan::from_terms(trace, table, &manifest.terms, boundaries)?.into()
        }
        ChainInputs::Model {
            model_sha256,
            prompt,
        } => {
            let model = read_model(&path.join(MODEL_FILE), *model_sha256)?;
            ModelPlan::from_manifest(model, prompt, &manifest)?.into()
        }
    };
    // The plan follows from the inputs. Where it is not what the manifest says, another version of
    // the relation, or a hand, wrote the manifest.
    if let Some(ManifestDifference {
        field,
        expected,
        got,
    }) = plan.files()?.manifest.first_difference(&manifest)
    {
        return Err(DirectoryError::OtherProgram {
            path: path.join(MANIFEST_FILE),
            field,
            expected,
            got,
        }
        .into());
    }
    Ok(plan)
}

fn read_trace(path: &Utf8Path, digest: FileDigest) -> Result<AttentionTrace, DirectoryError> {
    check_digest(path, digest, &read(path, u64::MAX)?)?;
    AttentionTrace::load(path).map_err(|source| DirectoryError::Trace {
        path: path.to_owned(),
        source,
    })
}

fn read_table(path: &Utf8Path, digest: FileDigest) -> Result<WeightTable, DirectoryError> {
    let table = read(path, MAX_TEXT_BYTES)?;
    check_digest(path, digest, &table)?;
    WeightTable::parse(&String::from_utf8_lossy(&table)).map_err(|source| DirectoryError::Table {
        path: path.to_owned(),
        source,
    })
}

fn read_model(path: &Utf8Path, digest: FileDigest) -> Result<IntegerModel, DirectoryError> {
    let model = read(path, u64::MAX)?;
    check_digest(path, digest, &model)?;
    IntegerModel::from_bytes(&model).map_err(|source| DirectoryError::Model {
        path: path.to_owned(),
        source,
    })
}

fn check_digest(path: &Utf8Path, expected: FileDigest, bytes: &[u8]) -> Result<(), DirectoryError> {
    let got = FileDigest::of(bytes);
    if expected != got {
        return Err(DirectoryError::InputChanged {
            path: path.to_owned(),
            expected,
            got,
        });
    }
    Ok(())
}

fn read_manifest(chain: &Utf8Path) -> Result<Option<ChainManifest>, DirectoryError> {
    let path = chain.join(MANIFEST_FILE);
    if !exists(&path)? {
        return Ok(None);
    }
    let bytes = read(&path, MAX_TEXT_BYTES)?;
    match ChainManifest::from_toml(&String::from_utf8_lossy(&bytes)) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(ManifestError::Format(got)) => Err(DirectoryError::Format {
            path,
            expected: ChainManifest::FORMAT,
            got,
        }),
        Err(ManifestError::Text(reason)) => Err(DirectoryError::Manifest { path, reason }),
    }
}

/// Whether a chain can be created here: nothing is changed.
fn examine(path: &Utf8Path, files: &PlanFiles) -> Result<Existing, DirectoryError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::Absent),
        Err(source) => return Err(io_error("list", path, source)),
    };
    if let Some(there) = read_manifest(path)? {
        if let Some(ManifestDifference {
            field,
            expected,
            got,
        }) = files.manifest.first_difference(&there)
        {
            return Err(DirectoryError::OtherChain {
                path: path.to_owned(),
                field,
                expected,
                got,
            });
        }
        let mut whole = exists(&segments_directory(path))?;
        for (name, _) in &files.copies {
            whole &= exists(&path.join(name))?;
        }
        if whole {
            return Err(DirectoryError::AlreadyBegun {
                path: path.to_owned(),
            });
        }
        return Ok(Existing::Incomplete);
    }
    for entry in entries {
        let entry = entry.map_err(|source| io_error("list", path, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != LOCK_FILE && !name.starts_with(TEMPORARY_PREFIX) {
            return Err(DirectoryError::NotAChain {
                path: path.to_owned(),
                got: name,
            });
        }
    }
    Ok(Existing::Empty)
}

fn lock(chain: &Utf8Path) -> Result<File, DirectoryError> {
    let path = chain.join(LOCK_FILE);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| io_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DirectoryError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path, source)),
    }
}

/// Removes what a failed creation has written.
struct Undo<'a> {
    path: &'a Utf8Path,
    /// Whether the directory itself was made.
    created: bool,
    /// The lock, once it is held and the directory was seen to be free: all files in it are our own.
    /// It is given up after they are removed.
    lock: Option<File>,
    done: bool,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Errors on top of the error that is being reported are not reported.
        if self.lock.is_some() {
            for name in [MANIFEST_FILE, TRACE_FILE, TABLE_FILE, MODEL_FILE, LOCK_FILE] {
                let _ = fs::remove_file(self.path.join(name));
            }
            let _ = fs::remove_dir(self.path.join(SEGMENTS_DIRECTORY));
        }
        if self.created {
            // Only if it is empty: what another process has put there stays.
            let _ = fs::remove_dir(self.path);
        }
    }
}

fn create_directory(path: &Utf8Path) -> Result<(), DirectoryError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_str().is_empty() => parent,
        _ => Utf8Path::new("."),
    };
    fs::create_dir_all(parent).map_err(|source| io_error("create", parent, source))?;
    match fs::create_dir(path) {
        Ok(()) => sync_directory(parent),
        // Another process was faster; the lock decides.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(io_error("create", path, source)),
    }
}

fn create_segments_directory(chain: &Utf8Path) -> Result<(), DirectoryError> {
    let path = segments_directory(chain);
    fs::create_dir_all(&path).map_err(|source| io_error("create", &path, source))?;
    sync_directory(chain)
}

fn remove_temporaries(directory: &Utf8Path) -> Result<(), DirectoryError> {
    let entries = fs::read_dir(directory).map_err(|source| io_error("list", directory, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| io_error("list", directory, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(TEMPORARY_PREFIX) {
            let path = directory.join(name);
            fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
        }
    }
    Ok(())
}

/// A rename or a new directory is on disk once the directory that holds it is.
fn sync_directory(path: &Utf8Path) -> Result<(), DirectoryError> {
    if cfg!(unix) {
        File::open(path)
            .and_then(|directory| directory.sync_all())
            .map_err(|source| io_error("sync", path, source))?;
    }
    Ok(())
}

fn exists(path: &Utf8Path) -> Result<bool, DirectoryError> {
    path.try_exists()
        .map_err(|source| io_error("read", path, source))
}

fn read(path: &Utf8Path, max_bytes: u64) -> Result<Vec<u8>, DirectoryError> {
    Ok(read_bounded(path, max_bytes)?)
}

fn write(path: &Utf8Path, bytes: &[u8]) -> Result<(), DirectoryError> {
    write_file_atomically(path.as_std_path(), bytes)
        .map_err(|source| io_error("write", path, source))
}

fn io_error(action: &'static str, path: &Utf8Path, source: io::Error) -> DirectoryError {
    DirectoryError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
