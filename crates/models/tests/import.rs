//! Folders that are refused, one reason at a time.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use common::folder::Folder;
use matchmark_models::graph::MatrixName;
use matchmark_models::quant::{CacheCapacity, ValueBits};
use matchmark_models::{
    float_logits, quantize_model, FloatModel, ImportError, ImportOptions, QuantizeOptions,
    RopeScaling, TokenizerError, Words,
};
use matchmark_runtime::{FloatError, TraceError};
use safetensors::tensor::Dtype;
use serde_json::{json, Value};

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
        ("architectures", json!(["NoSuchForCausalLM"])),
        ("architectures", json!(["LlamaForCausalLM", "Other"])),
        ("model_type", json!("no such")),
        ("hidden_act", json!("no such")),
        ("attention_bias", json!(true)),
        ("mlp_bias", json!(true)),
        ("rope_scaling", json!({"type": "yarn", "factor": 2.0})),
        ("rope_scaling", json!({"factor": 2.0})),
        ("rope_scaling", json!({"type": "linear", "factor": 0.5})),
        (
            "rope_scaling",
            json!({"type": "linear", "rope_type": "llama3", "factor": 2.0}),
        ),
        ("rope_parameters", json!({"rope_type": "dynamic"})),
        (
            "rope_parameters",
            json!({"rope_type": "linear", "factor": 2.0, "beta": 1.0}),
        ),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "factor": 2.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0,
                "original_max_position_embeddings": 16}),
        ),
        ("quantization_config", json!({"bits": 4})),
        ("sliding_window", json!(4096)),
        ("rope_interleaved", json!(true)),
        ("is_decoder", json!(true)),
        ("pruned_heads", json!({"0": [1]})),
        ("use_sliding_window", json!(true)),
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
    // A scaling without one of its numbers.
    assert!(matches!(
        with_config(
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 2.0})
        ),
        Err(ImportError::MissingEntry {
            entry: "low_freq_factor",
            ..
        })
    ));
    // What is not supported is said before weights are looked for.
    let folder = tempfile::tempdir().unwrap();
    let mut biased = Folder::new();
    biased.config["attention_bias"] = json!(true);
    biased.write(folder.path());
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    assert!(matches!(
        FloatModel::read(folder.path()),
        Err(ImportError::Unsupported { feature, .. }) if feature.starts_with("attention_bias")
    ));
    assert!(matches!(
        with_config("layer_norm_eps", json!(1e-5)),
        Err(ImportError::UnknownEntry { entry, .. }) if entry == "layer_norm_eps"
    ));
    for (key, value) in [
        ("vocab_size", json!(-4)),
        ("rms_norm_eps", json!("small")),
        ("rms_norm_eps", json!(0.0)),
        ("tie_word_embeddings", json!(1)),
        ("eos_token_id", json!([1, -2])),
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
    // A head beside the embedding has to be a copy.
    assert_eq!(
        folder.read().unwrap().matrices.last(),
        Folder::new().read().unwrap().matrices.last()
    );
    folder.tensor("lm_head.weight").2[4..8].copy_from_slice(&7.0f32.to_le_bytes());
    assert!(matches!(
        folder.read(),
        Err(ImportError::TiedHeadDiffers { index: 1, expected, got, .. })
            if (expected, got) == (-0.25, 7.0)
    ));
    folder.tensors.remove("lm_head.weight");
    let model = folder.read().unwrap();
    assert_eq!(model.matrix(MatrixName::HEAD).weights, model.embedding);
    folder.config["tie_word_embeddings"] = json!(false);
    assert!(matches!(
        folder.read(),
        Err(ImportError::MissingTensor { tensor }) if tensor == "lm_head.weight"
    ));
}

