//! GGUF files: the model of the equal folder, and what is refused.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use common::folder::Folder;
use common::gguf::{GgufFile, Meta};
use half::{bf16, f16};
use matchmark_models::graph::MatrixName;
use matchmark_models::quant::CacheCapacity;
use matchmark_models::{FloatModel, GgufError, ImportError, ImportOptions, TokenizerError, Words};
use matchmark_runtime::FloatError;
use safetensors::tensor::Dtype;
use serde_json::json;

const HIDDEN: usize = 32;
const DIM: usize = 16;
/// Types by the format's numbers.
const F32: u32 = 0;
const F16: u32 = 1;
const Q8_0: u32 = 8;
const BF16: u32 = 30;

/// Whole numbers of 64ths, so that every type has them exactly.
fn values(count: usize, seed: usize) -> Vec<f32> {
    let numbers = (0..count).map(|i| ((i * 37 + seed * 11) % 255) as f32 - 127.0);
    numbers.map(|number| number / 64.0).collect()
}

/// A folder and the GGUF file of the same model.
fn both() -> (Folder, GgufFile) {
    let mut folder = Folder::new();
    for (key, value) in [
        ("hidden_size", json!(HIDDEN)),
        ("head_dim", json!(DIM)),
        ("intermediate_size", json!(64)),
        ("rms_norm_eps", json!(1e-5)),
        ("rope_theta", json!(100_000.0)),
        ("tie_word_embeddings", json!(true)),
        ("eos_token_id", json!([1, 3])),
    ] {
        folder.config[key] = value;
    }
    folder.tensors.clear();
    let mut file = GgufFile {
        metadata: vec![],
        tensors: vec![],
    };
    let text = |text: &str| Meta::Text(text.to_owned());
    for (key, value) in [
        ("general.architecture", text("llama")),
        ("general.name", text("tiny")),
        ("general.quantization_version", Meta::U32(2)),
        ("llama.block_count", Meta::U32(1)),
        ("llama.context_length", Meta::U32(8)),
        ("llama.embedding_length", Meta::U32(HIDDEN as u32)),
        ("llama.feed_forward_length", Meta::U32(64)),
        ("llama.attention.head_count", Meta::U32(2)),
        ("llama.attention.head_count_kv", Meta::U32(1)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5)),
        ("llama.rope.freq_base", Meta::F32(100_000.0)),
        ("llama.rope.dimension_count", Meta::U32(DIM as u32)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        (
            "tokenizer.ggml.tokens",
            Meta::Texts(["<bos>", "<eos>", "a", "aa"].map(str::to_owned).to_vec()),
        ),
        ("tokenizer.ggml.token_type", Meta::I32s(vec![3, 3, 1, 1])),
        ("tokenizer.ggml.merges", Meta::Texts(vec!["a a".to_owned()])),
        ("tokenizer.ggml.bos_token_id", Meta::U32(0)),
        ("tokenizer.ggml.eos_token_id", Meta::U32(1)),
        ("tokenizer.ggml.eot_token_id", Meta::U32(3)),
        ("tokenizer.ggml.padding_token_id", Meta::U32(1)),
        ("tokenizer.ggml.add_bos_token", Meta::Flag(true)),
    ] {
        file.set(key, value);
    }
    let layer = "model.layers.0";
    for (seed, (hub, name, shape, kind)) in [
        (
            "model.embed_tokens".to_owned(),
            "token_embd",
            vec![4, HIDDEN],
            F16,
        ),
        (
            format!("{layer}.input_layernorm"),
            "blk.0.attn_norm",
            vec![HIDDEN],
            F32,
        ),
        (
            format!("{layer}.self_attn.q_proj"),
            "blk.0.attn_q",
            vec![2 * DIM, HIDDEN],
            Q8_0,
        ),
        (
            format!("{layer}.self_attn.k_proj"),
            "blk.0.attn_k",
            vec![DIM, HIDDEN],
            BF16,
        ),
        (
            format!("{layer}.self_attn.v_proj"),
            "blk.0.attn_v",
            vec![DIM, HIDDEN],
            Q8_0,
        ),
        (
            format!("{layer}.self_attn.o_proj"),
            "blk.0.attn_output",
            vec![HIDDEN, 2 * DIM],
            Q8_0,
        ),
        (
            format!("{layer}.post_attention_layernorm"),
            "blk.0.ffn_norm",
            vec![HIDDEN],
            F32,
        ),
        (
            format!("{layer}.mlp.gate_proj"),
            "blk.0.ffn_gate",
            vec![64, HIDDEN],
            Q8_0,
        ),
        (
            format!("{layer}.mlp.up_proj"),
            "blk.0.ffn_up",
            vec![64, HIDDEN],
            F16,
        ),
        (
            format!("{layer}.mlp.down_proj"),
            "blk.0.ffn_down",
            vec![HIDDEN, 64],
            Q8_0,
        ),
        ("model.norm".to_owned(), "output_norm", vec![HIDDEN], F32),
    ]
    .into_iter()
    .enumerate()
    {
        let floats = values(shape.iter().product(), seed);
        let bytes = floats.iter().flat_map(|x| x.to_le_bytes()).collect();
        folder
            .tensors
            .insert(format!("{hub}.weight"), (Dtype::F32, shape.clone(), bytes));
        let stored = if name.ends_with("attn_q") || name.ends_with("attn_k") {
            side_by_side(&floats)
        } else {
            floats
        };
        let dimensions = shape.iter().rev().map(|&n| n as u64).collect();
        let bytes = stored_as(kind, &stored);
        file.tensors
            .push((format!("{name}.weight"), dimensions, kind, bytes));
    }
    (folder, file)
}

