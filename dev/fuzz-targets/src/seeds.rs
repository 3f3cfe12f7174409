//! The seeds: small valid inputs, made from the committed segments.
use std::fs;
use std::io;
use std::path::Path;

use matchmark_models::Words;
use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, StepRange, ValueBits};
use matchmark_runtime::synthetic_trace;
use matchmark_tables::{Rational, WeightTable};
use safetensors::tensor::{Dtype, TensorView};

use gguf::{GgufFile, Meta};

use crate::samples;
use crate::targets::{SHARDED, SHARDS};

/// The writer of the tests of `matchmark-models`.
#[path = "../../../crates/models/tests/common/gguf.rs"]
mod gguf;

/// A seed of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Name of the target, which is that of the folder.
    pub target: &'static str,
    /// File name.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// All seeds, the same whenever they are made.
pub fn all() -> Vec<Seed> {
    let mut seeds = vec![];
    let mut add = |target, name: &str, bytes: Vec<u8>| {
        let name = name.to_owned();
        seeds.push(Seed {
            target,
            name,
            bytes,
        });
    };
    let mut which = 0;
    for sample in samples::all() {
        let name = sample.name;
        add("segment_file", name, sample.bytes.to_vec());
        add("verify", name, sample.bytes.to_vec());
        add("statement", name, sample.file.statement().encode());
        add("policy", name, sample.policy_text.into());
        for bytes in sample.proofs() {
            add(
                "proof",
                &format!("{name}-{which}"),
                [&[which], bytes].concat(),
            );
            which += 1;
        }
    }
    for (name, place) in [
        ("first-sum", 0_u32),
        ("nothing", u32::MAX),
        ("inside", 2500),
    ] {
        let edit = [place.to_le_bytes(), 7_u32.to_le_bytes()].concat();
        let bytes = if place == u32::MAX { vec![] } else { edit };
        add("reground", name, bytes);
    }
    let custom = WeightTable::custom(vec![8, 4, 2, 1], "halves").unwrap();
    let third = WeightTable::exponential(Rational::new(1, 3).unwrap(), 6, 20).unwrap();
    for (name, table) in [
        ("custom", custom),
        ("essay9", WeightTable::essay9()),
        ("exponential", third),
    ] {
        add("table", name, table.to_text().into_bytes());
    }
    for (name, bits, steps) in [("trace-8", 8, [0, 2]), ("trace-12", 12, [2, 1])] {
        add("tensors", name, [&[0x14], &trace(bits, steps)[..]].concat());
    }
    let floats = ["k", "output", "q", "v"].map(|name| (name.to_owned(), vec![1, 3, 2]));
    for (name, dtype) in [("floats", Dtype::F32), ("doubles", Dtype::F64)] {
        let file = safetensors(&floats, dtype);
        add("tensors", name, [&[0x14], &file[..]].concat());
    }
    let weights = weights();
    let whole = safetensors(&weights, Dtype::F32);
    add("import", "tiny", folder(0, &tokenizer(LEVEL), &[&whole]));
    let digits = format!(
        r#"{{"type":"Sequence","pretokenizers":[{{"type":"Digits","individual_digits":true}},{LEVEL}]}}"#
    );
    let parts = weights.split_at(5);
    let [a, b] = [parts.0, parts.1].map(|part| safetensors(part, Dtype::F32));
    let index = index([parts.0, parts.1]);
    let files = [index.as_bytes(), &a, &b];
    add(
        "import",
        "sharded",
        folder(SHARDED, &tokenizer(&digits), &files),
    );
    add("import", "normalized", folder(0, &normalized(), &[&whole]));
    add("import", "gguf", gguf_file(&weights).bytes());
    seeds
}

