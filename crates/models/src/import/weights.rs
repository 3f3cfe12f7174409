//! The weights' files: `model.safetensors`, or several files and the index that says which tensor is in
//! which.

use std::collections::{BTreeMap, BTreeSet};

use matchmark_runtime::TensorFile;
use serde_json::Value;

use super::folder::Folder;
use super::{json, ImportError, Tensors, INDEX, WEIGHTS};

/// How the name of every file of tensors ends.
const EXTENSION: &str = ".safetensors";

/// All tensors, and the names of those that were not taken yet.
pub(super) struct Weights {
    files: Vec<TensorFile>,
    /// The file of each tensor.
    places: BTreeMap<String, usize>,
}

impl Weights {
    /// Reads the weights' file, or all files of the index.
    pub(super) fn read(folder: Folder<'_>) -> Result<Self, ImportError> {
        let Some(index) = index(folder)? else {
            let file = folder.tensors(WEIGHTS)?;
            let names = file.tensors().map(|tensor| (tensor.name.to_owned(), 0));
            return Ok(Self {
                places: names.collect(),
                files: vec![file],
            });
        };
        let names: BTreeSet<&String> = index.values().collect();
        let mut files = Vec::with_capacity(names.len());
        let mut places = BTreeMap::new();
        for (number, name) in names.into_iter().enumerate() {
            let file = folder.tensors(name)?;
            check_shard(&index, name, &file)?;
            // A name is in one file alone: that which the index names.
            places.extend(file.tensors().map(|it| (it.name.to_owned(), number)));
            files.push(file);
        }
        Ok(Self { files, places })
    }
}

impl Tensors for Weights {
    fn take(&mut self, name: &str, dimensions: &[usize]) -> Result<Vec<f32>, ImportError> {
        let place = self.places.remove(name);
        let view = place.and_then(|number| self.files[number].get(name));
        let view = view.ok_or_else(|| ImportError::MissingTensor {
            tensor: name.to_owned(),
        })?;
        if view.shape != dimensions {
            return Err(ImportError::WrongShape {
                tensor: name.to_owned(),
                expected: dimensions.to_vec(),
                got: view.shape.to_vec(),
            });
        }
        view.floats().map_err(|reason| ImportError::Floats {
            tensor: name.to_owned(),
            reason,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    fn finish(self, passed_over: &[&str]) -> Result<(), ImportError> {
        let mut left = self.places.into_keys();
        let counts = |name: &String| !passed_over.iter().any(|end| name.ends_with(end));
        match left.find(counts) {
            None => Ok(()),
            Some(tensor) => Err(unknown(WEIGHTS, tensor)),
        }
    }
}

/// Why a tensor that the model does not have is refused.
pub(super) fn unknown(file: &'static str, tensor: String) -> ImportError {
    if tensor.ends_with(".bias") {
        return ImportError::Unsupported {
            file,
            feature: format!("a bias, tensor {tensor:?},"),
        };
    }
    ImportError::UnknownTensor { tensor }
}

/// Names of the files of the weights.
pub(super) fn file_names(folder: Folder<'_>) -> Result<Vec<String>, ImportError> {
    let Some(index) = index(folder)? else {
        return Ok(vec![WEIGHTS.to_owned()]);
    };
    let names: BTreeSet<String> = index.into_values().collect();
    Ok(names.into_iter().collect())
}

/// The file of each tensor by the index; `None` for a folder with one file of weights and no index.
fn index(folder: Folder<'_>) -> Result<Option<BTreeMap<String, String>>, ImportError> {
    match (folder.has(WEIGHTS), folder.has(INDEX)) {
        (true, true) => return Err(ImportError::TwoWeights),
        (_, false) => return Ok(None),
        (false, true) => {}
    }
    let refuse = |reason: String| ImportError::Json {
        file: INDEX,
        reason,
    };
    let mut index = json::parse(INDEX, &folder.read(INDEX)?)?;
    // Beside it stand sums of bytes and parameters, which nothing follows from.
    let Some(Value::Object(map)) = index.get_mut("weight_map").map(Value::take) else {
        return Err(refuse("it has no object \"weight_map\"".to_owned()));
    };
    if map.is_empty() {
        return Err(refuse("\"weight_map\" is empty".to_owned()));
    }
    let mut places = BTreeMap::new();
    for (tensor, file) in map {
        match file {
            Value::String(file) if is_file_of_the_folder(&file) => {
                places.insert(tensor, file);
            }
            got => {
                return Err(ImportError::ShardName {
                    tensor,
                    got: got.to_string(),
                })
            }
        }
    }
    Ok(Some(places))
}

/// Whether a name is that of a file of tensors in the folder itself, on every system.
fn is_file_of_the_folder(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !['/', '\\', ':'].contains(&c);
    let stem = name.strip_suffix(EXTENSION);
    stem.is_some_and(|stem| !stem.is_empty() && !stem.starts_with('.') && stem.chars().all(plain))
}

/// Whether a file has the tensors that the index places into it, and no others.
fn check_shard(
    index: &BTreeMap<String, String>,
    name: &str,
    file: &TensorFile,
) -> Result<(), ImportError> {
    for tensor in file.tensors() {
        let expected = index.get(tensor.name);
        if expected.map(String::as_str) != Some(name) {
            return Err(ImportError::UnexpectedInShard {
                tensor: tensor.name.to_owned(),
                shard: name.to_owned(),
                expected: expected.cloned(),
            });
        }
    }
    let mut placed = index.iter().filter(|(_, shard)| *shard == name);
    match placed.find(|(tensor, _)| file.get(tensor).is_none()) {
        None => Ok(()),
        Some((tensor, _)) => Err(ImportError::MissingInShard {
            tensor: tensor.clone(),
            shard: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files() {
        for name in ["model-00001-of-00002.safetensors", "a b.safetensors"] {
            assert!(is_file_of_the_folder(name), "{name}");
        }
        for name in [
            "",
            ".safetensors",
            "model.bin",
            "../model.safetensors",
            "..safetensors",
            "/etc/model.safetensors",
            "sub/model.safetensors",
            "sub\\model.safetensors",
            "C:model.safetensors",
            "a\0.safetensors",
            "model.safetensors/..",
        ] {
            assert!(!is_file_of_the_folder(name), "{name}");
        }
    }
}
