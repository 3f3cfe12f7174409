//! `Qwen2ForCausalLM`.
//!
//! Names and numbers are those of Llama's format, but for biases of queries, keys and values, which every model of
//! the family has and no entry says.

mod config;
mod gguf;

use super::{llama, Family};

/// Qwen2 and Qwen2.5.
pub(super) const FAMILY: Family = Family {
    architecture: "Qwen2ForCausalLM",
    model_type: "qwen2",
    entries: llama::ENTRIES,
    rope_theta: 10_000.0,
    required: &[],
    only: &config::ONLY,
    neutral: &config::NEUTRAL,
    attention_bias: true,
    tensors: llama::TENSORS,
    gguf: Some(gguf::NAMES),
};
