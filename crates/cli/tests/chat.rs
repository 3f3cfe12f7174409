//! Conversations: proven as tokens that the chat template gives, and had without a proof.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write as _;
use std::process::{Output, Stdio};

use camino::Utf8PathBuf;
use common::{expect, expect_error, expect_json, matchmark, Place};
use matchmark_graph::ModelShape;
use matchmark_models::{
    synthetic_arithmetic, synthetic_model, ChatTemplate, IntegerModel, Tokenizer,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use serde_json::{json, Value};

/// One layer, 40 positions, a token for each printable character, one that begins every text and one that ends it.
fn model(template: Option<&str>) -> IntegerModel {
    let attention = AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(6).unwrap(),
    );
    let shape = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(12).unwrap(),
        attention.unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(100).unwrap(),
        CacheCapacity::new(40).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    let mut parts = synthetic_model(shape, arithmetic, 5).unwrap().into_parts();
    let mut tokenizer = parts.tokenizer.parts().clone();
    let name = |token: usize| String::from_utf8(tokenizer.pieces[token].clone()).unwrap();
    let (begin, end) = (name(0), name(1));
    tokenizer.chat =
        template.map(|template| ChatTemplate::new(template, Some(begin), Some(end)).unwrap());
    // An answer goes on for as long as it may.
    tokenizer.ends.clear();
    parts.tokenizer = Tokenizer::new(tokenizer).unwrap();
    IntegerModel::new(parts).unwrap()
}

const TEMPLATE: &str = "{% for m in messages %}{{ m.role[0] }}{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}a{% endif %}";

fn save(place: &Place, template: Option<&str>) -> Utf8PathBuf {
    let path = place.join("model.mm");
    model(template).save(path.as_std_path()).unwrap();
    path
}

#[test]
fn an_answer_is_proven_and_verified() {
    let place = Place::new();
    let model = save(&place, Some(TEMPLATE));
    let (key, out) = (place.join("key.vk"), place.join("chain"));
    let policy = place.join("policy.toml");
    let mut args = vec!["keygen", "--model", model.as_str(), "--to", key.as_str()];
    args.extend(["--security", "insecure-13", "--segment-steps", "16"]);
    expect(&args, 0);
    let said = ["--chat", "<eos>?", "--system", "Be."];
    let common = ["--tokens", "3", "--security", "insecure-13"];
    let with_key = ["--key", key.as_str(), "--tokenizer", model.as_str()];

    let args = [
        &["prove", "--model", model.as_str(), "--out", out.as_str()],
        &said[..],
        &common[..],
    ];
    let proved = expect_json(&args.concat(), 0);
    let tokens = &proved["tokens"]["prompt"];
    // What a user writes ends no message: two do, and both are the template's.
    let ends = tokens.as_array().unwrap().iter();
    assert_eq!(ends.filter(|token| **token == json!(1)).count(), 2);
    assert_eq!(proved["tokens"]["prompt_text"], "sBe.u<eos>?a");

    let args = [
        &["policy", "--to", policy.as_str()],
        &with_key[..],
        &said,
        &common,
    ];
    expect(&args.concat(), 0);
    let args = ["verify", out.as_str(), "--policy", policy.as_str()];
    let verified = expect_json(&[&args[..], &with_key, &said].concat(), 0);
    assert_eq!(verified["tokens"]["decoded"], proved["tokens"]["decoded"]);
    let other = ["--chat", "Hi", "--system", "Be."];
    expect_error(&[&args[..], &with_key, &other].concat(), 2, &["prompt"]);
    let alone = [&["verify", out.as_str()], &with_key[..], &said, &common].concat();
    expect_json(&alone, 0);
    // Without instructions it is another conversation.
    let less = [
        &["verify", out.as_str()],
        &with_key[..],
        &said[..2],
        &common,
    ]
    .concat();
    expect_json(&less, 1);
}

#[test]
fn plans_and_checks_take_a_conversation_too() {
    let place = Place::new();
    let model = save(&place, Some(TEMPLATE));
    let mock = [
        "mock",
        "--model",
        model.as_str(),
        "--chat",
        "Hi",
        "--tokens",
        "2",
    ];
    // "uHi", the end of a message, "a", and one of two that are chosen.
    assert_eq!(expect_json(&mock, 0)["steps"], json!(6));
    let both = [&mock[..], &["--prompt", "Hi"]].concat();
    expect(&both, 2);
    let alone = [
        "mock",
        "--model",
        model.as_str(),
        "--system",
        "Be.",
        "--tokens",
        "2",
    ];
    expect(&alone, 2);
}

#[test]
fn models_that_were_not_made_for_conversations() {
    let place = Place::new();
    let model = save(&place, None);
    let out = place.join("chain");
    let prove = ["prove", "--model", model.as_str(), "--out", out.as_str()];
    let prove = [&prove[..], &["--chat", "Hi", "--tokens", "1"]].concat();
    expect_error(&prove, 2, &["no chat template", "--prompt"]);
    assert!(!out.exists());
    let output = talk(&["--model", model.as_str()], "Hi\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

/// Runs `chat` on these lines.
fn talk(args: &[&str], lines: &str) -> Output {
    let mut command = matchmark();
    command.arg("chat").args(args);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn answers_in_a_pipe() {
    let place = Place::new();
    let model = save(&place, Some(TEMPLATE));
    let args = ["--model", model.as_str(), "--system", "B", "--tokens", "4"];
    let output = talk(&args, "Hi\n\n  Ho \n");
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("nothing of this is proven"), "{stderr}");
    // What is proven of the same conversation is the first answer; there are two, and nothing else.
    let mock = ["prove", "--model", model.as_str(), "--out"];
    let out = place.join("chain");
    let said = [
        "--chat",
        "Hi",
        "--system",
        "B",
        "--tokens",
        "4",
        "--security",
        "insecure-13",
    ];
    let proved = expect_json(&[&mock[..], &[out.as_str()], &said].concat(), 0);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let decoded = &proved["tokens"]["decoded_text"];
    let lines: Vec<Value> = stdout.lines().map(Value::from).collect();
    assert_eq!((&lines[0], lines.len()), (decoded, 2), "{stdout}");
    assert!(stdout.ends_with('\n'));
}

#[test]
fn a_full_context_is_told() {
    let place = Place::new();
    let model = save(&place, Some(TEMPLATE));
    let long = "x".repeat(20);
    // The second does not fit behind the first, and the third fits into no conversation.
    let lines = format!("{long}\n{long}\n{long}{long}\n{long}\n");
    let output = talk(&["--model", model.as_str()], &lines);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let (stdout, stderr) = (output.stdout, String::from_utf8(output.stderr).unwrap());
    for words in [
        "the answer ends here: the model has no further position",
        "the 40 positions of the model: it begins anew",
        "expected fewer than 40",
    ] {
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    let stdout = String::from_utf8(stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0], lines[1]);
    let not_text = talk(&["--model", model.as_str()], "\u{e9}\n");
    assert_eq!(not_text.status.code(), Some(2));
}
