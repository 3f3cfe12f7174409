//! Import of trained models: folders in the format of Hugging Face (`config.json`, `tokenizer.json`, and the
//! weights, in `model.safetensors` or in several files with an index), and GGUF files. What is not supported is
//! refused by name; configuration and tokenizer are checked before weights are read. What is particular to one
//! family of models is in `families`.

mod chat;
mod config;
mod error;
mod folder;
mod generation;
mod gguf;
mod gguf_error;
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
pub use gguf_error::GgufError;

use config::Config;
use folder::Folder;
use gguf::Gguf;
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

/// Name of the file with the chat template and the names of some tokens, which may be absent.
const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Name of a file of its own for the chat template.
const CHAT_TEMPLATE: &str = "chat_template.jinja";

/// What messages call a GGUF file.
const GGUF: &str = "GGUF file";

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
    /// Reads a folder or a GGUF file, with all positions that its model was made for.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        Self::read_with(path, ImportOptions::default())
    }

    /// Reads a folder or a GGUF file as a user wants it.
    ///
    /// # Errors
    /// As [`Self::read`], and [`ImportError::TooManyPositions`].
    pub fn read_with(path: &Path, options: ImportOptions) -> Result<Self, ImportError> {
        if is_folder(path) {
            return Self::read_as_one_of(&families::ALL, Folder::Disk(path), options);
        }
        Self::of_gguf(Gguf::open(path)?, options)
    }

    /// What [`Self::read_with`] makes of the bytes of a GGUF file. They may come from anywhere.
    ///
    /// # Errors
    /// [`ImportError`], naming what the file holds.
    pub fn from_gguf(bytes: Vec<u8>, options: ImportOptions) -> Result<Self, ImportError> {
        Self::of_gguf(Gguf::from_bytes(bytes)?, options)
    }

    fn of_gguf(file: Gguf, options: ImportOptions) -> Result<Self, ImportError> {
        let (config, tokenizer, weights) = file.head(&families::ALL, options)?;
        Self::assemble(config, tokenizer, weights)
    }

    /// What [`Self::read`] makes of a folder with these files, by their names. They may come from anywhere.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ImportError> {
        let options = ImportOptions::default();
        Self::read_as_one_of(&families::ALL, Folder::Memory(files), options)
    }

    /// Reads the tokenizer of a folder or a GGUF file, and nothing of its weights.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read_tokenizer(path: &Path) -> Result<Tokenizer, ImportError> {
        // Every model has one, and the tokenizer does not depend on them.
        let options = ImportOptions {
            positions: Some(CacheCapacity::new(1)?),
        };
        if is_folder(path) {
            let (_, tokenizer) = head(&families::ALL, Folder::Disk(path), options)?;
            return Ok(tokenizer);
        }
        let (_, tokenizer, _) = Gguf::open(path)?.head(&families::ALL, options)?;
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
        Self::assemble(config, tokenizer, Weights::read(folder)?)
    }

    /// Puts a model together of the tensors that its configuration says.
    fn assemble(
        config: Config,
        tokenizer: Tokenizer,
        mut tensors: impl Tensors,
    ) -> Result<Self, ImportError> {
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
            layers: _,
            layer: names,
            passed_over,
        } = names_of_tensors;
        let vocabulary = shape.vocabulary();
        let hidden = shape.hidden();
        let embedding = tensors.take(embedding_name, &[vocabulary, hidden])?;
        let mut layers = Vec::with_capacity(shape.layers());
        for layer in 0..shape.layers() {
            let mut take = |(name, dimensions): (&str, Vec<usize>)| {
                tensors.take(&names_of_tensors.in_layer(layer, name), &dimensions)
            };
            // In the order of the names.
            let [attention_norm, query, key, value, output, mlp_norm, gate, up, down] =
                names.with_dimensions(&shape);
            layers.push(FloatLayer {
                attention_norm: take(attention_norm)?,
                query: take(query)?,
                key: take(key)?,
                value: take(value)?,
                output: take(output)?,
                mlp_norm: take(mlp_norm)?,
                gate: take(gate)?,
                up: take(up)?,
                down: take(down)?,
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

/// Whether a model is read as a folder: what is not there is looked for as one.
fn is_folder(path: &Path) -> bool {
    path.is_dir() || !path.exists()
}

/// Tensors by their names, each of which is taken once.
trait Tensors {
    /// Takes out one tensor, which must have these dimensions.
    fn take(&mut self, name: &str, dimensions: &[usize]) -> Result<Vec<f32>, ImportError>;

    /// Whether a tensor is there and was not taken.
    fn has(&self, name: &str) -> bool;

    /// Refuses what was not taken, but for names with one of these endings.
    fn finish(self, passed_over: &[&str]) -> Result<(), ImportError>;
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
    let (ends, chat) = (config.ends.clone(), chat::template(folder)?);
    let tokenizer = tokenizer_json::parse(&folder.read(TOKENIZER)?, ends, chat)?;
    agree(&config, &tokenizer)?;
    Ok((config, tokenizer))
}

/// Whether configuration and tokenizer are of one model.
fn agree(config: &Config, tokenizer: &Tokenizer) -> Result<(), ImportError> {
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
    Ok(())
}
