//! Names of tensors.

use crate::families::{LayerTensorNames, TensorNames};

pub(in crate::families) const TENSORS: TensorNames = TensorNames {
    embedding: "model.embed_tokens.weight",
    final_norm: "model.norm.weight",
    head: "lm_head.weight",
    layers: "model.layers.",
    layer: LayerTensorNames {
        attention_norm: "input_layernorm.weight",
        query: "self_attn.q_proj",
        key: "self_attn.k_proj",
        value: "self_attn.v_proj",
        output: "self_attn.o_proj",
        mlp_norm: "post_attention_layernorm.weight",
        gate: "mlp.gate_proj",
        up: "mlp.up_proj",
        down: "mlp.down_proj",
    },
    // Early versions of the format stored the rotary frequencies.
    passed_over: &[".self_attn.rotary_emb.inv_freq"],
};