#[test]
fn weights_that_are_refused() {
    for (bad, wanted) in [
        (f32::NAN, "NaN, expected a finite number"),
        (f32::NEG_INFINITY, "-inf, expected a finite number"),
        (
            1e30,
            "1.0000000150474662e30, expected a magnitude of at most 2^40",
        ),
    ] {
        let mut folder = Folder::new();
        folder.tensor("model.norm.weight").2[8..12].copy_from_slice(&bad.to_le_bytes());
        let error = folder.read().unwrap_err();
        assert!(
            matches!(&error, ImportError::Floats { tensor, .. } if tensor == "model.norm.weight")
        );
        let words = format!("tensor \"model.norm.weight\": element 2 is {wanted}");
        assert_eq!(error.to_string(), words);
    }
    let mut folder = Folder::new();
    folder.tensor("model.norm.weight").2 = 1e-40f32.to_le_bytes().repeat(4);
    assert!(matches!(
        folder.read(),
        Err(ImportError::Floats {
            reason: FloatError::TooSmall { index: 0, .. },
            ..
        })
    ));
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
        Err(ImportError::Floats { tensor, reason: FloatError::Dtype { got } })
            if tensor == "lm_head.weight" && got == "I32"
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

/// What a clone has where git-lfs did not fetch: each file says what it is, and how to get it.
#[test]
fn pointers_of_git_lfs() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4264616\n";
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        let folder = tempfile::tempdir().unwrap();
        Folder::new().write(folder.path());
        std::fs::write(folder.path().join(name), pointer).unwrap();
        let error = FloatModel::read(folder.path()).unwrap_err().to_string();
        for words in [
            name,
            "git-lfs pointer to a file of 4264616 bytes",
            "git lfs pull",
        ] {
            assert!(error.contains(words), "{error}");
        }
    }
}

/// The same entry twice, in each of the files.
#[test]
fn entries_that_come_twice() {
    let twice = |name: &str, from: &str, to: &str| {
        let folder = tempfile::tempdir().unwrap();
        Folder::new().write(folder.path());
        let path = folder.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        match FloatModel::read(folder.path()) {
            Err(ImportError::DuplicateEntry { file, entry }) => {
                assert_eq!(file, name);
                entry
            }
            other => panic!("{other:?}"),
        }
    };
    let config = twice("config.json", "{", "{\"vocab_size\":4,");
    assert_eq!(config, "vocab_size");
    let token = twice("tokenizer.json", "\"aa\":3", "\"aa\":3,\"aa\":3");
    assert_eq!(token, "model.vocab.aa");

    let folder = tempfile::tempdir().unwrap();
    Folder::new().write(folder.path());
    let path = folder.path().join("model.safetensors");
    let weights = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&weights[8..8 + length])
        .unwrap()
        .trim_end();
    let entry = r#","lm_head.weight":{"dtype":"F32","shape":[4,4],"data_offsets":[0,64]}}"#;
    let header = format!("{}{entry}", header.strip_suffix('}').unwrap());
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(&weights[8 + length..]);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(
        FloatModel::read(folder.path()),
        Err(ImportError::Container { source: TraceError::DuplicateEntry { entry }, .. })
            if entry == "lm_head.weight"
    ));
}

/// Scaled rotary embeddings, in both forms of the format: other angles in the floats and in the table.
#[test]
fn scaled_rotary_embeddings() {
    let scaling = json!({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 16});
    let plain = Folder::new().read().unwrap();
    let later = with_config("rope_parameters", scaling.clone()).unwrap();
    let scaled = with_config("rope_scaling", scaling).unwrap();
    assert_eq!(scaled.rope, later.rope);
    let expected = RopeScaling::Llama3 {
        factor: 8.0,
        low: 1.0,
        high: 4.0,
        context: 16.0,
    };
    assert_eq!(
        (scaled.rope.base, scaled.rope.scaling),
        (plain.rope.base, expected)
    );
    let linear = with_config("rope_scaling", json!({"type": "linear", "factor": 2.0})).unwrap();
    assert_eq!(linear.rope.scaling, RopeScaling::Linear { factor: 2.0 });
    let tokens = [0, 2, 3, 2, 3];
    let logits = |model: &FloatModel| float_logits(model, &tokens).unwrap();
    let [of_plain, of_scaled, of_linear] = [&plain, &scaled, &linear].map(logits);
    assert!(of_plain != of_scaled && of_plain != of_linear && of_scaled != of_linear);
    // The first position is rotated by nothing.
    let vocabulary = plain.shape.vocabulary();
    assert_eq!(of_plain[..vocabulary], of_scaled[..vocabulary]);
    let options = QuantizeOptions::new(ValueBits::new(11).unwrap());
    let quantized = |model: &FloatModel| {
        quantize_model(model, &[tokens.to_vec()], &options)
            .unwrap()
            .0
    };
    let tables = [&plain, &scaled].map(|model| quantized(model).tables().rotary.clone());
    assert_ne!(tables[0], tables[1]);
}

