//! Import of folders in the format of Hugging Face: `config.json`, `model.safetensors`,
//! `tokenizer.json` of `LlamaForCausalLM`. What is not supported is refused by name.

mod config;
mod error;
mod tokenizer_json;
mod weights;

use std::path::Path;

use matchmark_quant::ModelShape;

use crate::Tokenizer;

pub use error::ImportError;

/// Name of the configuration's file.
const CONFIG: &str = "config.json";
/// Name of the weights' file.
const WEIGHTS: &str = "model.safetensors";
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
        let config = config::Config::parse(&read(folder, CONFIG)?)?;
        let weights = read(folder, WEIGHTS).map_err(|error| {
            // Weights in several files have an index beside them.
            if folder.join("model.safetensors.index.json").exists() {
                return ImportError::Unsupported {
                    file: WEIGHTS,
                    feature: "weights in several files".to_owned(),
                };
            }
            error
        })?;
        let tokenizer = tokenizer_json::parse(&read(folder, TOKENIZER)?, config.end)?;
        Self::put_together(config, weights, tokenizer)
    }

    /// What [`Self::read`] makes of the contents of `config.json`, `model.safetensors` and
    /// `tokenizer.json`.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn from_files(
        config: &[u8],
        weights: Vec<u8>,
        tokenizer: &[u8],
    ) -> Result<Self, ImportError> {
        let config = config::Config::parse(config)?;
        let tokenizer = tokenizer_json::parse(tokenizer, config.end)?;
        Self::put_together(config, weights, tokenizer)
    }

    /// Reads the tokenizer of a folder, and nothing of its weights.
    ///
    /// # Errors
    /// [`ImportError`], naming the file and what it holds.
    pub fn read_tokenizer(folder: &Path) -> Result<Tokenizer, ImportError> {
        let config = config::Config::parse(&read(folder, CONFIG)?)?;
        tokenizer_json::parse(&read(folder, TOKENIZER)?, config.end)
    }

    fn put_together(
        config: config::Config,
        weights: Vec<u8>,
        tokenizer: Tokenizer,
    ) -> Result<Self, ImportError> {
        let config::Config {
            shape,
            norm_epsilon,
            rope_theta,
            tied,
            begin,
            end: _, // Given to the tokenizer.
        } = config;
        let vocabulary = shape.vocabulary();
        if tokenizer.len() != vocabulary {
            return Err(ImportError::VocabularyMismatch {
                expected: vocabulary,
                got: tokenizer.len(),
            });
        }
        // A text begins as its tokenizer says; the configuration must not say otherwise.
        if let (Some(expected), Some(got)) = (begin, tokenizer.begin()) {
            if expected != got {
                return Err(ImportError::BeginMismatch { expected, got });
            }
        }
        let mut tensors = weights::Weights::parse(weights)?;
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
        let head = if tied {
            embedding.clone()
        } else {
            tensors.take("lm_head.weight", &[vocabulary, hidden])?
        };
        tensors.finish()?;
        Ok(Self {
            shape,
            norm_epsilon,
            rope_theta,
            embedding,
            layers,
            final_norm,
            head,
            tokenizer,
        })
    }
}

fn read(folder: &Path, name: &'static str) -> Result<Vec<u8>, ImportError> {
    let path = folder.join(name);
    matchmark_files::read(&path, matchmark_files::MAX_FILE_BYTES).map_err(|error| {
        let source = error.into();
        ImportError::Io { path, source }
    })
}
