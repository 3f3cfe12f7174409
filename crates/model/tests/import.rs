//! Folders that are refused, one reason at a time.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_model::{FloatModel, ImportError, TokenizerError};
use matchmark_runtime::TraceError;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{json, Value};

/// A tiny folder that can be changed in one place.
struct Folder {
    config: Value,
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    tokenizer: Value,
}

/// The smallest vocabulary that works: two special tokens and the byte `a`, and `aa`.
fn tokenizer() -> Value {
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
    fn new() -> Self {
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

    fn weights(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        safetensors::serialize(views, &None).unwrap()
    }

    fn write(&self, folder: &Path) {
        let json = |value: &Value| serde_json::to_vec(value).unwrap();
        std::fs::write(folder.join("config.json"), json(&self.config)).unwrap();
        std::fs::write(folder.join("tokenizer.json"), json(&self.tokenizer)).unwrap();
        std::fs::write(folder.join("model.safetensors"), self.weights()).unwrap();
    }

    fn read(&self) -> Result<FloatModel, ImportError> {
        let folder = tempfile::tempdir().unwrap();
        self.write(folder.path());
        FloatModel::read(folder.path())
    }

    fn tensor(&mut self, name: &str) -> &mut (Dtype, Vec<usize>, Vec<u8>) {
        self.tensors.get_mut(name).unwrap()
    }
}

fn with_config(key: &str, value: Value) -> Result<FloatModel, ImportError> {
    let mut folder = Folder::new();
    folder.config[key] = value;
    folder.read()
}

fn with_tokenizer(change: impl Fn(&mut Value)) -> Result<FloatModel, ImportError> {
    let mut folder = Folder::new();
    change(&mut folder.tokenizer);
    folder.read()
}

#[test]
fn the_unchanged_folder_is_read() {
    let model = Folder::new().read().unwrap();
    assert_eq!(model.embedding[..3], [-0.5, -0.25, 0.0]);
    assert_eq!(model.tokenizer.encode("aaa").unwrap(), [0, 3, 2]);
    assert_eq!(model.tokenizer.encode("a<eos>a").unwrap(), [0, 2, 1, 2]);
    assert_eq!(
        model.tokenizer.encode("ab"),
        Err(TokenizerError::UnknownByte { got: b'b' })
    );
}

#[test]
fn configurations_that_are_not_supported() {
    for (key, value) in [
        ("architectures", json!(["MistralForCausalLM"])),
        ("architectures", json!(["LlamaForCausalLM", "Other"])),
        ("model_type", json!("mistral")),
        ("hidden_act", json!("gelu")),
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
        ("rope_parameters", json!({"rope_type": "llama3"})),
        ("quantization_config", json!({"bits": 4})),
        ("sliding_window", json!(4096)),
        ("partial_rotary_factor", json!(0.5)),
    ] {
        match with_config(key, value) {
            Err(ImportError::Unsupported {
                file: "config.json",
                feature,
            }) => assert!(feature.starts_with(key), "{feature}"),
            other => panic!("{key}: {other:?}"),
        }
    }
    assert!(matches!(
        with_config("layer_norm_eps", json!(1e-5)),
        Err(ImportError::UnknownEntry { entry, .. }) if entry == "layer_norm_eps"
    ));
    for (key, value) in [
        ("vocab_size", json!(-4)),
        ("rms_norm_eps", json!("small")),
        ("rms_norm_eps", json!(0.0)),
        ("tie_word_embeddings", json!(1)),
        ("eos_token_id", json!([1, 2])),
    ] {
        let refused = with_config(key, value);
        assert!(matches!(refused, Err(ImportError::Json { reason, .. }) if reason.contains(key)));
    }
    for (key, value) in [
        ("num_key_value_heads", json!(3)),
        ("head_dim", json!(3)),
        ("num_hidden_layers", json!(65)),
        ("max_position_embeddings", json!(0)),
    ] {
        assert!(matches!(
            with_config(key, value),
            Err(ImportError::Quantity(_))
        ));
    }
    let mut folder = Folder::new();
    folder
        .config
        .as_object_mut()
        .unwrap()
        .remove("rms_norm_eps");
    assert!(matches!(
        folder.read(),
        Err(ImportError::MissingEntry {
            entry: "rms_norm_eps",
            ..
        })
    ));
}

#[test]
fn tied_embeddings_are_the_head() {
    let mut folder = Folder::new();
    folder.config["tie_word_embeddings"] = json!(true);
    assert!(matches!(
        folder.read(),
        Err(ImportError::UnknownTensor { tensor }) if tensor == "lm_head.weight"
    ));
    folder.tensors.remove("lm_head.weight");
    let model = folder.read().unwrap();
    assert_eq!(model.head, model.embedding);
    folder.config["tie_word_embeddings"] = json!(false);
    assert!(matches!(
        folder.read(),
        Err(ImportError::MissingTensor { tensor }) if tensor == "lm_head.weight"
    ));
}

#[test]
fn weights_that_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut folder = Folder::new();
        folder.tensor("model.norm.weight").2[8..12].copy_from_slice(&bad.to_le_bytes());
        assert!(matches!(
            folder.read(),
            Err(ImportError::NotFinite { tensor, index: 2, .. }) if tensor == "model.norm.weight"
        ));
    }
    let mut folder = Folder::new();
    folder.tensor("lm_head.weight").1 = vec![2, 8];
    assert!(matches!(
        folder.read(),
        Err(ImportError::WrongShape { expected, got, .. }) if expected == [4, 4] && got == [2, 8]
    ));
    let mut folder = Folder::new();
    folder.tensor("lm_head.weight").0 = Dtype::I32;
    assert!(matches!(
        folder.read(),
        Err(ImportError::WrongDtype { got, .. }) if got == "I32"
    ));
    let mut folder = Folder::new();
    let norm = folder.tensors["model.norm.weight"].clone();
    let name = "model.layers.0.self_attn.q_proj.bias";
    folder.tensors.insert(name.to_owned(), norm.clone());
    assert!(matches!(
        folder.read(),
        Err(ImportError::Unsupported { feature, .. }) if feature.contains(name)
    ));
    let mut folder = Folder::new();
    folder.tensors.insert("model.extra".to_owned(), norm);
    assert!(matches!(
        folder.read(),
        Err(ImportError::UnknownTensor { tensor }) if tensor == "model.extra"
    ));
}

