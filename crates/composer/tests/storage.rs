//! A storage whose n-th operation fails, for every n; the hostile suite does it with every kind of fault.
//! A chain of a trace and one of a model, as both have copies of their own.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{File, ReadDir, TryLockError};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use common::{model, names, place, plan, prove, schedule, segment_bytes};
use matchmark_composer::{
    segments_directory, ChainProveError, ChainProver, ChainReadError, ChainWork, DirectoryError,
    FileSystem, ModelPlan, Silent, Storage,
};

/// What the failing operation says.
const CODE: i32 = 5;

/// Fails at one operation, and writes so many bytes at a time at most. It syncs nothing: no machine
/// stops here.
#[derive(Debug)]
struct FailsAt {
    at: usize,
    piece: usize,
    done: AtomicUsize,
}

impl FailsAt {
    fn new(at: usize, piece: usize) -> Arc<Self> {
        let done = AtomicUsize::new(0);
        Arc::new(Self { at, piece, done })
    }

    fn step(&self) -> io::Result<()> {
        match self.done.fetch_add(1, Ordering::SeqCst) {
            done if done == self.at => Err(io::Error::from_raw_os_error(CODE)),
            _ => Ok(()),
        }
    }
}

impl Storage for FailsAt {
    fn create_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.step().and_then(|()| FileSystem.create_directory(path))
    }

    fn create_directories(&self, path: &Utf8Path) -> io::Result<()> {
        self.step()
            .and_then(|()| FileSystem.create_directories(path))
    }

    fn lock(&self, path: &Utf8Path) -> Result<File, TryLockError> {
        self.step().map_err(TryLockError::Error)?;
        FileSystem.lock(path)
    }

    fn create_file(&self, path: &Utf8Path) -> io::Result<File> {
        self.step().and_then(|()| FileSystem.create_file(path))
    }

    fn write(&self, path: &Utf8Path, file: &File, bytes: &[u8]) -> io::Result<usize> {
        self.step()?;
        FileSystem.write(path, file, &bytes[..bytes.len().min(self.piece)])
    }

    fn sync_file(&self, _path: &Utf8Path, _file: &File) -> io::Result<()> {
        self.step()
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.step().and_then(|()| FileSystem.rename(from, to))
    }

    fn sync_directory(&self, _path: &Utf8Path) -> io::Result<()> {
        self.step()
    }

    fn open(&self, path: &Utf8Path) -> io::Result<File> {
        self.step().and_then(|()| FileSystem.open(path))
    }

    fn list(&self, path: &Utf8Path) -> io::Result<ReadDir> {
        self.step().and_then(|()| FileSystem.list(path))
    }

    fn remove_file(&self, path: &Utf8Path) -> io::Result<()> {
        self.step().and_then(|()| FileSystem.remove_file(path))
    }

    fn remove_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.step().and_then(|()| FileSystem.remove_directory(path))
    }
}

/// The number of the system, if the error says that an operation on a file failed.
fn code(error: &ChainProveError) -> Option<i32> {
    match error {
        ChainProveError::Directory(
            DirectoryError::Io { source, .. }
            | DirectoryError::Segments(ChainReadError::Io { source, .. }),
        ) => source.raw_os_error(),
        _ => None,
    }
}

/// Lets every operation of a prover fail once, and another prover end the chain.
fn every_operation_may_fail(work: &ChainWork, piece: usize, at_least: usize) {
    let (_guard, whole) = place();
    let expected = prove(&whole, work.clone());
    let begin = |storage: Arc<FailsAt>, path: &Utf8Path| {
        let prover = ChainProver::create_on(storage, path, work.clone())?;
        prover.with_schedule(schedule(1, 1)).run(&Silent)
    };
    let mut failed = 0;
    for at in 0.. {
        let (_guard, path) = place();
        let storage = FailsAt::new(at, piece);
        match begin(storage.clone(), &path) {
            Ok(report) => {
                assert_eq!(
                    storage.done.load(Ordering::SeqCst),
                    at,
                    "all have failed once"
                );
                assert_eq!(report.chain_digest, expected.chain_digest);
                break;
            }
            Err(error) => assert_eq!(code(&error), Some(CODE), "{at}: {error:?}"),
        }
        failed += 1;
        // A creation that fails leaves nothing; a segment that cannot be written leaves the others.
        let finished = segment_bytes(&path);
        assert!(segment_bytes(&whole).starts_with(&finished));
        let report = if path.join("chain.toml").exists() {
            let segments = names(&segments_directory(&path));
            assert_eq!(segments.len(), finished.len(), "{segments:?}");
            let prover = ChainProver::resume(&path).unwrap();
            prover.run(&Silent).unwrap()
        } else {
            // At most the lock is left.
            assert!(!path.exists() || names(&path) == ["lock"], "{at}");
            prove(&path, work.clone())
        };
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(report.parts_kept, finished.len() as u64);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
    }
    assert!(failed >= at_least, "{failed}");
}

#[test]
fn every_operation_on_a_chain_of_a_trace_may_fail() {
    every_operation_may_fail(&plan(1, 2).into(), 3000, 41);
}