/// Rows of heads as llama.cpp has them: of each head the first of the first half, the first of the second, and
/// so on.
fn side_by_side(floats: &[f32]) -> Vec<f32> {
    let row = |head: usize, row: usize| &floats[(head * DIM + row) * HIDDEN..][..HIDDEN];
    let heads = floats.len() / (DIM * HIDDEN);
    (0..heads)
        .flat_map(|head| {
            (0..DIM / 2).flat_map(move |i| [row(head, i), row(head, DIM / 2 + i)].concat())
        })
        .collect()
}

fn stored_as(kind: u32, floats: &[f32]) -> Vec<u8> {
    match kind {
        F32 => floats.iter().flat_map(|x| x.to_le_bytes()).collect(),
        F16 => floats
            .iter()
            .flat_map(|x| f16::from_f32(*x).to_le_bytes())
            .collect(),
        BF16 => floats
            .iter()
            .flat_map(|x| bf16::from_f32(*x).to_le_bytes())
            .collect(),
        _ => floats
            .chunks(32)
            .flat_map(|block| {
                let mut bytes = f16::from_f32(1.0 / 64.0).to_le_bytes().to_vec();
                bytes.extend(block.iter().map(|x| ((x * 64.0) as i8).to_le_bytes()[0]));
                bytes
            })
            .collect(),
    }
}

fn read(file: &GgufFile) -> Result<FloatModel, ImportError> {
    FloatModel::from_gguf(file.bytes(), ImportOptions::default())
}

