//! Weights in several files: every tensor in exactly the file that the index says.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::folder::Folder;
use matchmark_models::{FloatModel, ImportError};
use matchmark_runtime::TraceError;
use serde_json::{json, Map, Value};
use tempfile::TempDir;

const INDEX: &str = "model.safetensors.index.json";
const FILES: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];

/// Which of both files has a tensor.
fn place(tensor: &str) -> usize {
    usize::from(tensor > "model.layers.0.m")
}

fn index() -> Value {
    let names = Folder::new().tensors.into_keys();
    let map: Map<String, Value> = names
        .map(|name| (name.clone(), json!(FILES[place(&name)])))
        .collect();
    json!({"metadata": {"total_size": 1}, "weight_map": map})
}

/// The tiny folder with its weights in two files.
fn folder() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let (folder, path) = (Folder::new(), directory.path());
    folder.write(path);
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    for (number, file) in FILES.iter().enumerate() {
        let weights = folder.some_weights(|name| place(name) == number);
        std::fs::write(path.join(file), weights).unwrap();
    }
    write(path, &index());
    directory
}

fn write(folder: &Path, index: &Value) {
    std::fs::write(folder.join(INDEX), index.to_string()).unwrap();
}

/// The folder with another index.
fn with_index(change: impl Fn(&mut Value)) -> ImportError {
    let folder = folder();
    let mut index = index();
    change(&mut index);
    write(folder.path(), &index);
    FloatModel::read(folder.path()).unwrap_err()
}

#[test]
fn two_files_are_the_model_of_one() {
    let folder = folder();
    let one = Folder::new().read().unwrap();
    assert_eq!(FloatModel::read(folder.path()).unwrap(), one);
    assert_eq!(FloatModel::weight_files(folder.path()).unwrap(), FILES);
    // From memory, too.
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    assert_eq!(FloatModel::from_files(&files.collect()).unwrap(), one);
}

#[test]
fn every_tensor_in_exactly_its_file() {
    // In the other file; in one that the index does not name; in none.
    let error = with_index(|index| index["weight_map"]["lm_head.weight"] = json!(FILES[1]));
    assert!(matches!(
        &error,
        ImportError::UnexpectedInShard { tensor, shard, expected: Some(expected) }
            if tensor == "lm_head.weight" && shard == FILES[0] && expected == FILES[1]
    ));
    assert!(error
        .to_string()
        .contains("places into model-00002-of-00002"));
    let error = with_index(|index| {
        index["weight_map"]
            .as_object_mut()
            .unwrap()
            .remove("model.norm.weight");
    });
    assert!(matches!(
        &error,
        ImportError::UnexpectedInShard { tensor, expected: None, .. } if tensor == "model.norm.weight"
    ));
    assert!(error.to_string().contains("does not name"));
    let error = with_index(|index| index["weight_map"]["model.more.weight"] = json!(FILES[1]));
    assert!(matches!(
        error,
        ImportError::MissingInShard { tensor, shard }
            if tensor == "model.more.weight" && shard == FILES[1]
    ));
    // A tensor in both files is in one where it does not belong.
    let twice = folder();
    let both = Folder::new().some_weights(|name| place(name) == 1 || name == "lm_head.weight");
    std::fs::write(twice.path().join(FILES[1]), both).unwrap();
    assert!(matches!(
        FloatModel::read(twice.path()),
        Err(ImportError::UnexpectedInShard { tensor, shard, .. })
            if tensor == "lm_head.weight" && shard == FILES[1]
    ));
    // What the model lacks, and what it does not have, is said as with one file.
    let mut extended = Folder::new();
    let norm = extended.tensors["model.norm.weight"].clone();
    extended
        .tensors
        .insert("model.more.weight".to_owned(), norm);
    let folder = folder();
    let weights = extended.some_weights(|name| place(name) == 1);
    std::fs::write(folder.path().join(FILES[1]), weights).unwrap();
    let mut index = index();
    index["weight_map"]["model.more.weight"] = json!(FILES[1]);
    write(folder.path(), &index);
    assert!(matches!(
        FloatModel::read(folder.path()),
        Err(ImportError::UnknownTensor { tensor }) if tensor == "model.more.weight"
    ));
}

#[test]
fn no_file_outside_of_the_folder() {
    for name in [
        "../model-00001-of-00002.safetensors",
        "/model-00001-of-00002.safetensors",
        "sub/model-00001-of-00002.safetensors",
        "..\\model.safetensors",
        "config.json",
        "",
    ] {
        let error = with_index(|index| index["weight_map"]["lm_head.weight"] = json!(name));
        assert!(matches!(
            error,
            ImportError::ShardName { tensor, .. } if tensor == "lm_head.weight"
        ));
    }
    let error = with_index(|index| index["weight_map"]["lm_head.weight"] = json!(1));
    assert!(matches!(error, ImportError::ShardName { got, .. } if got == "1"));
}

#[test]
fn indexes_and_files_that_are_none() {
    for index in [
        json!({}),
        json!({"weight_map": []}),
        json!({"weight_map": {}}),
        json!(1),
    ] {
        let error = with_index(|it| *it = index.clone());
        assert!(
            matches!(error, ImportError::Json { file: INDEX, .. }),
            "{index}: {error}"
        );
    }
    let duplicate = folder();
    let text = format!(r#"{{"weight_map":{{"a":"{0}","a":"{0}"}}}}"#, FILES[0]);
    std::fs::write(duplicate.path().join(INDEX), text).unwrap();
    assert!(matches!(
        FloatModel::read(duplicate.path()),
        Err(ImportError::DuplicateEntry { file: INDEX, entry }) if entry == "weight_map.a"
    ));
    let pointer = folder();
    let text = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    std::fs::write(pointer.path().join(FILES[1]), text).unwrap();
    assert!(matches!(
        FloatModel::read(pointer.path()),
        Err(ImportError::Container { file, source: TraceError::GitLfsPointer(_) })
            if file == FILES[1]
    ));
    std::fs::write(pointer.path().join(INDEX), text).unwrap();
    assert!(matches!(
        FloatModel::read(pointer.path()),
        Err(ImportError::GitLfsPointer { file: INDEX, .. })
    ));
    let missing = folder();
    std::fs::remove_file(missing.path().join(FILES[1])).unwrap();
    assert!(matches!(
        FloatModel::read(missing.path()),
        Err(ImportError::Container { file, source: TraceError::Io { .. } }) if file == FILES[1]
    ));
    // Which of both is the model is not said anywhere.
    let both = folder();
    std::fs::write(
        both.path().join("model.safetensors"),
        Folder::new().weights(),
    )
    .unwrap();
    let error = FloatModel::read(both.path()).unwrap_err();
    assert!(matches!(error, ImportError::TwoWeights), "{error}");
}