/// What the files of a published model say beside what the model is.
#[test]
fn entries_that_mean_nothing_are_noted() {
    let mut folder = Folder::new();
    for (key, value) in [
        ("is_llama_config", json!(true)),
        ("rope_interleaved", json!(false)),
        (
            "transformers.js_config",
            json!({"kv_cache_dtype": {"fp16": "float16"}}),
        ),
        ("torch_dtype", json!("bfloat16")),
        ("temperature", json!(0.7)),
    ] {
        folder.config[key] = value;
    }
    let model = folder.read().unwrap();
    let noted = [
        "is_llama_config",
        "temperature",
        "torch_dtype",
        "transformers.js_config",
    ];
    assert_eq!(model.ignored, noted);
    let options = QuantizeOptions::new(ValueBits::new(11).unwrap());
    let (_, report) = quantize_model(&model, &[vec![0, 2, 3]], &options).unwrap();
    assert!(report.to_string().contains(&noted.join(", ")), "{report}");
    assert!(Folder::new().read().unwrap().ignored.is_empty());
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
        assert_eq!(half.norms, full.norms);
        assert_eq!(half.matrices, full.matrices);
    }
}

#[test]
fn truncated_and_missing_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    Folder::new().write(path);
    let weights = Folder::new().weights();
    let whole = weights.len() as u64;
    for length in [0, 7, 100, weights.len() - 1] {
        std::fs::write(path.join("model.safetensors"), &weights[..length]).unwrap();
        let error = FloatModel::read(path).unwrap_err();
        let ImportError::Container { file, source } = &error else {
            panic!("{error}");
        };
        assert_eq!(file, "model.safetensors");
        match source {
            TraceError::HeaderTruncated { got, .. } => assert_eq!(*got, length as u64),
            TraceError::Truncated { expected, got } => {
                assert_eq!((*expected, *got), (whole, whole - 1));
            }
            other => panic!("{other}"),
        }
        assert!(error.to_string().contains("truncated"), "{error}");
    }
    std::fs::remove_file(path.join("model.safetensors")).unwrap();
    assert!(matches!(
        FloatModel::read(path),
        Err(ImportError::Container {
            source: TraceError::Io { .. },
            ..
        })
    ));
    for name in ["config.json", "tokenizer.json"] {
        Folder::new().write(path);
        // Longer than memory, were it read.
        let long = std::fs::File::create(path.join(name)).unwrap();
        long.set_len(1 << 40).unwrap();
        assert!(matches!(
            FloatModel::read(path),
            Err(ImportError::TooLong { file, .. }) if file == name
        ));
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

/// A step before that of byte level.
fn digits_first(first: Value) -> Value {
    let level = common::folder::tokenizer()["pre_tokenizer"].clone();
    json!({"type": "Sequence", "pretokenizers": [first, level]})
}

#[test]
fn digits_by_themselves() {
    let read = |pre_tokenizer: Value| {
        let mut folder = Folder::new();
        folder.config["vocab_size"] = json!(6);
        for tensor in ["model.embed_tokens.weight", "lm_head.weight"] {
            let (_, shape, bytes) = folder.tensor(tensor);
            shape[0] = 6;
            bytes.extend([0; 32]);
        }
        let model = &mut folder.tokenizer["model"];
        model["vocab"]["1"] = json!(4);
        model["vocab"]["11"] = json!(5);
        model["merges"] = json!(["a a", "1 1"]);
        folder.tokenizer["pre_tokenizer"] = pre_tokenizer;
        folder.read().unwrap().tokenizer
    };
    let plain = common::folder::tokenizer()["pre_tokenizer"].clone();
    let together = read(plain.clone());
    let alone = read(digits_first(
        json!({"type": "Digits", "individual_digits": true}),
    ));
    assert_eq!(together.encode("aa11a").unwrap(), [0, 3, 5, 2]);
    assert_eq!(alone.encode("aa11a").unwrap(), [0, 3, 4, 4, 2]);
    assert_eq!(
        read(json!({"type": "Sequence", "pretokenizers": [plain]})),
        together
    );
    // What a text becomes is part of what a tokenizer is.
    assert_ne!(alone.identity(), together.identity());
}

/// Makes a tokenizer cut by Qwen2's pattern; gives the step that says so.
fn split(tokenizer: &mut Value) -> &mut Value {
    let pattern = json!({"Regex": Words::Qwen2.pattern().unwrap()});
    let split =
        json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false});
    let mut level = tokenizer["pre_tokenizer"].take();
    level["use_regex"] = json!(false);
    tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, level]});
    &mut tokenizer["pre_tokenizer"]["pretokenizers"][0]
}

