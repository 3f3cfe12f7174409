//! Import of folders in the format of Hugging Face: `config.json`, `tokenizer.json`, and the weights, in
//! `model.safetensors` or in several files with an index. What is not supported is refused by name;
//! configuration and tokenizer are checked before weights are read. What is particular to one family of
//! models is in `families`.

mod config;
mod error;
mod folder;
mod generation;
mod json;
mod sizes;
#[cfg(test)]
mod tests;
mod tokenizer_json;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_quant::{CacheCapacity, ModelShape};
use matchmark_tables::activations::Activation;

use crate::families::{self, Family, TensorNames};
use crate::Tokenizer;

pub use error::ImportError;

use config::Config;
use folder::Folder;
use weights::Weights;

/// Name of the configuration's file.
const CONFIG: &str = "config.json";
/// Name of the weights' file.
const WEIGHTS: &str = "model.safetensors";
/// Name of the index, where the weights are in several files.
const INDEX: &str = "model.safetensors.index.json";
/// Name of the tokenizer's file.
const TOKENIZER: &str = "tokenizer.json";

/// Name of the file about sampling, which may be absent.
const GENERATION: &str = "generation_config.json";

/// What a user decides about a model that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// How many positions the model is to have; without it all that it was made for.
    pub positions: Option<CacheCapacity>,
}

/// A decoder as it was trained. Matrices are `[outputs, inputs]`, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel {
    /// Sizes.
    pub shape: ModelShape,
    /// Epsilon of the normalizations.
    pub norm_epsilon: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Activation of the gate.
    pub activation: Activation,
    /// Embedding, `[V, C]`.
    pub embedding: Vec<f32>,
    /// The layers.
    pub layers: Vec<FloatLayer>,
    /// Weights of the last normalization, `[C]`.
    pub final_norm: Vec<f32>,
    /// Output head, `[V, C]`; the embedding itself where both are tied.
    pub head: Vec<f32>,
    /// From text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Entries of the configuration that do not change what the model computes, and were passed over.
    pub ignored: Vec<String>,
}

/// One layer of a [`FloatModel`].
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// Weights of the normalization before the attention, `[C]`.
    pub attention_norm: Vec<f32>,
    /// Query projection, `[H d, C]`.
    pub query: Vec<f32>,
    /// Key projection, `[G d, C]`.
    pub key: Vec<f32>,
    /// Value projection, `[G d, C]`.
    pub value: Vec<f32>,
    /// Output projection of the attention, `[C, H d]`.
    pub output: Vec<f32>,
    /// Weights of the normalization before the MLP, `[C]`.
    pub mlp_norm: Vec<f32>,
    /// Gate projection, `[F, C]`.
    pub gate: Vec<f32>,
    /// Up projection, `[F, C]`.
    pub up: Vec<f32>,
    /// Down projection, `[C, F]`.
    pub down: Vec<f32>,
}