/// The GGUF file of the same model, with a chat template.
fn gguf_file(weights: &[(String, Vec<usize>)]) -> GgufFile {
    let text = |text: &str| Meta::Text(text.to_owned());
    let texts = |texts: &[&str]| Meta::Texts(texts.iter().map(|&text| text.to_owned()).collect());
    let mut file = GgufFile {
        metadata: vec![],
        tensors: vec![],
    };
    for (key, value) in [
        ("general.architecture", text("llama")),
        ("llama.block_count", Meta::U32(1)),
        ("llama.context_length", Meta::U32(8)),
        ("llama.embedding_length", Meta::U32(4)),
        ("llama.feed_forward_length", Meta::U32(6)),
        ("llama.attention.head_count", Meta::U32(2)),
        ("llama.attention.head_count_kv", Meta::U32(1)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        (
            "tokenizer.ggml.tokens",
            texts(&["<bos>", "<eos>", "a", "aa"]),
        ),
        ("tokenizer.ggml.token_type", Meta::I32s(vec![3, 3, 1, 1])),
        ("tokenizer.ggml.merges", texts(&["a a"])),
        ("tokenizer.ggml.bos_token_id", Meta::U32(0)),
        ("tokenizer.ggml.eos_token_id", Meta::U32(1)),
        ("tokenizer.ggml.add_bos_token", Meta::Flag(true)),
        ("tokenizer.chat_template", text("{{ messages[0].content }}")),
    ] {
        file.set(key, value);
    }
    let mut values = (0_u8..24).cycle().map(|x| f32::from(x) / 8.0 - 1.25);
    for (name, shape) in weights {
        let name = [
            ("model.embed_tokens", "token_embd"),
            ("model.norm", "output_norm"),
            ("lm_head", "output"),
            ("model.layers", "blk"),
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.o_proj", "attn_output"),
            ("self_attn.", "attn_"),
            ("mlp.", "ffn_"),
            ("_proj", ""),
        ]
        .iter()
        .fold(name.clone(), |name, (from, to)| name.replace(from, to));
        let dimensions = shape.iter().rev().map(|&n| n as u64).collect();
        let values = values.by_ref().take(shape.iter().product());
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        file.tensors.push((name, dimensions, 0, bytes));
    }
    file
}

/// Writes all seeds below a folder.
///
/// # Errors
/// A file that cannot be written.
pub fn write(root: &Path) -> io::Result<()> {
    for seed in all() {
        let folder = root.join(seed.target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(&seed.name), &seed.bytes)?;
    }
    Ok(())
}

/// A trace of two query heads over one key/value head.
fn trace(bits: u8, [before, steps]: [u32; 2]) -> Vec<u8> {
    let shape = AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(4).unwrap(),
    );
    let steps = StepRange::new(before, steps).unwrap();
    let bits = ValueBits::new(bits).unwrap();
    let trace = synthetic_trace(shape.unwrap(), bits, steps, 1).unwrap();
    trace.encode().unwrap()
}

