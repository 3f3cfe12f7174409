//! Import and float forward pass of the fixtures, against reference values made elsewhere.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::path::PathBuf;

use matchmark_model::{execute_float, FloatModel};
use serde::Deserialize;

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
}

/// Texts with the tokens that the tokenizer's own library gives them: white space of all kinds, scripts,
/// contractions, names of special tokens, and two hundred texts drawn at random.
#[test]
fn tokens_are_those_of_the_library() {
    let model = FloatModel::read(&folder("stories-2m")).unwrap();
    let bytes = std::fs::read(folder("tokenizer-cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(cases.len(), 224);
    for Case { text, ids } in cases {
        assert_eq!(model.tokenizer.encode(&text).unwrap(), ids, "{text:?}");
        if !["<pad>", "<bos>", "<eos>"]
            .iter()
            .any(|name| text.contains(name))
        {
            assert_eq!(model.tokenizer.decode(&ids).unwrap(), text.as_bytes());
        }
    }
}
