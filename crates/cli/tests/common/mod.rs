//! The command under test, and tiny inputs for it.
#![allow(dead_code, clippy::unwrap_used)] // Not every test file uses all of it.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Output};

use camino::{Utf8Path, Utf8PathBuf};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{json, Value};
use tempfile::TempDir;

use gguf::{GgufFile, Meta};

#[path = "../../../models/tests/common/gguf.rs"]
pub mod gguf;

/// A directory that is removed at the end.
pub struct Place {
    _guard: TempDir,
    pub path: Utf8PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let guard = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
        Self {
            _guard: guard,
            path,
        }
    }

    pub fn join(&self, name: &str) -> Utf8PathBuf {
        self.path.join(name)
    }

    /// Proves the tiny trace of `seed` at `insecure-13`.
    pub fn prove(&self, name: &str, seed: u64, options: &[&str]) -> Utf8PathBuf {
        let trace = self.join(&format!("{name}.safetensors"));
        TraceFile::tiny(seed).write(&trace);
        let out = self.join(name);
        let mut args = vec![
            "prove",
            "--trace",
            trace.as_str(),
            "--out",
            out.as_str(),
            "--security",
            "insecure-13",
        ];
        args.extend(options);
        expect(&args, 0);
        out
    }

    /// Writes the policy of a chain.
    pub fn policy(&self, chain: &Utf8Path) -> Utf8PathBuf {
        let policy = Utf8PathBuf::from(format!("{chain}.policy.toml"));
        expect(&["policy", chain.as_str(), "--to", policy.as_str()], 0);
        policy
    }
}

pub fn matchmark() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matchmark"));
    command.env_remove("MATCHMARK_LOG");
    command
}

/// Runs the command; it must end with this code.
pub fn expect(args: &[&str], code: i32) -> Output {
    let output = matchmark().args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
    output
}

/// Runs the command with `--json`; it must end with this code and print exactly one object.
pub fn expect_json(args: &[&str], code: i32) -> Value {
    let mut args = args.to_vec();
    args.push("--json");
    let output = expect(&args, code);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: &[&str] = match code {
        0 => &["done", "accepted"],
        1 => &["rejected"],
        2 => &["wrong-use"],
        3 => &["environment"],
        _ => &["not-yet"],
    };
    let kind = value["kind"].as_str().unwrap();
    assert!(kinds.contains(&kind), "{args:?}: {kind}");
    // Who fails says why, and who does not has nothing to say.
    assert_eq!(value["error"].is_object(), code != 0, "{args:?}");
    value
}

/// Runs the command; it must fail with this code and name all of `words`.
pub fn expect_error(args: &[&str], code: i32, words: &[&str]) {
    let value = expect_json(args, code);
    let message = value["error"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{message:?} does not name {word:?}");
    }
    assert!(value["error"]["kind"].is_string());
    // Without --json: nothing on standard output, the reason on standard error.
    let output = expect(args, code);
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(words.iter().all(|word| stderr.contains(word)), "{stderr}");
}

/// Runs `verify`; it must reject and name all of `words`.
pub fn expect_rejected(chain: &Utf8Path, policy: &Utf8Path, words: &[&str]) {
    expect_refused(chain, policy, 1, words);
}

/// Runs `verify`; it must not accept, end with this code and name all of `words`.
pub fn expect_refused(chain: &Utf8Path, policy: &Utf8Path, code: i32, words: &[&str]) {
    let verify = ["verify", chain.as_str(), "--policy", policy.as_str()];
    let value = expect_json(&verify, code);
    assert_eq!(value["accepted"], json!(false));
    let reason = value["reason"].as_str().unwrap();
    assert_eq!(value["error"]["message"], reason);
    assert!(value["error"]["variant"].is_string());
    for word in words {
        assert!(reason.contains(word), "{reason:?} does not name {word:?}");
    }
}

/// A safetensors file.
#[derive(Clone)]
pub struct TraceFile {
    pub tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)>,
    pub metadata: HashMap<String, String>,
}

impl TraceFile {
    pub fn empty() -> Self {
        Self {
            tensors: vec![],
            metadata: HashMap::new(),
        }
    }

    /// 2 query heads, 1 key/value head, dimension 8, 2 entries of prefix, 6 steps.
    pub fn tiny(seed: u64) -> Self {
        Self::shaped(seed, 2, 1, 8, 2, 6)
    }

    pub fn shaped(seed: u64, h: usize, g: usize, d: usize, p: usize, s: usize) -> Self {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let mut file = Self::empty();
        for (name, heads, rows) in [
            ("q", h, s),
            ("k", g, s),
            ("v", g, s),
            ("prefix_k", g, p),
            ("prefix_v", g, p),
        ] {
            let values = (0..heads * rows * d)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1);
                    // -127 to 127 as two's complement.
                    let value = i16::try_from((state >> 33) % 255).unwrap() - 127;
                    value.to_le_bytes()[0]
                })
                .collect();
            file.tensors
                .push((name.to_owned(), Dtype::I8, vec![heads, rows, d], values));
        }
        file
    }

    pub fn tensor(&mut self, name: &str) -> &mut (String, Dtype, Vec<usize>, Vec<u8>) {
        self.tensors
            .iter_mut()
            .find(|tensor| tensor.0 == name)
            .unwrap()
    }

    pub fn without(mut self, name: &str) -> Self {
        self.tensors.retain(|tensor| tensor.0 != name);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let views = self.tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).unwrap();
            (name, view)
        });
        safetensors::serialize(views, &Some(self.metadata.clone())).unwrap()
    }

    pub fn write(&self, path: &Utf8Path) {
        fs::write(path, self.bytes()).unwrap();
    }
}

