//! Import of folders in the format of Hugging Face: `config.json`, `tokenizer.json`, and the weights of
//! `LlamaForCausalLM`, in `model.safetensors` or in several files with an index. What is not supported is
//! refused by name; configuration and tokenizer are checked before weights are read.

mod config;
mod error;
mod folder;
mod json;
mod tokenizer_json;
mod weights;

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_quant::ModelShape;
use matchmark_tables::activations::{Activation, SILU};

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
/// Name of the output head's tensor.
const HEAD: &str = "lm_head.weight";
/// Name of the tokenizer's file.
const TOKENIZER: &str = "tokenizer.json";

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
    /// Reads a folder.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read(folder: &Path) -> Result<Self, ImportError> {
        Self::read_from(Folder::Disk(folder))
    }

    /// What [`Self::read`] makes of a folder with these files, by their names. They may come from anywhere.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn from_files(files: &BTreeMap<String, Vec<u8>>) -> Result<Self, ImportError> {
        Self::read_from(Folder::Memory(files))
    }

    /// Reads the tokenizer of a folder, and nothing of its weights.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read_tokenizer(folder: &Path) -> Result<Tokenizer, ImportError> {
        let (_, tokenizer) = head(Folder::Disk(folder))?;
        Ok(tokenizer)
    }

    /// Names of the files of a folder that hold its weights: one, or all that the index names.
    ///
    /// # Errors
    /// [`ImportError`], for an index that cannot be read.
    pub fn weight_files(folder: &Path) -> Result<Vec<String>, ImportError> {
        weights::file_names(Folder::Disk(folder))
    }

    fn read_from(folder: Folder<'_>) -> Result<Self, ImportError> {
        let (config, tokenizer) = head(folder)?;
        let Config {
            shape,
            norm_epsilon,
            rope_theta,
            tied,
            begin: _, // Compared with the tokenizer's.
            end: _,   // Given to the tokenizer.
            ignored,
        } = config;
        let vocabulary = shape.vocabulary();
        let mut tensors = Weights::read(folder)?;
        let (hidden, mlp) = (shape.hidden(), shape.mlp());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        let embedding = tensors.take("model.embed_tokens.weight", &[vocabulary, hidden])?;
        let mut layers = Vec::with_capacity(shape.layers());
        for layer in 0..shape.layers() {
            let mut take = |name: &str, dimensions: &[usize]| {
                tensors.take(&format!("model.layers.{layer}.{name}.weight"), dimensions)
            };
            layers.push(FloatLayer {
                attention_norm: take("input_layernorm", &[hidden])?,
                query: take("self_attn.q_proj", &[query, hidden])?,
                key: take("self_attn.k_proj", &[kv, hidden])?,
                value: take("self_attn.v_proj", &[kv, hidden])?,
                output: take("self_attn.o_proj", &[hidden, query])?,
                mlp_norm: take("post_attention_layernorm", &[hidden])?,
                gate: take("mlp.gate_proj", &[mlp, hidden])?,
                up: take("mlp.up_proj", &[mlp, hidden])?,
                down: take("mlp.down_proj", &[hidden, mlp])?,
            });
        }
        let final_norm = tensors.take("model.norm.weight", &[hidden])?;
        // Where both are tied, a head of its own is a copy.
        let head = if tied && !tensors.has(HEAD) {
            embedding.clone()
        } else {
            tensors.take(HEAD, &[vocabulary, hidden])?
        };
        let pairs = embedding.iter().zip(&head);
        if let Some((index, (&expected, &got))) =
            pairs.enumerate().find(|(_, (e, h))| tied && e != h)
        {
            return Err(ImportError::TiedHeadDiffers {
                index,
                expected,
                got,
            });
        }
        tensors.finish()?;
        Ok(Self {
            shape,
            norm_epsilon,
            rope_theta,
            activation: SILU,
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
fn head(folder: Folder<'_>) -> Result<(Config, Tokenizer), ImportError> {
    let config = Config::parse(&folder.read(CONFIG)?)?;
    let tokenizer = tokenizer_json::parse(&folder.read(TOKENIZER)?, config.end)?;
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
