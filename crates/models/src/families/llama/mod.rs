//! `LlamaForCausalLM`.

mod config;
mod gguf;
mod tensors;

use super::Family;

/// Llama, and the many models in its format.
pub(super) const FAMILY: Family = Family {
    architecture: "LlamaForCausalLM",
    model_type: "llama",
    entries: config::ENTRIES,
    rope_theta: 10_000.0,
    required: &[],
    only: &config::ONLY,
    neutral: &config::NEUTRAL,
    attention_bias: false,
    tensors: tensors::TENSORS,
    gguf: Some(gguf::NAMES),
};