/// An added token that is shown as text stands for itself like a special one, wherever it is found.
#[test]
fn added_tokens_that_are_shown() {
    let mut folder = Folder::new();
    let special = folder.read().unwrap().tokenizer;
    folder.tokenizer["added_tokens"][1]["special"] = json!(false);
    let shown = folder.read().unwrap().tokenizer;
    assert_eq!(shown.encode("a<eos>aa").unwrap(), [0, 2, 1, 3]);
    assert_eq!(shown, special);
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
            (|t| t["normalizer"] = json!({"type": "NFKC"})) as fn(&mut Value),
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
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"] =
                digits_first(json!({"type": "Digits", "individual_digits": false}));
        }),
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"] = digits_first(json!({"type": "Punctuation"}));
        }),
        ("pre_tokenizer", |t| {
            t["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": []});
        }),
        // A pattern that is not known, one that is used otherwise, one behind which GPT-2's would be used as well.
        ("pre_tokenizer", |t| {
            split(t)["pattern"]["Regex"] = json!(r"\p{N}|\s+");
        }),
        ("pre_tokenizer", |t| {
            split(t)["behavior"] = json!("Removed");
        }),
        ("pre_tokenizer", |t| {
            split(t)["invert"] = json!(true);
        }),
        ("pre_tokenizer", |t| {
            split(t);
            t["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = json!(true);
        }),
        ("pre_tokenizer", |t| {
            split(t);
            let level = &mut t["pre_tokenizer"]["pretokenizers"][1];
            level.as_object_mut().unwrap().remove("use_regex");
        }),
        ("post_processor", |t| {
            let template = t["post_processor"].take();
            t["post_processor"] = json!({"type": "Sequence", "processors": [template, template]});
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

#[test]
fn tokens_that_end_a_text() {
    let ends = |folder: &Folder| folder.read().unwrap().tokenizer.ends().to_vec();
    let mut folder = Folder::new();
    assert_eq!(ends(&folder), [1]);
    folder.config["eos_token_id"] = json!([3, 1, 3]);
    assert_eq!(ends(&folder), [3, 1]);
    assert_eq!(folder.read().unwrap().tokenizer.end(), Some(3));
    folder.config["eos_token_id"] = json!([]);
    assert_eq!(folder.read().unwrap().tokenizer.end(), None);

    // What is said about sampling counts for more; what else is there does not.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let read = |generation: &str| {
        Folder::new().write(path);
        std::fs::write(path.join("generation_config.json"), generation).unwrap();
        FloatModel::read(path).map(|model| model.tokenizer.ends().to_vec())
    };
    assert_eq!(read(r#"{"temperature": 0.2}"#).unwrap(), [1]);
    assert_eq!(read(r#"{"eos_token_id": null}"#).unwrap(), [1]);
    assert_eq!(read(r#"{"eos_token_id": 2}"#).unwrap(), [2]);
    assert_eq!(read(r#"{"eos_token_id": [2, 1]}"#).unwrap(), [2, 1]);
    for bad in [
        "[]",
        r#"{"eos_token_id": "x"}"#,
        r#"{"eos_token_id": [0.5]}"#,
    ] {
        let refused = read(bad);
        assert!(
            matches!(
                refused,
                Err(ImportError::Json {
                    file: "generation_config.json",
                    ..
                })
            ),
            "{bad}"
        );
    }
    assert!(matches!(
        read(r#"{"eos_token_id": 4}"#),
        Err(ImportError::Tokenizer(TokenizerError::UnknownToken {
            got: 4,
            ..
        }))
    ));
}

#[test]
fn positions_that_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let mut folder = Folder::new();
    folder.write(directory.path());
    let read = |positions: u32| {
        let positions = Some(CacheCapacity::new(positions).unwrap());
        FloatModel::read_with(directory.path(), ImportOptions { positions })
    };
    assert_eq!(read(3).unwrap().shape.positions(), 3);
    assert_eq!(read(8).unwrap(), folder.read().unwrap());
    assert!(matches!(
        read(9),
        Err(ImportError::TooManyPositions {
            expected: 8,
            got: 9
        })
    ));
    folder.config["max_position_embeddings"] = json!(CacheCapacity::MAX + 1);
    folder.write(directory.path());
    let error = folder.read().unwrap_err();
    assert!(matches!(error, ImportError::ManyPositions { .. }));
    assert!(error.to_string().contains("--positions"), "{error}");
    assert_eq!(read(8).unwrap().shape.positions(), 8);
    FloatModel::read_tokenizer(directory.path()).unwrap();
}