/// Of two tokens, each a segment. The copy of the model is written in one piece.
#[test]
fn every_operation_on_a_chain_of_a_model_may_fail() {
    let mut options = model::options(1);
    options.tokens = 2;
    let plan = ModelPlan::new(model::model(5), vec![1], &options).unwrap();
    every_operation_may_fail(&plan.into(), usize::MAX, 20);
}

/// Writes down what is synced and named, and is interrupted before every other write. Another process may
/// make the chain's directory first.
#[derive(Debug, Default)]
struct Watched {
    another_is_faster: bool,
    writes: AtomicUsize,
    done: Mutex<Vec<Done>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Done {
    Made(Utf8PathBuf),
    Synced(Utf8PathBuf),
    Named(Utf8PathBuf),
    SyncedDirectory(Utf8PathBuf),
}

impl Watched {
    fn note(&self, done: Done) {
        self.done.lock().unwrap().push(done);
    }
}

impl Storage for Watched {
    fn create_directory(&self, path: &Utf8Path) -> io::Result<()> {
        FileSystem.create_directory(path)?;
        if self.another_is_faster {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.note(Done::Made(path.to_owned()));
        Ok(())
    }

    fn create_directories(&self, path: &Utf8Path) -> io::Result<()> {
        if !path.exists() {
            self.note(Done::Made(path.to_owned()));
        }
        FileSystem.create_directories(path)
    }

    fn write(&self, path: &Utf8Path, file: &File, bytes: &[u8]) -> io::Result<usize> {
        if self.writes.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        FileSystem.write(path, file, bytes)
    }

    fn sync_file(&self, path: &Utf8Path, _file: &File) -> io::Result<()> {
        self.note(Done::Synced(path.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
        self.note(Done::Named(to.to_owned()));
        FileSystem.rename(from, to)
    }

    fn sync_directory(&self, path: &Utf8Path) -> io::Result<()> {
        self.note(Done::SyncedDirectory(path.to_owned()));
        Ok(())
    }
}

/// What is written is on disk before it has its name, and the name is before anything else is done. An
/// interrupted write is tried again, and a directory that another process made is as good as an own one.
#[test]
fn what_has_a_name_is_on_disk() {
    let (_guard, whole) = place();
    let expected = prove(&whole, plan(1, 2));
    for another_is_faster in [false, true] {
        let (_guard, path) = place();
        let storage = Arc::new(Watched {
            another_is_faster,
            ..Watched::default()
        });
        let prover = ChainProver::create_on(storage.clone(), &path, plan(1, 2)).unwrap();
        let report = prover.with_schedule(schedule(1, 1)).run(&Silent).unwrap();
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
        let done = storage.done.lock().unwrap().clone();
        let mut named = 0;
        for (at, it) in done.iter().enumerate() {
            let synced = |path: &Utf8Path| Some(Done::SyncedDirectory(path.parent()?.to_owned()));
            match it {
                Done::Made(path) => assert_eq!(done.get(at + 1).cloned(), synced(path)),
                Done::Named(path) => {
                    named += 1;
                    assert_eq!(done[at - 1], Done::Synced(path.clone()));
                    assert_eq!(done.get(at + 1).cloned(), synced(path));
                }
                Done::Synced(_) | Done::SyncedDirectory(_) => {}
            }
        }
        assert!(done.contains(&Done::Made(segments_directory(&path))));
        assert_eq!(done.contains(&Done::Made(path)), !another_is_faster);
        // The trace, the manifest, the table, and three segments at the least.
        assert!(named >= 5, "{done:?}");
    }
}

/// Of what has nothing on a disk, the system says that it cannot be synced: so it is asked.
#[test]
#[cfg(target_os = "linux")]
fn the_system_is_asked_to_sync() {
    let path = Utf8Path::new("/dev/null");
    assert!(FileSystem.open(path).is_err());
    let file = std::fs::File::open(path).unwrap();
    assert!(FileSystem.sync_file(path, &file).is_err());
    assert!(FileSystem.sync_directory(path).is_err());
    let (guard, _) = place();
    let directory = Utf8Path::from_path(guard.path()).unwrap();
    FileSystem.sync_directory(directory).unwrap();
    let path = directory.join("file");
    let file = FileSystem.create_file(&path).unwrap();
    FileSystem.sync_file(&path, &file).unwrap();
}

/// Takes no byte, ten times over.
#[derive(Debug, Default)]
struct Full(AtomicUsize);

impl Storage for Full {
    fn write(&self, path: &Utf8Path, file: &File, bytes: &[u8]) -> io::Result<usize> {
        if self.0.fetch_add(1, Ordering::SeqCst) < 10 {
            return Ok(0);
        }
        FileSystem.write(path, file, bytes)
    }
}

#[test]
fn a_write_of_nothing_is_an_error() {
    let (_guard, path) = place();
    let error = ChainProver::create_on(Arc::<Full>::default(), &path, plan(1, 2)).unwrap_err();
    assert!(matches!(
        error,
        ChainProveError::Directory(DirectoryError::Io { action: "write", source, .. })
            if source.kind() == io::ErrorKind::WriteZero
    ));
}