#[test]
fn a_file_is_the_model_of_the_equal_folder() {
    let (folder, mut file) = both();
    let expected = folder.read().unwrap();
    let mut model = read(&file).unwrap();
    assert_eq!(
        model.ignored,
        ["general.name", "tokenizer.ggml.padding_token_id"]
    );
    model.ignored.clear();
    assert_eq!(model, expected);
    assert_eq!(model.tokenizer.identity(), expected.tokenizer.identity());
    assert_eq!((model.norm_epsilon, model.rope.base), (1e-5, 1e5));

    // A chat template, with the names of tokens that both formats give it.
    let template = "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}";
    let directory = tempfile::tempdir().unwrap();
    folder.write(directory.path());
    let config = json!({"chat_template": template, "bos_token": "<bos>", "eos_token": "<eos>"});
    let path = directory.path().join("tokenizer_config.json");
    std::fs::write(path, config.to_string()).unwrap();
    let with_chat = FloatModel::read(directory.path()).unwrap().tokenizer;
    file.set("tokenizer.chat_template", Meta::Text(template.to_owned()));
    assert_eq!(read(&file).unwrap().tokenizer, with_chat);
    assert_ne!(with_chat, expected.tokenizer);

    // From disk; a head of its own; no token before a text; digits.
    file.set("tokenizer.ggml.add_bos_token", Meta::Flag(false));
    file.set("tokenizer.ggml.pre", Meta::Text("smollm".to_owned()));
    let floats = values(4 * HIDDEN, 99);
    let head = (
        "output.weight".to_owned(),
        vec![HIDDEN as u64, 4],
        F32,
        stored_as(F32, &floats),
    );
    file.tensors.push(head);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    std::fs::write(&path, file.bytes()).unwrap();
    let positions = Some(CacheCapacity::new(5).unwrap());
    let model = FloatModel::read_with(&path, ImportOptions { positions }).unwrap();
    assert_eq!(model.matrix(MatrixName::HEAD).weights, floats);
    assert_eq!(model.embedding, expected.embedding);
    assert_eq!(model.shape.positions(), 5);
    assert_eq!(model.tokenizer.begin(), None);
    assert_eq!(model.tokenizer.parts().words, Words::Gpt2Digits);
    assert_eq!(FloatModel::read_tokenizer(&path).unwrap(), model.tokenizer);
    // Padded behind the last tensor, as some writers do.
    file.tensors.swap(0, 11);
    let mut bytes = file.bytes();
    bytes.resize(bytes.len().next_multiple_of(32), 0);
    FloatModel::from_gguf(bytes, ImportOptions::default()).unwrap();
}

/// The names of two families say what their folders say with more words: the pattern, what is merged and what is
/// normalized, and that Llama 3 begins every text with a token unless the file says otherwise.
#[test]
fn ways_to_cut_texts_by_name() {
    for (name, words) in [("llama-bpe", Words::Llama3), ("qwen2", Words::Qwen2)] {
        let mut file = both().1;
        file.set("tokenizer.ggml.pre", Meta::Text(name.to_owned()));
        file.remove("tokenizer.ggml.add_bos_token");
        let tokenizer = read(&file).unwrap().tokenizer;
        let parts = tokenizer.parts();
        assert_eq!(parts.words, words);
        assert_eq!(parts.ignore_merges, words == Words::Llama3);
        assert_eq!(parts.nfc, words == Words::Qwen2);
        assert_eq!(tokenizer.begin().is_some(), words == Words::Llama3);
        file.set("tokenizer.ggml.add_bos_token", Meta::Flag(false));
        assert_eq!(read(&file).unwrap().tokenizer.begin(), None);
        // Tokens that are shown as text stand for themselves, too.
        let before = read(&file).unwrap().tokenizer;
        file.set("tokenizer.ggml.token_type", Meta::I32s(vec![3, 4, 1, 1]));
        assert_eq!(read(&file).unwrap().tokenizer, before);
    }
}