#[test]
fn halves_are_the_same_numbers() {
    let full = Folder::new().read().unwrap();
    for dtype in [Dtype::F16, Dtype::BF16] {
        let mut folder = Folder::new();
        for (ty, _, bytes) in folder.tensors.values_mut() {
            *ty = dtype;
            let floats = bytes.chunks_exact(4);
            *bytes = floats
                .flat_map(|four| {
                    let bits = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
                    // Multiples of 1/4 up to 6 fit both types exactly.
                    let half = if dtype == Dtype::BF16 {
                        (bits >> 16) as u16
                    } else if bits << 1 == 0 {
                        0
                    } else {
                        let exponent = (bits >> 23 & 255) - 112;
                        ((bits >> 31 << 15) | (exponent << 10) | (bits >> 13 & 1023)) as u16
                    };
                    half.to_le_bytes()
                })
                .collect();
        }
        let half = folder.read().unwrap();
        assert_eq!(half.head, full.head);
        assert_eq!(half.layers, full.layers);
    }
}

#[test]
fn truncated_and_missing_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    Folder::new().write(path);
    let weights = Folder::new().weights();
    for length in [0, 7, 100, weights.len() - 1] {
        std::fs::write(path.join("model.safetensors"), &weights[..length]).unwrap();
        assert!(matches!(
            FloatModel::read(path),
            Err(ImportError::Container(TraceError::InvalidFile { .. }))
        ));
    }
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    assert!(matches!(
        FloatModel::read(path),
        Err(ImportError::Io { .. })
    ));
    std::fs::write(path.join("model.safetensors.index.json"), "{}").unwrap();
    assert!(matches!(
        FloatModel::read(path),
        Err(ImportError::Unsupported { feature, .. }) if feature == "weights in several files"
    ));
    for name in ["config.json", "tokenizer.json"] {
        Folder::new().write(path);
        std::fs::write(path.join(name), "{").unwrap();
        assert!(matches!(
            FloatModel::read(path),
            Err(ImportError::Json { file, .. }) if file == name
        ));
        std::fs::remove_file(path.join(name)).unwrap();
        assert!(matches!(
            FloatModel::read(path),
            Err(ImportError::Io { .. })
        ));
    }
}

#[test]
fn tokenizers_that_do_not_match() {
    assert!(matches!(
        with_config("vocab_size", json!(5)),
        Err(ImportError::VocabularyMismatch {
            expected: 5,
            got: 4
        })
    ));
    assert!(matches!(
        with_config("bos_token_id", json!(1)),
        Err(ImportError::BeginMismatch {
            expected: 1,
            got: 0
        })
    ));
    assert!(matches!(
        with_config("eos_token_id", json!(4)),
        Err(ImportError::Tokenizer(TokenizerError::UnknownToken {
            got: 4,
            ..
        }))
    ));
    assert!(matches!(
        with_tokenizer(|t| t["model"]["vocab"]["aa"] = json!(4)),
        Err(ImportError::VocabularyGap { token: 3, .. })
    ));
    assert!(matches!(
        with_tokenizer(|t| t["model"]["merges"] = json!(["a b"])),
        Err(ImportError::Json { .. })
    ));
    assert!(matches!(
        with_tokenizer(|t| t["model"]["merges"] = json!([["a", "aa"]])),
        Err(ImportError::Tokenizer(TokenizerError::MergeWithoutToken {
            merge: 0
        }))
    ));
    assert!(matches!(
        with_tokenizer(|t| t["model"]["merges"] = json!(["a a", "a a"])),
        Err(ImportError::Tokenizer(TokenizerError::DuplicateMerge {
            merge: 1
        }))
    ));
    for (words, change) in [
        (
            "normalizer",
            (|t| t["normalizer"] = json!({"type": "NFC"})) as fn(&mut Value),
        ),
        ("truncation", |t| t["truncation"] = json!({})),
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"] = json!({"type": "Metaspace"})
        }),
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"]["add_prefix_space"] = json!(true)
        }),
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"]["use_regex"] = json!(false)
        }),
        ("decoder", |t| t["decoder"] = json!({"type": "Fuse"})),
        ("post_processor", |t| {
            t["post_processor"] = json!({"type": "Bert"})
        }),
        ("model", |t| t["model"]["type"] = json!("Unigram")),
        ("unk_token", |t| t["model"]["unk_token"] = json!("<unk>")),
        ("byte_fallback", |t| {
            t["model"]["byte_fallback"] = json!(true)
        }),
        ("dropout", |t| t["model"]["dropout"] = json!(0.1)),
        ("version", |t| t["version"] = json!("2.0")),
        ("added token", |t| {
            t["added_tokens"][0]["lstrip"] = json!(true)
        }),
    ] {
        match with_tokenizer(change) {
            Err(ImportError::Unsupported {
                file: "tokenizer.json",
                feature,
            }) => assert!(feature.contains(words), "{feature}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}
