//! Import and float forward pass of the fixtures, against reference values made elsewhere.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::path::PathBuf;

use matchmark_models::{execute_float, FloatModel, Tokenizer, TokenizerError, Words};
use serde::Deserialize;
use serde_json::{json, Value};

#[derive(Deserialize)]
struct Golden {
    prompts: Vec<Prompt>,
    perplexity: Perplexity,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
    prompt_ids: Vec<u32>,
    greedy_ids: Vec<u32>,
    greedy_text: String,
    top5: Vec<Top>,
}

#[derive(Deserialize)]
struct Top {
    position: usize,
    ids: Vec<u32>,
    logits: Vec<f64>,
}

#[derive(Deserialize)]
struct Perplexity {
    tokens: usize,
    nats_per_token: f64,
}

const MODELS: [&str; 2] = ["stories-2m", "stories-gqa-tiny"];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn golden(name: &str) -> Golden {
    let bytes = std::fs::read(folder(name).join("golden.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn argmax(logits: &[f64]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    u32::try_from(best.unwrap().0).unwrap()
}

/// Logits are given with five decimals, in 32-bit floats, which are off by up to 2.2e-5.
#[test]
fn logits_and_greedy_continuations() {
    for name in MODELS {
        let model = FloatModel::read(&folder(name)).unwrap();
        let vocabulary = model.shape.vocabulary();
        for prompt in golden(name).prompts {
            let ids = model.tokenizer.encode(&prompt.prompt).unwrap();
            assert_eq!(ids, prompt.prompt_ids);
            let greedy = model.tokenizer.decode(&prompt.greedy_ids).unwrap();
            assert_eq!(String::from_utf8(greedy).unwrap(), prompt.greedy_text);

            let all = [ids.clone(), prompt.greedy_ids.clone()].concat();
            let run = execute_float(&model, &all).unwrap();
            let rows: Vec<&[f64]> = run.logits.chunks_exact(vocabulary).collect();
            for top in prompt.top5 {
                for (&id, &expected) in top.ids.iter().zip(&top.logits) {
                    let got = rows[top.position][id as usize];
                    assert!((got - expected).abs() < 5e-5, "{name} {got} {expected}");
                }
                assert_eq!(argmax(rows[top.position]), top.ids[0]);
            }
            for (index, &expected) in prompt.greedy_ids.iter().enumerate() {
                assert_eq!(
                    argmax(rows[ids.len() - 1 + index]),
                    expected,
                    "{name} {index}"
                );
            }
        }
    }
}

#[test]
fn perplexity_of_the_held_out_text() {
    let text = std::fs::read_to_string(folder("eval.txt")).unwrap();
    for name in MODELS {
        let model = FloatModel::read(&folder(name)).unwrap();
        let (mut nats, mut tokens) = (0.0, 0);
        for line in text.lines() {
            let mut ids = model.tokenizer.encode(line).unwrap();
            ids.extend(model.tokenizer.end());
            let run = execute_float(&model, &ids).unwrap();
            let rows = run.logits.chunks_exact(model.shape.vocabulary());
            for (row, &next) in rows.zip(&ids[1..]) {
                let maximum = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = row.iter().map(|x| (x - maximum).exp()).sum();
                nats += sum.ln() + maximum - row[next as usize];
                tokens += 1;
            }
        }
        let expected = golden(name).perplexity;
        assert_eq!(tokens, expected.tokens);
        let got = nats / f64::from(tokens as u32);
        assert!((got - expected.nats_per_token).abs() < 2e-6, "{name} {got}");
    }
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    /// What the tokens stand for, where that is not the text.
    decoded: Option<String>,
}

fn check_cases(tokenizer: &Tokenizer, name: &str, count: usize) {
    let bytes = std::fs::read(folder(name)).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(cases.len(), count);
    for Case { text, ids, decoded } in cases {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
        // The limit on tokens is met exactly.
        assert_eq!(tokenizer.encode_at_most(&text, ids.len()).unwrap(), ids);
        let limit = ids.len() - 1;
        let refused = tokenizer.encode_at_most(&text, limit);
        assert_eq!(refused, Err(TokenizerError::TooManyTokens { limit }));
        if !["<pad>", "<bos>", "<eos>"]
            .iter()
            .any(|name| text.contains(name))
        {
            let expected = decoded.as_ref().unwrap_or(&text);
            assert_eq!(tokenizer.decode(&ids).unwrap(), expected.as_bytes());
        }
    }
}

/// Texts with the tokens that the tokenizer's own library gives them: white space of all kinds, scripts,
/// contractions, names of special tokens, and two hundred texts drawn at random.
#[test]
fn tokens_are_those_of_the_library() {
    let model = FloatModel::read(&folder("stories-2m")).unwrap();
    check_cases(&model.tokenizer, "tokenizer-cases.json", 224);
}

/// The tokenizer of `stories-2m` with a change.
fn changed(change: impl Fn(&mut Value)) -> Tokenizer {
    let (from, to) = (folder("stories-2m"), tempfile::tempdir().unwrap());
    std::fs::copy(from.join("config.json"), to.path().join("config.json")).unwrap();
    let text = std::fs::read_to_string(from.join("tokenizer.json")).unwrap();
    let mut tokenizer: Value = serde_json::from_str(&text).unwrap();
    change(&mut tokenizer);
    std::fs::write(to.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    FloatModel::read_tokenizer(to.path()).unwrap()
}

/// The same tokenizer, but that every digit is cut off first: more texts, with digits of all kinds.
#[test]
fn tokens_of_single_digits_are_those_of_the_library() {
    let tokenizer = changed(|it| {
        let level = it["pre_tokenizer"].take();
        let digits = json!({"type": "Digits", "individual_digits": true});
        it["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [digits, level]});
    });
    check_cases(&tokenizer, "tokenizer-cases-digits.json", 240);
}

/// The pattern of a file in the place of GPT-2's.
fn split(tokenizer: &mut Value, words: Words) -> Value {
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let pattern = json!({"Regex": words.pattern().unwrap()});
    let split =
        json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false});
    tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, level]});
    level
}

