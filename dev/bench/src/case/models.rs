//! The models that are measured.

use std::fs;
use std::path::PathBuf;

use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_model, synthetic_tokens, text_sequences, IntegerModel};
use serde::Deserialize;

use super::layouts::arithmetic;
use super::Failure;

/// A model and where its tokens come from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Source {
    /// A model's file, and a text whose lines it reads one after the other.
    File {
        /// The model.
        path: PathBuf,
        /// The text.
        text: PathBuf,
    },
    /// Weights and tokens drawn by a fixed generator. What a proof costs does not depend on values.
    Synthetic {
        /// How large it is.
        shape: ModelShape,
    },
}

impl Source {
    /// The model, and its first tokens.
    pub fn load(&self, count: usize) -> Result<(IntegerModel, Vec<u32>), Failure> {
        match self {
            Self::File { path, text } => {
                let model = IntegerModel::load(path)?;
                let text = fs::read_to_string(text)?;
                let positions = model.shape().positions();
                let sequences = text_sequences(model.tokenizer(), &text, positions)?;
                let tokens: Vec<u32> = sequences.into_iter().flatten().take(count).collect();
                if tokens.len() < count {
                    return Err("the text has too few tokens".into());
                }
                Ok((model, tokens))
            }
            Self::Synthetic { shape } => {
                let arithmetic = arithmetic(shape)?;
                let model = synthetic_model(*shape, arithmetic, 1)?;
                let tokens = synthetic_tokens(shape, count, 2);
                Ok((model, tokens))
            }
        }
    }
}
