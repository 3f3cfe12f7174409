//! Names in GGUF files.

use crate::families::{GgufNames, LayerTensorNames, TensorNames};

pub(super) const NAMES: GgufNames = GgufNames {
    architecture: "llama",
    activation: "silu",
    layers: "llama.block_count",
    hidden: "llama.embedding_length",
    query_heads: "llama.attention.head_count",
    kv_heads: "llama.attention.head_count_kv",
    key_length: "llama.attention.key_length",
    value_length: "llama.attention.value_length",
    rotary_dimensions: "llama.rope.dimension_count",
    mlp: "llama.feed_forward_length",
    vocabulary: "llama.vocab_size",
    positions: "llama.context_length",
    norm_epsilon: "llama.attention.layer_norm_rms_epsilon",
    rope_theta: "llama.rope.freq_base",
    default_rope_theta: 10_000.0,
    only: &[
        ("llama.attention.causal", "true"),
        ("llama.attention.sliding_window", "0"),
        ("llama.expert_count", "0"),
        ("llama.expert_used_count", "0"),
        ("llama.rope.scale_linear", "1.0"),
        ("llama.rope.scaling.factor", "1.0"),
        ("llama.rope.scaling.finetuned", "false"),
        ("llama.rope.scaling.type", "\"none\""),
        ("llama.use_parallel_residual", "false"),
    ],
    // Of use to other forms of scaling alone.
    neutral: &["llama.rope.scaling.original_context_length"],
    attention_bias: false,
    is_interleaved: true,
    tensors: TENSORS,
};

/// What llama.cpp calls tensors, in this family and others.
pub(in crate::families) const TENSORS: TensorNames = TensorNames {
    embedding: "token_embd.weight",
    final_norm: "output_norm.weight",
    head: "output.weight",
    layers: "blk.",
    layer: LayerTensorNames {
        attention_norm: "attn_norm.weight",
        query: "attn_q",
        key: "attn_k",
        value: "attn_v",
        output: "attn_output",
        mlp_norm: "ffn_norm.weight",
        gate: "ffn_gate",
        up: "ffn_up",
        down: "ffn_down",
    },
    passed_over: &[],
};
