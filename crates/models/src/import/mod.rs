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

use matchmark_graph::{Graph, MatrixName, ModelShape};
use matchmark_quant::CacheCapacity;
use matchmark_tables::activations::Activation;

use crate::families::{self, Family};
use crate::{Rope, Tokenizer};

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
    /// The angles of the rotary embedding.
    pub rope: Rope,
    /// Activation of the gate.
    pub activation: Activation,
    /// Embedding, `[V, C]`.
    pub embedding: Vec<f32>,
    /// Weights of the normalization of each stage of the stream, `[C]` each.
    pub norms: Vec<Vec<f32>>,
    /// The matrices of all layers and the output head, in the order of [`Graph::matrices`]. The head is the
    /// embedding itself where both are tied.
    pub matrices: Vec<FloatMatrix>,
    /// From text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Entries of the configuration that do not change what the model computes, and were passed over.
    pub ignored: Vec<String>,
}

/// A matrix of a [`FloatModel`].
#[derive(Clone, Debug, PartialEq)]
pub struct FloatMatrix {
    /// The weights, `[outputs, inputs]`.
    pub weights: Vec<f32>,
    /// The biases, `[outputs]`; none where the matrix has none.
    pub biases: Vec<f32>,
}

impl FloatMatrix {
    /// The largest magnitude of a bias; 0 without biases.
    pub(crate) fn largest_bias(&self) -> f64 {
        let magnitudes = self.biases.iter().map(|&bias| f64::from(bias).abs());
        magnitudes.fold(0.0, f64::max)
    }
}

impl FloatModel {
    /// What it computes, node by node.
    #[must_use]
    pub fn graph(&self) -> Graph {
        Graph::decoder(&self.shape)
    }

    /// A matrix.
    ///
    /// # Panics
    /// If there is no such matrix.
    #[must_use]
    pub fn matrix(&self, name: MatrixName) -> &FloatMatrix {
        &self.matrices[self.graph().matrix(name)]
    }

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
            tensors: names,
            activation,
            shape,
            norm_epsilon,
            rope,
            tied,
            begin: _, // Compared with the tokenizer's.
            ends: _,  // Given to the tokenizer.
            ignored,
        } = config;
        let embedding = tensors.take(names.embedding, &[shape.vocabulary(), shape.hidden()])?;
        let mut norms = Vec::with_capacity(shape.stages());
        for stage in 0..shape.stages() {
            norms.push(tensors.take(&names.norm(&shape, stage), &[shape.hidden()])?);
        }
        let graph = Graph::decoder(&shape);
        let mut matrices = Vec::with_capacity(graph.matrices().len());
        for &(name, node, place) in graph.matrices() {
            let linear = graph.linear(node);
            let outputs = linear.matrices()[place].outputs;
            let tensor = names.matrix(name);
            // Where both are tied, a head of its own is a copy.
            let weights = if name == MatrixName::HEAD && tied && !tensors.has(&tensor) {
                embedding.clone()
            } else {
                tensors.take(&tensor, &[outputs, linear.inputs()])?
            };
            let biases = if linear.has_biases() {
                tensors.take(&names.bias(name), &[outputs])?
            } else {
                Vec::new()
            };
            matrices.push(FloatMatrix { weights, biases });
        }
        // The head is the last one.
        let head = matrices.last().map_or(&[][..], |head| &head.weights);
        let pairs = embedding.iter().zip(head);
        if let Some((index, (&expected, &got))) =
            pairs.enumerate().find(|(_, (e, h))| tied && e != h)
        {
            return Err(ImportError::TiedHeadDiffers {
                embedding: names.embedding,
                head: names.head,
                index,
                expected,
                got,
            });
        }
        tensors.finish(names.passed_over)?;
        Ok(Self {
            shape,
            norm_epsilon,
            rope,
            activation,
            embedding,
            norms,
            matrices,
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
