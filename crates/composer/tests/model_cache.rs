//! Committed models that are kept on disk: the same keys and chains, and no file that is used unchecked.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use common::model::{model, options, prompt};
use common::{names, place, prove, schedule, segment_bytes};
use matchmark_composer::{
    derive_key, rederive_key, ChainProveError, ChainProver, FileSystem, KeyOptions, KeygenError,
    ModelCache, ModelCacheError, ModelPlan, PlanError, Silent, Storage, LOCK_FILE,
};
use matchmark_prover::{model_outline, ExtensionError};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{ModelId, SecurityLevel};

/// The plan of [`common::model::plan`] for a model, by way of a cache.
fn plan(seed: u64, cache: &ModelCache) -> Result<ModelPlan, PlanError> {
    let model = model(seed);
    let prompt = prompt(&model);
    ModelPlan::with_cache(model, prompt, &options(3), Some(cache))
}

fn identity(seed: u64) -> ModelId {
    model_outline(&model(seed)).identity
}

/// The only file of a cache beside its lock.
fn only_file(cache: &ModelCache) -> Utf8PathBuf {
    let names = names(cache.directory());
    let [file, lock] = &names[..] else {
        panic!("{names:?}")
    };
    assert_eq!(lock, LOCK_FILE);
    cache.directory().join(file)
}

/// The error of a file that is refused, which has to name the file.
fn extension_error(error: PlanError, file: &Utf8Path) -> ExtensionError {
    let PlanError::ModelCache(ModelCacheError::Extension { path, source }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(path, file);
    *source
}

#[test]
fn chains_are_the_same_bytes() {
    let (_guard, path) = place();
    let cache = ModelCache::new(path.join("deep/models"));
    let chains = [0, 1, 2].map(|index| path.join(format!("chain {index}")));
    prove(&chains[0], common::model::plan(3));
    // The first time the file is made, the second time it is read.
    prove(&chains[1], plan(5, &cache).unwrap());
    let kept = fs::read(only_file(&cache)).unwrap();
    prove(&chains[2], plan(5, &cache).unwrap());
    assert_eq!(fs::read(only_file(&cache)).unwrap(), kept);
    let bytes = segment_bytes(&chains[0]);
    assert_eq!(bytes.len(), 3);
    assert_eq!(segment_bytes(&chains[1]), bytes);
    assert_eq!(segment_bytes(&chains[2]), bytes);

    // A chain that was begun is continued by way of it.
    fs::remove_file(common::segment_path(&chains[0], 1)).unwrap();
    let prover = ChainProver::resume_with_cache(&chains[0], Some(&cache)).unwrap();
    prover.with_schedule(schedule(1, 1)).run(&Silent).unwrap();
    assert_eq!(segment_bytes(&chains[0]), bytes);
    fs::write(only_file(&cache), &kept[1..]).unwrap();
    let refused = ChainProver::resume_with_cache(&chains[0], Some(&cache)).unwrap_err();
    let ChainProveError::Plan(error) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(extension_error(error, &only_file(&cache)).name(), "Magic");
}

#[test]
fn keys_are_the_same() {
    let (_guard, path) = place();
    let cache = ModelCache::new(&path);
    let (levels, steps) = ([SecurityLevel::Insecure13], SegmentSteps::new(4).unwrap());
    let mut options = KeyOptions::of_levels(&levels).unwrap();
    options.segment_steps = vec![steps];
    let quiet = |_: usize, _: usize| {};
    let derive = |cache| derive_key(&model(5), &options, cache, &mut { quiet }).unwrap();
    let expected = derive(None);
    assert_eq!(derive(Some(&cache)), expected);
    let file = only_file(&cache);
    assert_eq!(derive(Some(&cache)), expected);
    assert_eq!(
        rederive_key(&expected, &model(5), Some(&cache), &mut { quiet }).unwrap(),
        expected
    );

    // No key comes of a file that is not the model's.
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let refused = rederive_key(&expected, &model(5), Some(&cache), &mut { quiet }).unwrap_err();
    let KeygenError::Plan(error) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(extension_error(error, &file).name(), "OtherColumn");
}

#[test]
fn a_file_that_is_not_the_models_is_refused_and_stays() {
    let (_guard, path) = place();
    let cache = ModelCache::new(path.join("own"));
    let other = ModelCache::new(path.join("other"));
    plan(5, &cache).unwrap();
    plan(6, &other).unwrap();
    let (file, other) = (only_file(&cache), only_file(&other));
    assert_ne!(file.file_name(), other.file_name());
    let kept = fs::read(&file).unwrap();
    let other = fs::read(other).unwrap();
    // The header is shorter.
    let values = 4096;
    let flipped = |at: usize| {
        let mut bytes = kept.clone();
        bytes[at] ^= 4;
        bytes
    };
    let mixed = [&kept[..values], &other[values..]].concat();
    for (bytes, name) in [
        (other.clone(), "Model"),
        (mixed, "OtherColumn"),
        (flipped(0), "Magic"),
        (flipped(16), "Format"),
        (flipped(values), "OtherColumn"),
        (kept[..values].to_vec(), "Truncated"),
        (vec![], "Truncated"),
        ([&kept[..], &[0]].concat(), "TrailingBytes"),
    ] {
        fs::write(&file, &bytes).unwrap();
        let error = extension_error(plan(5, &cache).unwrap_err(), &file);
        assert_eq!(error.name(), name);
        if let ExtensionError::Model { expected, got } = error {
            assert_eq!((expected, got), (identity(5), identity(6)));
        }
        // It is for its owner to remove it.
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    fs::remove_file(&file).unwrap();
    plan(5, &cache).unwrap();
    assert_eq!(fs::read(&file).unwrap(), kept);
}

#[test]
fn one_process_writes_at_a_time() {
    let (_guard, path) = place();
    let cache = ModelCache::new(&path);
    fs::create_dir(&path).unwrap();
    let remains = path.join(".matchmark-killed.part");
    fs::write(&remains, b"half").unwrap();
    {
        let _lock = FileSystem.lock(&path.join(LOCK_FILE)).unwrap();
        plan(5, &cache).unwrap();
        assert_eq!(names(&path), [".matchmark-killed.part", LOCK_FILE]);
    }
    plan(5, &cache).unwrap();
    assert!(!remains.exists());
    assert!(only_file(&cache).as_str().ends_with(".trees"));
}