/// A file of float tensors.
fn safetensors(tensors: &[(String, Vec<usize>)], dtype: Dtype) -> Vec<u8> {
    let mut values = (0_u8..24).cycle().map(|x| f32::from(x) / 8.0 - 1.25);
    let data = tensors.iter().map(|(_, shape)| -> Vec<u8> {
        let values = values.by_ref().take(shape.iter().product());
        match dtype {
            Dtype::F64 => values.flat_map(|x| f64::from(x).to_le_bytes()).collect(),
            _ => values.flat_map(f32::to_le_bytes).collect(),
        }
    });
    let data: Vec<Vec<u8>> = data.collect();
    let views = tensors.iter().zip(&data).map(|((name, shape), data)| {
        let view = TensorView::new(dtype, shape.clone(), data).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize(views, &None).unwrap()
}

/// An input of the target `import`: `files` are all but configuration and tokenizer.
fn folder(flags: u32, tokenizer: &str, files: &[&[u8]]) -> Vec<u8> {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
    let config = config();
    let mut bytes = (length(config.as_bytes()) | flags).to_le_bytes().to_vec();
    bytes.extend(length(tokenizer.as_bytes()).to_le_bytes());
    bytes.extend_from_slice(config.as_bytes());
    bytes.extend_from_slice(tokenizer.as_bytes());
    for (number, file) in files.iter().enumerate() {
        if number + 1 < files.len() {
            bytes.extend(length(file).to_le_bytes());
        }
        bytes.extend_from_slice(file);
    }
    bytes
}

/// The index of weights in two files.
fn index(parts: [&[(String, Vec<usize>)]; 2]) -> String {
    let entries: Vec<String> = parts
        .iter()
        .zip(SHARDS)
        .flat_map(|(part, file)| {
            part.iter()
                .map(move |(name, _)| format!(r#""{name}":"{file}""#))
        })
        .collect();
    format!(
        r#"{{"metadata":{{"total_size":1}},"weight_map":{{{}}}}}"#,
        entries.join(",")
    )
}

/// The step of byte level.
const LEVEL: &str =
    r#"{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}"#;

/// The configuration of a decoder of one layer.
fn config() -> String {
    r#"{"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":4,"hidden_size":4,
"num_attention_heads":2,"num_key_value_heads":1,"head_dim":2,"num_hidden_layers":1,
"intermediate_size":6,"max_position_embeddings":8,"hidden_act":"silu","rms_norm_eps":1e-5,
"rope_theta":10000.0,"bos_token_id":0,"eos_token_id":1}"#
        .to_owned()
}

/// Its tokenizer, which knows the letter `a`.
fn tokenizer(pre_tokenizer: &str) -> String {
    let special = |id: u32, content: &str| {
        format!(
            r#"{{"id":{id},"content":"{content}","single_word":false,"lstrip":false,"rstrip":false,
"normalized":false,"special":true}}"#
        )
    };
    let added = [special(0, "<bos>"), special(1, "<eos>")].join(",");
    format!(
        r#"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[{added}],
"normalizer":null,"pre_tokenizer":{pre_tokenizer},"post_processor":null,"decoder":{LEVEL},
"model":{{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
"end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
"vocab":{{"<bos>":0,"<eos>":1,"a":2,"aa":3}},"merges":["a a"]}}}}"#
    )
}

/// The same, cut by a pattern, of normalized text, where words that are tokens are not merged.
fn normalized() -> String {
    // No character of it is escaped otherwise in JSON.
    let pattern = format!("{:?}", Words::Qwen2.pattern().unwrap_or_default());
    let level = LEVEL.replace(r#""use_regex":true"#, r#""use_regex":false"#);
    let steps = format!(
        r#"{{"type":"Sequence","pretokenizers":[{{"type":"Split","pattern":{{"Regex":{pattern}}},
"behavior":"Isolated","invert":false}},{level}]}}"#
    );
    let form = r#""normalizer":{"type":"NFC"}"#;
    tokenizer(&steps)
        .replacen(r#""normalizer":null"#, form, 1)
        .replacen(r#""ignore_merges":false"#, r#""ignore_merges":true"#, 1)
}

/// Its weights: names and shapes.
fn weights() -> Vec<(String, Vec<usize>)> {
    let layer =
        |name: &str, shape: &[usize]| (format!("model.layers.0.{name}.weight"), shape.to_vec());
    let other = |name: &str, shape: &[usize]| (format!("{name}.weight"), shape.to_vec());
    vec![
        other("model.embed_tokens", &[4, 4]),
        layer("input_layernorm", &[4]),
        layer("self_attn.q_proj", &[4, 4]),
        layer("self_attn.k_proj", &[2, 4]),
        layer("self_attn.v_proj", &[2, 4]),
        layer("self_attn.o_proj", &[4, 4]),
        layer("post_attention_layernorm", &[4]),
        layer("mlp.gate_proj", &[6, 4]),
        layer("mlp.up_proj", &[6, 4]),
        layer("mlp.down_proj", &[4, 6]),
        other("model.norm", &[4]),
        other("lm_head", &[4, 4]),
    ]
}
