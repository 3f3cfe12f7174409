//! Names of tensors.

use crate::families::{LayerTensorNames, TensorNames};

pub(super) const TENSORS: TensorNames = TensorNames {
    embedding: "model.embed_tokens.weight",
    final_norm: "model.norm.weight",
    head: "lm_head.weight",
    layers: "model.layers.",
    layer: LayerTensorNames {
        attention_norm: "input_layernorm.weight",
        query: "self_attn.q_proj.weight",
        key: "self_attn.k_proj.weight",
        value: "self_attn.v_proj.weight",
        output: "self_attn.o_proj.weight",
        mlp_norm: "post_attention_layernorm.weight",
        gate: "mlp.gate_proj.weight",
        up: "mlp.up_proj.weight",
        down: "mlp.down_proj.weight",
    },
    // Early versions of the format stored the rotary frequencies.
    passed_over: &[".self_attn.rotary_emb.inv_freq"],
};
