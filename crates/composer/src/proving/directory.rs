//! The chain directory on the proving side: creation, lock, and writing of segments.
//!
//! The manifest is written first, then the copies of the inputs, then segments as they finish. Every
//! file is written under a temporary name, synced and renamed, so that a file that has its name is
//! whole. A creation that was interrupted before the copies were there is finished by creating the
//! same chain again; a creation that fails leaves nothing behind.

use std::fs::File;
use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_models::IntegerModel;
use matchmark_runtime::AttentionTrace;
use matchmark_statement::AcceptancePolicy;
use matchmark_tables::WeightTable;

use crate::error::ChainReadError;
use crate::layout::{
    segment_file_name, segments_directory, LOCK_FILE, MANIFEST_FILE, MODEL_FILE,
    SEGMENTS_DIRECTORY, TABLE_FILE, TEMPORARY_PREFIX, TRACE_FILE,
};
use crate::proving::disk::{exists, io_error, Disk};
use crate::proving::error::{ChainProveError, DirectoryError};
use crate::proving::manifest::{
    ChainInputs, ChainManifest, FileDigest, ManifestDifference, ManifestError, PlanFiles,
};
use crate::proving::memory::Resources;
use crate::proving::memory_check::check_begun;
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;
use crate::proving::storage::{FileSystem, Storage};
use crate::proving::work::ChainWork;
use crate::reader::{read_opened, scan_listed};

/// Longest manifest, and longest table file, that is read.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// A chain directory, locked for proving until it is dropped.
#[derive(Debug)]
pub(crate) struct ChainDirectory {
    path: Utf8PathBuf,
    storage: Arc<dyn Storage>,
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
    pub(crate) fn create(
        storage: Arc<dyn Storage>,
        path: &Utf8Path,
        work: &ChainWork,
    ) -> Result<Self, DirectoryError> {
        let files = files(path, work)?;
        let disk = Disk(&*storage);
        let created = match examine(disk, path, &files)? {
            Existing::Absent => {
                disk.create_directory(path)?;
                true
            }
            Existing::Empty | Existing::Incomplete => false,
        };
        let mut undo = Undo {
            disk,
            path,
            created,
            lock: None,
            done: false,
        };
        let lock = disk.lock(path)?;
        // Whoever was here before the lock was ours has left, perhaps with a chain.
        examine(disk, path, &files)?;
        let lock = undo.lock.insert(lock).try_clone();
        let lock = lock.map_err(|source| io_error("lock", path, source))?;
        disk.remove_temporaries(path)?;
        let manifest_path = path.join(MANIFEST_FILE);
        let manifest = match files.manifest.to_toml() {
            Ok(manifest) => manifest,
            Err(reason) => {
                return Err(DirectoryError::Manifest {
                    path: manifest_path,
                    reason,
                })
            }
        };
        disk.write(&manifest_path, manifest.as_bytes())?;
        for (name, content) in &files.copies {
            disk.write(&path.join(name), content)?;
        }
        disk.create_segments_directory(path)?;
        undo.done = true;
        drop(undo);
        Ok(Self {
            path: path.to_owned(),
            storage,
            _lock: lock,
        })
    }

    /// Locks the directory of a chain that was begun, and reads its plan.
    pub(crate) fn resume(
        storage: Arc<dyn Storage>,
        path: &Utf8Path,
        resources: &Resources,
    ) -> Result<(Self, ChainWork), ChainProveError> {
        if !exists(&path.join(MANIFEST_FILE))? {
            return Err(DirectoryError::NoChain {
                path: path.to_owned(),
            }
            .into());
        }
        let disk = Disk(&*storage);
        let lock = disk.lock(path)?;
        let plan = read_work(disk.0, path, Some(resources))?;
        let segments = segments_directory(path);
        disk.create_segments_directory(path)?;
        // What a process left behind that was killed while it wrote.
        disk.remove_temporaries(path)?;
        disk.remove_temporaries(&segments)?;
        let directory = Self {
            path: path.to_owned(),
            storage,
            _lock: lock,
        };
        // At most; the answer may end before.
        directory.check_segments(plan.part_count())?;
        Ok((directory, plan))
    }

