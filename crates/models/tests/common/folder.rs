//! The folder of a tiny trained model.

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_models::{FloatModel, ImportError};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{json, Value};

/// A tiny folder that can be changed in one place.
pub struct Folder {
    pub config: Value,
    pub tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    pub tokenizer: Value,
}

/// The smallest vocabulary that works: two special tokens and the byte `a`, and `aa`.
pub fn tokenizer() -> Value {
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [special(0, "<bos>"), special(1, "<eos>")],
        "normalizer": null,
        "pre_tokenizer": level,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<bos>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<bos>": {"id": "<bos>", "ids": [0], "tokens": ["<bos>"]}},
        },
        "decoder": level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false,
            "vocab": {"<bos>": 0, "<eos>": 1, "a": 2, "aa": 3},
            "merges": ["a a"],
        },
    })
}

impl Folder {
    pub fn new() -> Self {
        let config = json!({
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4,
            "hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2,
            "num_hidden_layers": 1, "intermediate_size": 6, "max_position_embeddings": 8,
            "hidden_act": "silu", "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "bos_token_id": 0, "eos_token_id": 1,
        });
        let mut tensors = BTreeMap::new();
        for (name, shape) in [
            ("model.embed_tokens", &[4usize, 4][..]),
            ("model.layers.0.input_layernorm", &[4]),
            ("model.layers.0.self_attn.q_proj", &[4, 4]),
            ("model.layers.0.self_attn.k_proj", &[2, 4]),
            ("model.layers.0.self_attn.v_proj", &[2, 4]),
            ("model.layers.0.self_attn.o_proj", &[4, 4]),
            ("model.layers.0.post_attention_layernorm", &[4]),
            ("model.layers.0.mlp.gate_proj", &[6, 4]),
            ("model.layers.0.mlp.up_proj", &[6, 4]),
            ("model.layers.0.mlp.down_proj", &[4, 6]),
            ("model.norm", &[4]),
            ("lm_head", &[4, 4]),
        ] {
            let count: usize = shape.iter().product();
            let bytes = (0..count).flat_map(|i| (i as f32 * 0.25 - 0.5).to_le_bytes());
            let tensor = (Dtype::F32, shape.to_vec(), bytes.collect());
            tensors.insert(format!("{name}.weight"), tensor);
        }
        Self {
            config,
            tensors,
            tokenizer: tokenizer(),
        }
    }

    pub fn weights(&self) -> Vec<u8> {
        self.some_weights(|_| true)
    }

    /// A file of the tensors whose names are chosen.
    pub fn some_weights(&self, chosen: impl Fn(&str) -> bool) -> Vec<u8> {
        let tensors = self.tensors.iter().filter(|(name, _)| chosen(name));
        let views = tensors.map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, &None).unwrap()
    }

    pub fn write(&self, folder: &Path) {
        let json = |value: &Value| serde_json::to_vec(value).unwrap();
        std::fs::write(folder.join("config.json"), json(&self.config)).unwrap();
        std::fs::write(folder.join("tokenizer.json"), json(&self.tokenizer)).unwrap();
        std::fs::write(folder.join("model.safetensors"), self.weights()).unwrap();
    }

    pub fn read(&self) -> Result<FloatModel, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        FloatModel::read(folder.path())
    }

    pub fn tensor(&mut self, name: &str) -> &mut (Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.get_mut(name).unwrap()
    }
}
