//! A storage whose n-th operation fails, for every n; the hostile suite does it with every kind of fault.
//! A chain of a trace and one of a model, as both have copies of their own.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs::{File, ReadDir, TryLockError};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use camino::Utf8Path;
use common::{model, names, place, plan, prove, schedule, segment_bytes};
use matchmark_composer::{
    segments_directory, ChainProveError, ChainProver, ChainReadError, ChainWork, DirectoryError,
    FileSystem, ModelCache, ModelCacheError, ModelPlan, PlanError, Silent, Storage,
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
        assert_eq!(report.segments_kept, finished.len() as u64);
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

/// The plan of a model by way of a cache.
fn plan_with(cache: &ModelCache) -> Result<ModelPlan, PlanError> {
    let model = model::model(5);
    ModelPlan::with_cache(model, vec![1], &model::options(1), Some(cache))
}

/// Every operation on a cache may fail, but for most of the writes, which are many and alike: then nothing
/// is kept, or all of it, and the next one can use what there is.
#[test]
fn every_operation_on_a_cache_may_fail() {
    let (_guard, whole) = place();
    let storage = FailsAt::new(usize::MAX, usize::MAX);
    plan_with(&ModelCache::on(storage.clone(), &whole)).unwrap();
    let operations = storage.done.load(Ordering::SeqCst);
    let files = names(&whole);
    let [file, lock] = &files[..] else {
        panic!("{files:?}")
    };
    assert!(file.ends_with(".trees") && lock == "lock", "{files:?}");
    let expected = std::fs::read(whole.join(file)).unwrap();
    for at in (0..9).chain(operations - 5..operations) {
        let (_guard, path) = place();
        let error = plan_with(&ModelCache::on(FailsAt::new(at, usize::MAX), &path)).unwrap_err();
        let PlanError::ModelCache(ModelCacheError::Directory(error)) = error else {
            panic!("{at}: {error:?}")
        };
        assert_eq!(code(&(*error).into()), Some(CODE), "{at}");
        if path.exists() {
            for name in names(&path) {
                if name != "lock" {
                    assert_eq!(&name, file, "{at}");
                    assert!(std::fs::read(path.join(name)).unwrap() == expected, "{at}");
                }
            }
        }
        plan_with(&ModelCache::new(&path)).unwrap();
        assert_eq!(names(&path), files, "{at}");
        assert!(std::fs::read(path.join(file)).unwrap() == expected, "{at}");
    }
    // What is there is read by one operation, and nothing is written.
    let storage = FailsAt::new(1, usize::MAX);
    plan_with(&ModelCache::on(storage.clone(), &whole)).unwrap();
    assert_eq!(storage.done.load(Ordering::SeqCst), 1);
    // A system that takes few bytes at a time.
    let (_guard, path) = place();
    plan_with(&ModelCache::on(FailsAt::new(usize::MAX, 3000), &path)).unwrap();
    assert!(std::fs::read(path.join(file)).unwrap() == expected);
}
