//! Decoder models on exact integers: weights, tables, tokenizer, execution.
//!
//! An [`IntegerModel`] is a decoder in which every number is an integer: its semantics are the section "Decoder
//! model" of `docs/semantics.md`. [`execute_model`] runs tokens through it, node by node of its
//! [graph](matchmark_graph::Graph), and records every intermediate value that a proof speaks of; a [`ModelState`] carries the
//! key/value cache of all layers from one run to the next.
//!
//! The crate knows nothing of proofs.
//!
//! ```
//! use matchmark_models::{execute_model, synthetic_arithmetic, synthetic_model, ModelState};
//! # use matchmark_models::graph::ModelShape;
//! # use matchmark_models::quant::{AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads};
//! # use matchmark_models::quant::{Layers, MlpSize, QueryHeads, ValueBits, VocabularySize};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let attention =
//!     AttentionShape::new(QueryHeads::new(4)?, KvHeads::new(2)?, HeadDim::new(8)?)?;
//! let shape = ModelShape::new(
//!     Layers::new(2)?,
//!     HiddenSize::new(16)?,
//!     attention,
//!     MlpSize::new(24)?,
//!     VocabularySize::new(32)?,
//!     CacheCapacity::new(64)?,
//! )?;
//! let model = synthetic_model(shape, synthetic_arithmetic(shape, ValueBits::new(11)?)?, 1)?;
//! let (first, state) = execute_model(&model, &ModelState::initial(&model), &[1, 5, 9])?;
//! let (next, state) = execute_model(&model, &state, &first.choices[2..])?;
//! assert_eq!((next.tokens.len(), state.position()), (1, 4));
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod bytes;
mod conversation;
mod encode;
mod error;
mod evaluate;
mod execute;
mod families;
mod file;
mod float_run;
mod floats;
mod import;
mod integer;
mod matrix;
mod parts;
mod quantize;
mod rope;
mod scales;
mod state;
mod synthetic;
mod tokenizer;

pub use matchmark_graph as graph;
pub use matchmark_quant as quant;

pub use conversation::{AnswerEnd, Conversation, ConversationError};
pub use error::{ModelError, Operation, Place};
pub use evaluate::{
    greedy_answer, text_sequences, Agreement, Divergence, DivergenceSum, Evaluation, Evaluator,
    GreedyAnswer, OperationError, Perplexity,
};
pub use execute::{
    execute_group, execute_model, GroupInput, ModelExecution, ModelGroup, NormRecord,
};
pub use file::ModelFileError;
pub use float_run::{execute_float, float_logits, FloatExecution};
pub use import::{FloatMatrix, FloatModel, GgufError, ImportError, ImportOptions};
pub use integer::IntegerModel;
pub use matrix::Matrix;
pub use parts::{ModelId, ModelParts, ModelPrefix, ModelTables};
pub use quantize::{
    quantize_model, CoarseScale, ExcessReport, QuantizationReport, QuantizeOptions,
};
pub use rope::{Rope, RopeScaling};
pub use scales::{LayerScales, ModelScales};
pub use state::ModelState;
pub use synthetic::{synthetic_arithmetic, synthetic_model, synthetic_tokens};
pub use tokenizer::{
    behind_prefix, take_text, ChatError, ChatTemplate, Message, Role, Tokenizer, TokenizerError,
    TokenizerId, TokenizerParts, Words,
};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