/// Everything below a directory, sorted.
pub fn tree(directory: &Utf8Path) -> Vec<String> {
    let mut names = vec![];
    for entry in directory.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        names.push(entry.path().to_string());
        if entry.file_type().unwrap().is_dir() {
            names.extend(tree(entry.path()));
        }
    }
    names.sort();
    names
}

pub fn segment(chain: &Utf8Path, index: u32) -> Utf8PathBuf {
    chain.join(format!("segments/{index:06}.segment"))
}

/// A pointer of git-lfs, as a clone has it in the place of a large file.
pub const LFS_POINTER: &str =
    "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4264616\n";

/// The folder of a tiny trained model, whose vocabulary is two special tokens, `a` and `aa`.
pub fn trained_model(folder: &Utf8Path) {
    fs::create_dir_all(folder).unwrap();
    let special = |id: u32, content: &str| {
        json!({ "id": id, "content": content, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true })
    };
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false });
    let digits = json!({ "type": "Digits", "individual_digits": true });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "<bos>"), special(1, "<eos>")],
        "normalizer": null,
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [digits, level] },
        "post_processor": null, "decoder": level,
        "model": { "type": "BPE", "vocab": { "<bos>": 0, "<eos>": 1, "a": 2, "aa": 3 }, "merges": ["a a"] },
    });
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 4,
        "hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 2,
        "num_hidden_layers": 1, "intermediate_size": 6, "max_position_embeddings": 8,
        "hidden_act": "silu", "rms_norm_eps": 1e-5, "eos_token_id": 1,
        "tie_word_embeddings": true, "is_llama_config": true, "rope_interleaved": false,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    trained_weights(|_| true).write(&folder.join("model.safetensors"));
}

/// The GGUF file of the model of [`trained_model`].
pub fn trained_gguf(path: &Utf8Path) {
    let text = |text: &str| Meta::Text(text.to_owned());
    let mut file = GgufFile {
        metadata: vec![],
        tensors: vec![],
    };
    for (key, value) in [
        ("general.architecture", text("llama")),
        ("general.name", text("tiny")),
        ("llama.block_count", Meta::U32(1)),
        ("llama.context_length", Meta::U32(8)),
        ("llama.embedding_length", Meta::U32(4)),
        ("llama.feed_forward_length", Meta::U32(6)),
        ("llama.attention.head_count", Meta::U32(2)),
        ("llama.attention.head_count_kv", Meta::U32(1)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("smollm")),
        (
            "tokenizer.ggml.tokens",
            Meta::Texts(["<bos>", "<eos>", "a", "aa"].map(str::to_owned).to_vec()),
        ),
        ("tokenizer.ggml.token_type", Meta::I32s(vec![3, 3, 1, 1])),
        ("tokenizer.ggml.merges", Meta::Texts(vec!["a a".to_owned()])),
        ("tokenizer.ggml.eos_token_id", Meta::U32(1)),
    ] {
        file.set(key, value);
    }
    for (name, _, shape, bytes) in trained_weights(|_| true).tensors {
        // Heads of two rows are in the same order in both formats.
        let name = [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("model.layers", "blk"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.o_proj", "attn_output"),
            ("self_attn.", "attn_"),
            ("mlp.", "ffn_"),
            ("_proj", ""),
        ]
        .iter()
        .fold(name, |name, (from, to)| name.replace(from, to));
        let dimensions = shape.iter().rev().map(|&n| n as u64).collect();
        file.tensors.push((name, dimensions, 0, bytes));
    }
    fs::write(path, file.bytes()).unwrap();
}

/// Those of its weights whose names are chosen.
pub fn trained_weights(chosen: impl Fn(&str) -> bool) -> TraceFile {
    let mut file = TraceFile::empty();
    for (name, shape) in [
        ("embed_tokens", &[4usize, 4][..]),
        ("layers.0.input_layernorm", &[4]),
        ("layers.0.self_attn.q_proj", &[4, 4]),
        ("layers.0.self_attn.k_proj", &[2, 4]),
        ("layers.0.self_attn.v_proj", &[2, 4]),
        ("layers.0.self_attn.o_proj", &[4, 4]),
        ("layers.0.post_attention_layernorm", &[4]),
        ("layers.0.mlp.gate_proj", &[6, 4]),
        ("layers.0.mlp.up_proj", &[6, 4]),
        ("layers.0.mlp.down_proj", &[4, 6]),
        ("norm", &[4]),
    ] {
        let name = format!("model.{name}.weight");
        if chosen(&name) {
            let values = (0u8..24).take(shape.iter().product());
            let bytes = values.flat_map(|i| (f32::from(i) * 0.25 - 0.5).to_le_bytes());
            let tensor = (name, Dtype::F32, shape.to_vec(), bytes.collect());
            file.tensors.push(tensor);
        }
    }
    file
}
