//! A family with names of its own is read as any other.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::{Map, Value};

use super::*;
use crate::families::{EntryNames, LayerTensorNames, TensorNames};

/// Computes what Llama computes, and names everything differently.
const RENAMED: Family = Family {
    architecture: "RenamedForCausalLM",
    model_type: "renamed",
    entries: EntryNames {
        layers: "n_layer",
        hidden: "n_embd",
        query_heads: "n_head",
        kv_heads: "n_head_kv",
        head_dim: "n_head_dim",
        mlp: "n_inner",
        vocabulary: "n_vocab",
        positions: "n_positions",
        activation: "activation_function",
        norm_epsilon: "norm_eps",
    },
    rope_theta: 500_000.0,
    required: &["window"],
    only: &[("window", "null"), ("scale", "1.0")],
    neutral: &["converted"],
    tensors: TensorNames {
        embedding: "wte",
        final_norm: "ln_f",
        head: "head",
        layers: "h.",
        layer: LayerTensorNames {
            attention_norm: "ln_1",
            query: "q",
            key: "k",
            value: "v",
            output: "o",
            mlp_norm: "ln_2",
            gate: "g",
            up: "u",
            down: "d",
        },
        passed_over: &[".mask"],
    },
    attention_bias: false,
    gguf: None,
};

/// The files of a small model of the family Llama.
fn llama() -> BTreeMap<String, Vec<u8>> {
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/stories-gqa-tiny");
    [CONFIG, TOKENIZER, WEIGHTS]
        .map(|name| (name.to_owned(), std::fs::read(folder.join(name)).unwrap()))
        .into()
}

/// The same model in the names of [`RENAMED`], with a change of its configuration.
fn renamed(change: impl Fn(&mut Map<String, Value>)) -> BTreeMap<String, Vec<u8>> {
    let mut files = llama();
    let Value::Object(mut config) = serde_json::from_slice(&files[CONFIG]).unwrap() else {
        panic!("a configuration is an object");
    };
    for (from, to) in [
        ("num_hidden_layers", "n_layer"),
        ("hidden_size", "n_embd"),
        ("num_attention_heads", "n_head"),
        ("num_key_value_heads", "n_head_kv"),
        ("head_dim", "n_head_dim"),
        ("intermediate_size", "n_inner"),
        ("vocab_size", "n_vocab"),
        ("max_position_embeddings", "n_positions"),
        ("hidden_act", "activation_function"),
        ("rms_norm_eps", "norm_eps"),
    ] {
        if let Some(value) = config.remove(from) {
            config.insert(to.to_owned(), value);
        }
    }
    for of_llama in [
        "attention_bias",
        "mlp_bias",
        "pretraining_tp",
        "rope_scaling",
    ] {
        config.remove(of_llama);
    }
    config.insert(
        "architectures".to_owned(),
        vec![RENAMED.architecture].into(),
    );
    config.insert("model_type".to_owned(), RENAMED.model_type.into());
    config.insert("window".to_owned(), Value::Null);
    change(&mut config);
    files.insert(CONFIG.to_owned(), serde_json::to_vec(&config).unwrap());

    let tensors = SafeTensors::deserialize(&files[WEIGHTS]).unwrap().tensors();
    let views = tensors.iter().map(|(name, view)| (rename(name), view));
    let weights = safetensors::serialize(views, &None).unwrap();
    files.insert(WEIGHTS.to_owned(), weights);
    files
}

fn rename(name: &str) -> String {
    let pairs = [
        ("model.embed_tokens.weight", "wte"),
        ("model.norm.weight", "ln_f"),
        ("lm_head.weight", "head"),
        ("model.layers.", "h."),
        ("input_layernorm.weight", "ln_1"),
        ("post_attention_layernorm.weight", "ln_2"),
        ("self_attn.q_proj.weight", "q.weight"),
        ("self_attn.k_proj.weight", "k.weight"),
        ("self_attn.v_proj.weight", "v.weight"),
        ("self_attn.o_proj.weight", "o.weight"),
        ("mlp.gate_proj.weight", "g.weight"),
        ("mlp.up_proj.weight", "u.weight"),
        ("mlp.down_proj.weight", "d.weight"),
    ];
    pairs
        .iter()
        .fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

fn read(files: &BTreeMap<String, Vec<u8>>) -> Result<FloatModel, ImportError> {
    FloatModel::read_as_one_of(
        &[families::ALL[0], &RENAMED],
        Folder::Memory(files),
        ImportOptions::default(),
    )
}

#[test]
fn other_names_make_the_same_model() {
    let expected = FloatModel::from_files(&llama()).unwrap();
    assert_eq!(read(&llama()).unwrap(), expected);
    let mut model = read(&renamed(|_| ())).unwrap();
    model.ignored.clone_from(&expected.ignored);
    assert_eq!(model, expected);
    // A family that is not in the list is not guessed.
    let error = FloatModel::from_files(&renamed(|_| ())).unwrap_err();
    assert!(matches!(error, ImportError::Unsupported { feature, .. }
        if feature == r#"architectures = ["RenamedForCausalLM"]"#));
}

#[test]
fn what_a_family_says_of_entries() {
    let with = |entry: &str, value: Value| {
        read(&renamed(|config| {
            config.insert(entry.to_owned(), value.clone());
        }))
    };
    let without = |entry: &str| {
        read(&renamed(|config| {
            config.remove(entry);
        }))
    };
    assert_eq!(
        with("scale", 1.0.into()).unwrap(),
        read(&renamed(|_| ())).unwrap()
    );
    for (entry, value) in [
        ("scale", Value::from(1)),
        ("window", 64.into()),
        ("model_type", "llama".into()),
        ("activation_function", "no such".into()),
    ] {
        let error = with(entry, value.clone()).unwrap_err();
        let expected = format!("{entry} = {value}");
        assert!(matches!(error, ImportError::Unsupported { feature, .. } if feature == expected));
    }
    assert!(matches!(
        without("window"),
        Err(ImportError::MissingEntry {
            entry: "window",
            ..
        })
    ));
    // What another family names, this one does not know.
    assert!(matches!(
        with("is_llama_config", true.into()),
        Err(ImportError::UnknownEntry { entry, .. }) if entry == "is_llama_config"
    ));
    let model = with("converted", true.into()).unwrap();
    assert!(model.ignored.contains(&"converted".to_owned()));
    assert_eq!(without("rope_theta").unwrap().rope.base, RENAMED.rope_theta);
}