#[test]
fn metadata_that_changes_what_is_computed() {
    let text = |text: &str| Meta::Text(text.to_owned());
    for (key, value) in [
        ("general.architecture", text("mamba")),
        ("general.type", text("adapter")),
        ("general.quantization_version", Meta::U32(1)),
        ("split.count", Meta::U32(2)),
        ("llama.expert_count", Meta::U32(8)),
        ("llama.rope.scaling.type", text("yarn")),
        ("llama.rope.scaling.factor", Meta::F32(4.0)),
        ("llama.rope.dimension_count", Meta::U32(8)),
        ("llama.attention.value_length", Meta::U32(8)),
        ("tokenizer.ggml.model", text("llama")),
        ("tokenizer.ggml.pre", text("deepseek-llm")),
        ("tokenizer.ggml.add_space_prefix", Meta::Flag(true)),
        ("tokenizer.ggml.add_eos_token", Meta::Flag(true)),
    ] {
        let mut file = both().1;
        file.set(key, value);
        let refused = read(&file);
        assert!(
            matches!(&refused, Err(ImportError::Unsupported { feature, .. }) if feature.starts_with(key)),
            "{key}: {refused:?}"
        );
    }
    for key in ["llama.attention.scale", "tokenizer.ggml.no_such"] {
        let mut file = both().1;
        file.set(key, Meta::F32(1.0));
        assert!(matches!(
            read(&file),
            Err(ImportError::UnknownEntry { entry, .. }) if entry == key
        ));
    }
    for key in [
        "general.architecture",
        "llama.block_count",
        "llama.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.pre",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.token_type",
        "tokenizer.ggml.bos_token_id",
    ] {
        let mut file = both().1;
        file.remove(key);
        assert!(matches!(
            read(&file),
            Err(ImportError::MissingEntry { entry, .. }) if entry == key
        ));
    }
    for (key, value) in [
        ("llama.block_count", text("one")),
        ("llama.feed_forward_length", Meta::I32s(vec![64, 64])),
        ("llama.rope.freq_base", Meta::F32(f32::NAN)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::U32(0)),
        ("tokenizer.ggml.tokens", Meta::U32(4)),
        ("tokenizer.ggml.token_type", Meta::I32s(vec![3, 3, 1])),
        ("tokenizer.ggml.add_bos_token", Meta::U32(1)),
        ("general.alignment", Meta::U32(24)),
    ] {
        let mut file = both().1;
        file.set(key, value);
        let refused = read(&file);
        assert!(
            matches!(&refused, Err(ImportError::Gguf(GgufError::Form { part, .. })) if part == key),
            "{key}: {refused:?}"
        );
    }
}

#[test]
fn tokenizers_that_are_refused() {
    let mut file = both().1;
    file.set("tokenizer.ggml.token_type", Meta::I32s(vec![3, 3, 1, 5]));
    assert!(matches!(
        read(&file),
        Err(ImportError::Unsupported { feature, .. }) if feature == "token 3 of type 5"
    ));
    let mut file = both().1;
    file.set("tokenizer.ggml.merges", Meta::Texts(vec!["a b".to_owned()]));
    assert!(matches!(
        read(&file),
        Err(ImportError::Json {
            file: "GGUF file",
            ..
        })
    ));
    let mut file = both().1;
    file.set("tokenizer.ggml.eos_token_id", Meta::U32(7));
    assert!(matches!(
        read(&file),
        Err(ImportError::Tokenizer(TokenizerError::UnknownToken {
            got: 7,
            ..
        }))
    ));
    let mut file = both().1;
    file.set("llama.vocab_size", Meta::U32(5));
    assert!(matches!(
        read(&file),
        Err(ImportError::VocabularyMismatch {
            expected: 5,
            got: 4
        })
    ));
}

