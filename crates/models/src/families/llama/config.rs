//! Names in `config.json`.

use crate::families::EntryNames;

/// What is read.
pub(in crate::families) const ENTRIES: EntryNames = EntryNames {
    layers: "num_hidden_layers",
    hidden: "hidden_size",
    query_heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_dim: "head_dim",
    mlp: "intermediate_size",
    vocabulary: "vocab_size",
    positions: "max_position_embeddings",
    activation: "hidden_act",
    norm_epsilon: "rms_norm_eps",
};

/// Biases, a rotary embedding of a part of a head, or in another order, and attention to a part of the sequence are refused.
pub(super) const ONLY: [(&str, &str); 6] = [
    ("attention_bias", "false"),
    ("mlp_bias", "false"),
    ("partial_rotary_factor", "1.0"),
    ("rope_interleaved", "false"),
    ("sliding_window", "null"),
    ("use_sliding_window", "false"),
];

/// How a model was converted, and in how many pieces it was trained.
pub(super) const NEUTRAL: [&str; 2] = ["is_llama_config", "pretraining_tp"];