impl FloatModel {
    /// Reads a folder, with all positions that its model was made for.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read(folder: &Path) -> Result<Self, ImportError> {
        Self::read_with(folder, ImportOptions::default())
    }

    /// Reads a folder as a user wants it.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ImportError::TooManyPositions`].
    pub fn read_with(folder: &Path, options: ImportOptions) -> Result<Self, ImportError> {
        Self::read_as_one_of(&families::ALL, Folder::Disk(folder), options)
    }

    /// What [`Self::read`] makes of a folder with these files, by their names. They may come from anywhere.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ImportError> {
        let options = ImportOptions::default();
        Self::read_as_one_of(&families::ALL, Folder::Memory(files), options)
    }

    /// Reads the tokenizer of a folder, and nothing of its weights.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read_tokenizer(folder: &Path) -> Result<Tokenizer, ImportError> {
        // Every model has one, and the tokenizer does not depend on them.
        let options = ImportOptions {
            positions: Some(CacheCapacity::new(1)?),
        };
        let (_, tokenizer) = head(&families::ALL, Folder::Disk(folder), options)?;
        Ok(tokenizer)
    }

    /// Names of the files of a folder that hold its weights: one, or all that the index names.
    ///
    /// # Errors
    /// [`ImportError`], for an index that cannot be read.
    pub fn weight_files(folder: &Path) -> Result<Vec<String>, ImportError> {
        weights::file_names(Folder::Disk(folder))
    }

    fn read_as_one_of(
        families: &[&'static Family],
        folder: Folder<'_>,
        options: ImportOptions,
    ) -> Result<Self, ImportError> {
        let (config, tokenizer) = head(families, folder, options)?;
        let Config {
            tensors: names_of_tensors,
            activation,
            shape,
            norm_epsilon,
            rope_theta,
            tied,
            begin: _, // Compared with the tokenizer's.
            ends: _,  // Given to the tokenizer.
            ignored,
        } = config;
        let TensorNames {
            embedding: embedding_name,
            final_norm,
            head: head_name,
            layers: prefix,
            layer: names,
            passed_over,
        } = names_of_tensors;
        let vocabulary = shape.vocabulary();
        let mut tensors = Weights::read(folder)?;
        let (hidden, mlp) = (shape.hidden(), shape.mlp());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        let embedding = tensors.take(embedding_name, &[vocabulary, hidden])?;
        let mut layers = Vec::with_capacity(shape.layers());
        for layer in 0..shape.layers() {
            let mut take = |name: &str, dimensions: &[usize]| {
                tensors.take(&format!("{prefix}{layer}.{name}"), dimensions)
            };
            layers.push(FloatLayer {
                attention_norm: take(names.attention_norm, &[hidden])?,
                query: take(names.query, &[query, hidden])?,
                key: take(names.key, &[kv, hidden])?,
                value: take(names.value, &[kv, hidden])?,
                output: take(names.output, &[hidden, query])?,
                mlp_norm: take(names.mlp_norm, &[hidden])?,
                gate: take(names.gate, &[mlp, hidden])?,
                up: take(names.up, &[mlp, hidden])?,
                down: take(names.down, &[hidden, mlp])?,
            });
        }
        let final_norm = tensors.take(final_norm, &[hidden])?;
        // Where both are tied, a head of its own is a copy.
        let head = if tied && !tensors.has(head_name) {
            embedding.clone()
        } else {
            tensors.take(head_name, &[vocabulary, hidden])?
        };
        let pairs = embedding.iter().zip(&head);
        if let Some((index, (&expected, &got))) =
            pairs.enumerate().find(|(_, (e, h))| tied && e != h)
        {
            return Err(ImportError::TiedHeadDiffers {
                embedding: embedding_name,
                head: head_name,
                index,
                expected,
                got,
            });
        }
        tensors.finish(passed_over)?;
        Ok(Self {
            shape,
            norm_epsilon,
            rope_theta,
            activation,
            embedding,
            layers,
            final_norm,
            head,
            tokenizer,
            ignored,
        })
    }
}

/// Configuration and tokenizer, checked against each other.
fn head(
    families: &[&'static Family],
    folder: Folder<'_>,
    options: ImportOptions,
) -> Result<(Config, Tokenizer), ImportError> {
    let mut config = Config::parse(families, &folder.read(CONFIG)?, options.positions)?;
    if folder.has(GENERATION) {
        if let Some(ends) = generation::ends(&folder.read(GENERATION)?)? {
            config.ends = ends;
        }
    }
    let tokenizer = tokenizer_json::parse(&folder.read(TOKENIZER)?, config.ends.clone())?;
    let expected = config.shape.vocabulary();
    if tokenizer.len() != expected {
        return Err(ImportError::VocabularyMismatch {
            expected,
            got: tokenizer.len(),
        });
    }
    // A text begins as its tokenizer says; the configuration must not say otherwise.
    if let (Some(expected), Some(got)) = (config.begin, tokenizer.begin()) {
        if expected != got {
            return Err(ImportError::BeginMismatch { expected, got });
        }
    }
    Ok((config, tokenizer))
}
