//! Names in GGUF files.

use crate::families::{llama, GgufNames};

pub(super) const NAMES: GgufNames = GgufNames {
    architecture: "qwen2",
    activation: "silu",
    layers: "qwen2.block_count",
    hidden: "qwen2.embedding_length",
    query_heads: "qwen2.attention.head_count",
    kv_heads: "qwen2.attention.head_count_kv",
    key_length: "qwen2.attention.key_length",
    value_length: "qwen2.attention.value_length",
    rotary_dimensions: "qwen2.rope.dimension_count",
    mlp: "qwen2.feed_forward_length",
    vocabulary: "qwen2.vocab_size",
    positions: "qwen2.context_length",
    norm_epsilon: "qwen2.attention.layer_norm_rms_epsilon",
    rope_theta: "qwen2.rope.freq_base",
    default_rope_theta: 10_000.0,
    only: &[
        ("qwen2.attention.causal", "true"),
        ("qwen2.attention.sliding_window", "0"),
        ("qwen2.expert_count", "0"),
        ("qwen2.expert_used_count", "0"),
        ("qwen2.rope.scale_linear", "1.0"),
        ("qwen2.rope.scaling.factor", "1.0"),
        ("qwen2.rope.scaling.finetuned", "false"),
        ("qwen2.rope.scaling.type", "\"none\""),
    ],
    neutral: &["qwen2.rope.scaling.original_context_length"],
    attention_bias: true,
    is_interleaved: false,
    tensors: llama::GGUF_TENSORS,
};
