//! `LlamaForCausalLM`.

mod config;
mod gguf;
mod tensors;

use super::Family;

/// What families with the same names take over.
pub(in crate::families) use config::ENTRIES;
pub(in crate::families) use gguf::TENSORS as GGUF_TENSORS;
pub(in crate::families) use tensors::TENSORS;

/// Llama, and the many models in its format.
pub(super) const FAMILY: Family = Family {
    architecture: "LlamaForCausalLM",
    model_type: "llama",
    entries: ENTRIES,
    rope_theta: 10_000.0,
    required: &[],
    only: &config::ONLY,
    neutral: &config::NEUTRAL,
    attention_bias: false,
    tensors: TENSORS,
    gguf: Some(gguf::NAMES),
};