/// Llama 3's pattern, a post-processor of two steps, and words that are tokens but that no merges give.
#[test]
fn tokens_by_the_pattern_of_llama_are_those_of_the_library() {
    let tokenizer = changed(|it| {
        let level = split(it, Words::Llama3);
        it["model"]["ignore_merges"] = json!(true);
        it["model"]["merges"].as_array_mut().unwrap().truncate(300);
        let template = it["post_processor"].take();
        it["post_processor"] = json!({"type": "Sequence", "processors": [level, template]});
    });
    assert!(tokenizer.parts().ignore_merges);
    check_cases(&tokenizer, "tokenizer-cases-llama3.json", 256);
}

/// Qwen2's pattern, and texts that are not in the form that they are put into.
#[test]
fn tokens_of_normalized_texts_are_those_of_the_library() {
    let tokenizer = changed(|it| {
        split(it, Words::Qwen2);
        it["normalizer"] = json!({"type": "NFC"});
    });
    assert!(tokenizer.parts().nfc);
    check_cases(&tokenizer, "tokenizer-cases-qwen2.json", 256);
}

/// A tokenizer as the library writes it after training, of the tiny models of the family Qwen2.
#[test]
fn tokens_of_a_trained_tokenizer() {
    #[derive(Deserialize)]
    struct Reference {
        sequences: Vec<Case>,
    }
    let to = tempfile::tempdir().unwrap();
    let (config, tokenizer) = ("config.json", "tokenizer.json");
    let from = folder("qwen2-tiny");
    std::fs::copy(from.join(tokenizer), to.path().join(tokenizer)).unwrap();
    // Of the configuration, what concerns a tokenizer is the same in all families.
    let text = std::fs::read_to_string(folder("stories-2m").join(config)).unwrap();
    let mut llama: Value = serde_json::from_str(&text).unwrap();
    let text = std::fs::read_to_string(from.join(config)).unwrap();
    let qwen: Value = serde_json::from_str(&text).unwrap();
    for entry in ["vocab_size", "bos_token_id", "eos_token_id"] {
        llama[entry] = qwen[entry].clone();
    }
    std::fs::write(to.path().join(config), llama.to_string()).unwrap();
    let tokenizer = FloatModel::read_tokenizer(to.path()).unwrap();
    let bytes = std::fs::read(folder("qwen2-tiny").join("reference.json")).unwrap();
    let reference: Reference = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(reference.sequences.len(), 3);
    for Case { text, ids, .. } in reference.sequences {
        assert_eq!(tokenizer.encode(&text).unwrap(), ids, "{text:?}");
    }
}

/// A text of half a million bytes without a space: one word, whose merging took a time that grew with its
/// square. A limit ends it before it begins.
#[test]
fn a_long_word() {
    let tokenizer = FloatModel::read_tokenizer(&folder("stories-2m")).unwrap();
    let text = "theonceuponatime".repeat(30_000);
    let tokens = tokenizer.encode(&text).unwrap();
    assert_eq!(tokenizer.decode(&tokens).unwrap(), text.as_bytes());
    let refused = tokenizer.encode_at_most(&text, 256);
    assert_eq!(refused, Err(TokenizerError::TooManyTokens { limit: 256 }));
}