/// What follows from the shape is said before a tensor is read: the file lacks all of them.
#[test]
fn tensors_that_are_refused() {
    let header_of = |change: &dyn Fn(&mut GgufFile)| {
        let mut file = both().1;
        change(&mut file);
        read(&file).unwrap_err()
    };
    let lacks = |error: &ImportError, name: &str| matches!(error, ImportError::MissingTensor { tensor } if tensor == name);
    let error = header_of(&|file| {
        file.tensors.pop();
    });
    assert!(lacks(&error, "output_norm.weight"), "{error}");
    let error = header_of(&|file| file.tensor("blk.0.ffn_up.weight").1 = vec![64, 32]);
    assert!(
        matches!(&error, ImportError::WrongShape { expected, got, .. } if *expected == [64, 32] && *got == [32, 64]),
        "{error}"
    );
    let error = header_of(&|file| {
        let norm = file.tensor("output_norm.weight").clone();
        file.tensors
            .push(("blk.0.attn_q.bias".to_owned(), norm.1, norm.2, norm.3));
    });
    assert!(
        matches!(&error, ImportError::Unsupported { feature, .. } if feature.contains("attn_q.bias")),
        "{error}"
    );
    let error = header_of(&|file| {
        let norm = file.tensor("output_norm.weight").clone();
        file.tensors
            .push(("rope_freqs.weight".to_owned(), norm.1, norm.2, norm.3));
    });
    assert!(
        matches!(error, ImportError::UnknownTensor { tensor } if tensor == "rope_freqs.weight")
    );
    let error = header_of(&|file| file.tensor("blk.0.ffn_up.weight").2 = 10);
    assert!(
        matches!(&error, ImportError::Gguf(GgufError::TensorType { got, .. }) if got == "Q2_K"),
        "{error}"
    );
    assert!(error.to_string().contains("Q4_K"), "{error}");
    let error = header_of(&|file| file.tensor("blk.0.ffn_up.weight").2 = F32);
    assert!(matches!(error, ImportError::Gguf(GgufError::Layout { .. })));
    let error = header_of(&|file| file.tensor("blk.0.ffn_gate.weight").1 = vec![16, 128]);
    assert!(matches!(error, ImportError::Gguf(GgufError::Form { .. })));
    let error = header_of(&|file| {
        let norm = file.tensor("output_norm.weight");
        norm.3[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());
    });
    assert!(matches!(
        error,
        ImportError::Floats {
            reason: FloatError::NotFinite { index: 1, .. },
            ..
        }
    ));
}

#[test]
fn files_that_are_none() {
    let of = |bytes: &[u8]| match FloatModel::from_gguf(bytes.to_vec(), ImportOptions::default()) {
        Err(ImportError::Gguf(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(b"matchmark model\n"), GgufError::NotGguf);
    assert_eq!(of(b""), GgufError::NotGguf);
    let bytes = both().1.bytes();
    let mut other = bytes.clone();
    other[4] = 1;
    assert_eq!(of(&other), GgufError::Version { got: 1 });
    let mut twice = both().1;
    twice
        .metadata
        .push(("general.name".to_owned(), Meta::U32(1)));
    assert!(matches!(of(&twice.bytes()), GgufError::Duplicate { name } if name == "general.name"));
    let mut twice = both().1;
    let again = twice.tensors[1].clone();
    twice.tensors.push(again);
    assert!(
        matches!(of(&twice.bytes()), GgufError::Duplicate { name } if name == "blk.0.attn_norm.weight")
    );
    let mut longer = bytes.clone();
    longer.extend([0; 64]);
    assert!(matches!(of(&longer), GgufError::Length { .. }));
    let name = bytes.windows(4).position(|at| at == b"tiny").unwrap();
    let mut other = bytes.clone();
    other[name] = 0xff;
    assert_eq!(
        of(&other),
        GgufError::NotText {
            part: "general.name".to_owned(),
            at: name
        }
    );
    // Every length short of the whole.
    for length in 4..bytes.len() {
        let error = of(&bytes[..length]);
        assert!(
            matches!(
                error,
                GgufError::Truncated { .. } | GgufError::Length { .. }
            ),
            "{length}: {error}"
        );
    }
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n";
    assert!(matches!(
        FloatModel::from_gguf(pointer.into(), ImportOptions::default()),
        Err(ImportError::GitLfsPointer { .. })
    ));
}

/// Numbers of keys, tensors and bytes that nothing has; and every byte of the header changed.
#[test]
fn no_claim_is_believed() {
    let bytes = both().1.bytes();
    for at in [8, 16, 24] {
        let mut claims = bytes.clone();
        claims[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(FloatModel::from_gguf(claims, ImportOptions::default()).is_err());
    }
    let header = bytes.len() - 8_000;
    for at in 0..header {
        let mut changed = bytes.clone();
        changed[at] ^= [1, 0x80, 0xff][at % 3];
        let _ = FloatModel::from_gguf(changed, ImportOptions::default());
    }
}