    /// That there is no segment file behind the last of so many segments.
    pub(crate) fn check_segments(&self, expected: u64) -> Result<(), DirectoryError> {
        let segments = segments_directory(&self.path);
        let mut outside = None;
        scan_listed(&segments, self.storage.list(&segments), |index| {
            if index >= expected {
                outside = Some(index);
            }
        })?;
        match outside {
            None => Ok(()),
            Some(got) => Err(DirectoryError::SegmentOutside {
                path: segments.join(segment_file_name(got)),
                expected,
                got,
            }),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Utf8Path {
        &self.path
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
        let path = self.segment_path(index);
        match read_opened(&path, self.storage.open(&path), max_bytes) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ChainReadError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Digest of the manifest.
    pub(crate) fn manifest_digest(&self) -> Result<FileDigest, DirectoryError> {
        let path = self.path.join(MANIFEST_FILE);
        let bytes = read_opened(&path, self.storage.open(&path), MAX_TEXT_BYTES)?;
        Ok(FileDigest::of(&bytes))
    }

    /// Writes a segment's file.
    pub(crate) fn write_segment(&self, index: u64, bytes: &[u8]) -> Result<(), DirectoryError> {
        Disk(&*self.storage).write(&self.segment_path(index), bytes)
    }
}

impl ChainWork {
    /// The work of a chain directory, from its manifest and the copies of its inputs. Segment files
    /// play no part in it.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Directory`] if the manifest or a copy is missing, changed or malformed;
    /// [`ChainProveError::Plan`] if they make no chain.
    pub fn open(chain: &Utf8Path) -> Result<Self, ChainProveError> {
        read_work(&FileSystem, chain, None)
    }
}

/// The policy that would accept the chain of a directory, computed anew from the copies of its inputs
/// and from the terms in its manifest. The segment files, finished or not, play no part in it.
///
/// # Errors
///
/// Those of [`ChainWork::open`].
pub fn policy_for(chain: &Utf8Path) -> Result<AcceptancePolicy, ChainProveError> {
    Ok(ChainWork::open(chain)?.policy()?)
}

/// Reads manifest and copies, and makes the plan of them; a model is committed. Where something is to be
/// proven, with these resources, memory is looked at before.
fn read_work(
    storage: &dyn Storage,
    path: &Utf8Path,
    resources: Option<&Resources>,
) -> Result<ChainWork, ChainProveError> {
    let disk = Disk(storage);
    let manifest = read_manifest(disk, path)?.ok_or_else(|| DirectoryError::NoChain {
        path: path.to_owned(),
    })?;
    let plan: ChainWork = match &manifest.inputs {
        ChainInputs::Trace {
            trace_sha256,
            table_sha256,
        } => {
            let trace = read_trace(disk, path.join(TRACE_FILE), *trace_sha256)?;
            let table = read_table(disk, path.join(TABLE_FILE), *table_sha256)?;
            let cuts = manifest.cuts.clone();
            ChainPlan::from_terms(trace, table, &manifest.terms, cuts)?.into()
        }
        ChainInputs::Model {
            model_sha256,
            prompt,
        } => {
            let model = read_model(disk, path.join(MODEL_FILE), *model_sha256)?;
            let held = match resources {
                Some(resources) => check_begun(&model, &manifest, resources)?,
                None => usize::MAX,
            };
            ModelPlan::from_manifest(model, prompt, &manifest, held)?.into()
        }
    };
    // The plan follows from the inputs. Where it is not what the manifest says, another version of
    // the relation, or a hand, wrote the manifest.
    if let Some(ManifestDifference {
        field,
        expected,
        got,
    }) = files(path, &plan)?.manifest.first_difference(&manifest)
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

fn read_trace(
    disk: Disk<'_>,
    path: Utf8PathBuf,
    digest: FileDigest,
) -> Result<AttentionTrace, DirectoryError> {
    let trace = disk.read(&path, u64::MAX)?;
    check_digest(&path, digest, &trace)?;
    // The bytes that were compared, and not the file once more.
    AttentionTrace::decode(trace).map_err(|source| DirectoryError::Trace { path, source })
}

fn read_table(
    disk: Disk<'_>,
    path: Utf8PathBuf,
    digest: FileDigest,
) -> Result<WeightTable, DirectoryError> {
    let table = disk.read(&path, MAX_TEXT_BYTES)?;
    check_digest(&path, digest, &table)?;
    WeightTable::parse(&String::from_utf8_lossy(&table))
        .map_err(|source| DirectoryError::Table { path, source })
}

fn read_model(
    disk: Disk<'_>,
    path: Utf8PathBuf,
    digest: FileDigest,
) -> Result<IntegerModel, DirectoryError> {
    let model = disk.read(&path, u64::MAX)?;
    check_digest(&path, digest, &model)?;
    IntegerModel::from_bytes(&model).map_err(|source| DirectoryError::Model { path, source })
}

/// The manifest of what is to be proven, and the contents of the copies.
fn files(chain: &Utf8Path, work: &ChainWork) -> Result<PlanFiles, DirectoryError> {
    work.files().map_err(|source| DirectoryError::Trace {
        path: chain.join(TRACE_FILE),
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

fn read_manifest(
    disk: Disk<'_>,
    chain: &Utf8Path,
) -> Result<Option<ChainManifest>, DirectoryError> {
    let path = chain.join(MANIFEST_FILE);
    if !exists(&path)? {
        return Ok(None);
    }
    let bytes = disk.read(&path, MAX_TEXT_BYTES)?;
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
fn examine(disk: Disk<'_>, path: &Utf8Path, files: &PlanFiles) -> Result<Existing, DirectoryError> {
    let entries = match disk.0.list(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Existing::Absent),
        Err(source) => return Err(io_error("list", path, source)),
    };
    if let Some(there) = read_manifest(disk, path)? {
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

/// Removes what a failed creation has written.
struct Undo<'a> {
    disk: Disk<'a>,
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
                let _ = self.disk.0.remove_file(&self.path.join(name));
            }
            let segments = self.path.join(SEGMENTS_DIRECTORY);
            let _ = self.disk.0.remove_directory(&segments);
        }
        if self.created {
            // Only if it is empty: what another process has put there stays.
            let _ = self.disk.0.remove_directory(self.path);
        }
    }
}
