//! Chains of a model by the command: key, policy, proof, verification, and what must be refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::thread;

use camino::{Utf8Path, Utf8PathBuf};
use common::{expect, expect_error, expect_json, matchmark, tree, Place};
use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_arithmetic, synthetic_model, IntegerModel};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use serde_json::{json, Value};

/// Two layers, 24 positions, a token for each printable character, and one that begins every text.
fn model(seed: u64, vocabulary: u32) -> IntegerModel {
    let shape = ModelShape::new(
        Layers::new(2).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(24).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, seed).unwrap()
}

/// A place with the model `one` and its key.
struct World {
    place: Place,
    model: Utf8PathBuf,
    key: Utf8PathBuf,
}

impl World {
    fn new() -> Self {
        let place = Place::new();
        let model = save(&place, "one", &the_model());
        let key = keygen(&place, "one", &model);
        Self { place, model, key }
    }

    /// Arguments of a proof at `insecure-13`.
    fn prove<'a>(&'a self, out: &'a Utf8Path, prompt: &'a str, tokens: &'a str) -> Vec<&'a str> {
        let mut args = vec!["prove", "--model", self.model.as_str()];
        args.extend(["--prompt", prompt, "--tokens", tokens]);
        args.extend(["--out", out.as_str(), "--security", "insecure-13"]);
        args
    }

    /// The policy by the key alone, for the prompt "Hello" (six tokens) and five more in segments of 4.
    fn policy(&self) -> Utf8PathBuf {
        let policy = self.place.join("policy.toml");
        let mut args = vec!["policy", "--key", self.key.as_str(), "--prompt", "Hello"];
        args.extend(["--tokenizer", self.model.as_str()]);
        args.extend(["--tokens", "5", "--segment-steps", "4"]);
        args.extend(["--security", "insecure-13", "--to", policy.as_str()]);
        expect(&args, 0);
        policy
    }
}

fn the_model() -> IntegerModel {
    model(5, 100)
}

fn save(place: &Place, name: &str, model: &IntegerModel) -> Utf8PathBuf {
    let path = place.join(&format!("{name}.mm"));
    model.save(path.as_std_path()).unwrap();
    path
}

fn keygen(place: &Place, name: &str, model: &Utf8Path) -> Utf8PathBuf {
    let key = place.join(&format!("{name}.vk"));
    let mut args = vec!["keygen", "--model", model.as_str(), "--to", key.as_str()];
    args.extend(["--security", "insecure-13", "--segment-steps", "4,2,16"]);
    expect(&args, 0);
    key
}

fn verify<'a>(chain: &'a Utf8Path, policy: &'a Utf8Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["verify", chain.as_str(), "--policy", policy.as_str()];
    args.extend(more);
    args
}

#[test]
fn a_text_is_proven_and_verified_from_key_and_policy() {
    let world = World::new();
    let out = world.place.join("chain");
    let policy = world.policy();
    let mut args = world.prove(&out, "Hello", "5");
    args.extend(["--segment-steps", "4", "--key", world.key.as_str()]);
    // Followed while it is proven.
    let follow = verify(
        &out,
        &policy,
        &[
            "--follow",
            "--timeout",
            "120",
            "--json",
            "--key",
            world.key.as_str(),
        ],
    );
    let mut follower = matchmark();
    follower.args(&follow);
    let follower = thread::spawn(move || follower.output().unwrap());
    let proved = expect_json(&args, 0);
    let followed = follower.join().unwrap();
    assert_eq!(followed.status.code(), Some(0));
    let followed: Value = serde_json::from_slice(&followed.stdout).unwrap();
    assert_eq!(followed["chain_digest"], proved["chain_digest"]);

    assert_eq!(
        (&proved["segments"], &proved["steps"]),
        (&json!(3), &json!(10))
    );
    assert_eq!(proved["tokens"]["prompt_text"], json!("Hello"));
    assert_eq!(proved["tokens"]["decoded"].as_array().unwrap().len(), 5);
    let with_text = [
        "--key",
        world.key.as_str(),
        "--tokenizer",
        world.model.as_str(),
        "--prompt",
        "Hello",
    ];
    let verified = expect_json(&verify(&out, &policy, &with_text), 0);
    assert_eq!(verified["tokens"], proved["tokens"]);
    let shown = expect(&verify(&out, &policy, &with_text), 0);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.starts_with("Hello") && shown.contains("ACCEPTED"),
        "{shown}"
    );
    // The policy of the directory says the same as that of the key, but for shorter chains.
    let own = world.place.policy(&out);
    assert!(fs::read(&policy)
        .unwrap()
        .starts_with(&fs::read(&own).unwrap()));
    // Another prompt than the one of the policy.
    let mut other = with_text;
    other[5] = "Hallo";
    let another = verify(&out, &policy, &other);
    expect_error(
        &another,
        2,
        &["the prompt has 6 tokens", "expected 6 tokens"],
    );
    // Without a policy, by the key and the verifier's own choices: the same verdict.
    let mut by_key = vec!["verify", out.as_str()];
    by_key.extend(with_text);
    by_key.extend(["--tokens", "5", "--segment-steps", "4"]);
    let insecure = ["--security", "insecure-13"];
    by_key.extend(insecure);
    let derived = expect_json(&by_key, 0);
    assert_eq!(derived["chain_digest"], verified["chain_digest"]);
    assert_eq!(derived["replay_open"], json!(true));
    let shown = String::from_utf8(expect(&by_key, 0).stdout).unwrap();
    assert!(shown.contains("shown again and again"), "{shown}");
    // And by the numbers of the tokens; as many others are another chain, and so are more tokens.
    let tokens: Vec<u64> = proved["tokens"]["prompt"]
        .as_array()
        .unwrap()
        .iter()
        .map(|token| token.as_u64().unwrap())
        .collect();
    let words = |tokens: &[u64]| {
        let words: Vec<String> = tokens.iter().map(u64::to_string).collect();
        words.join(",")
    };
    let by_numbers = |tokens: &str, decoded: &str, code| {
        let mut args = vec!["verify", out.as_str(), "--key", world.key.as_str()];
        args.extend(["--prompt-tokens", tokens, "--tokens", decoded]);
        args.extend(["--segment-steps", "4"]);
        args.extend(insecure);
        expect_json(&args, code)
    };
    by_numbers(&words(&tokens), "5", 0);
    let mut others = tokens.clone();
    others[2] += 1;
    let rejected = by_numbers(&words(&others), "5", 1);
    let reason = rejected["reason"].as_str().unwrap();
    assert!(
        reason.contains("token at position 2 of the prompt"),
        "{reason}"
    );
    by_numbers(&words(&tokens), "4", 1);
    // A nonce that the chain was not made for.
    let mut bound = by_key.clone();
    bound.extend(["--nonce", "00000000000000000000000000000001"]);
    let rejected = expect_json(&bound, 1);
    assert_eq!(rejected["replay_open"], json!(false));
    assert!(rejected["reason"].as_str().unwrap().contains("domain"));
    let inspected = expect(
        &["inspect", out.as_str(), "--tokenizer", world.model.as_str()],
        0,
    );
    let inspected = String::from_utf8(inspected.stdout).unwrap();
    assert!(
        inspected.contains("consumed") && inspected.contains("\"H\""),
        "{inspected}"
    );

    // The same chain again is begun already; resuming keeps all of it.
    expect_error(&args, 2, &["holds this chain already"]);
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(resumed["parts_kept"], json!(3));
    assert_eq!(resumed["tokens"], proved["tokens"]);
}

#[test]
fn a_model_and_its_key_go_together() {
    let world = World::new();
    let other = save(&world.place, "other", &model(6, 100));
    let mut args = vec!["keygen", "--check", world.key.as_str()];
    args.extend(["--model", world.model.as_str()]);
    expect(&args, 0);
    args[4] = other.as_str();
    let expected = the_model().identity().to_string();
    let got = model(6, 100).identity().to_string();
    expect_error(&args, 2, &["identity", &expected, &got]);

    // A key in which one commitment was exchanged is still a key, but not this model's.
    let text = fs::read_to_string(&world.key).unwrap();
    let line = text
        .lines()
        .find(|it| it.starts_with("commitment"))
        .unwrap();
    let forged = world.place.join("forged.vk");
    let digit = if line.ends_with("0\"") { "1\"" } else { "0\"" };
    let changed = format!("{}{digit}", &line[..line.len() - 2]);
    fs::write(&forged, text.replace(line, &changed)).unwrap();
    let mut args = vec!["keygen", "--check", forged.as_str()];
    args.extend(["--model", world.model.as_str()]);
    expect_error(&args, 2, &["commitment to the weights", "blowup 2^1"]);
    let out = world.place.join("by a forged key");
    let mut args = world.prove(&out, "Hi", "2");
    args.extend(["--key", forged.as_str()]);
    expect_error(&args, 2, &["commitment to the weights", "expected"]);
    assert!(!out.exists());

    // Proving with another model's key, and verifying by a policy of another model.
    let out = world.place.join("chain");
    let mut args = vec!["prove", "--model", other.as_str(), "--prompt", "Hi"];
    args.extend(["--tokens", "2", "--out", out.as_str()]);
    args.extend(["--key", world.key.as_str()]);
    expect_error(&args, 2, &["identity", &expected, &got]);
    let other_key = keygen(&world.place, "other", &other);
    let policy = world.policy();
    let args = verify(&out, &policy, &["--key", other_key.as_str()]);
    expect_error(&args, 2, &["model", &expected, &got]);
    // The policy of a prover who names the right model, and another function or circuit.
    let text = fs::read_to_string(&policy).unwrap();
    let forged = world.place.join("forged.toml");
    let lines = ["identity", "rotation", "preprocessed_root", "first_state"];
    for (line, field) in lines.into_iter().zip([
        "decoder.arithmetic",
        "decoder.arithmetic",
        "circuits",
        "first_state",
    ]) {
        let whole = text.lines().find(|it| it.starts_with(line)).unwrap();
        let changed = match whole.strip_suffix('"') {
            Some(hex) => {
                let digit = if hex.ends_with('0') { '1' } else { '0' };
                format!("{}{digit}\"", &hex[..hex.len() - 1])
            }
            None => {
                let (name, number) = whole.split_once(" = ").unwrap();
                format!("{name} = {}", number.parse::<u32>().unwrap() - 1)
            }
        };
        fs::write(&forged, text.replacen(whole, &changed, 1)).unwrap();
        let args = verify(&out, &forged, &["--key", world.key.as_str()]);
        expect_error(&args, 2, &[field, "expected"]);
    }
    // A tokenizer of another vocabulary.
    let wide = save(&world.place, "wide", &model(5, 110));
    let more = ["--key", world.key.as_str(), "--tokenizer", wide.as_str()];
    expect_error(&verify(&out, &policy, &more), 2, &["tokenizer", "expected"]);
    assert!(!out.exists());
}

#[test]
fn prompts_and_files_that_cannot_be_used() {
    let world = World::new();
    let out = world.place.join("chain");
    let before = tree(&world.place.path);
    let refused = |prompt: &str, tokens: &str, words: &[&str]| {
        expect_error(&world.prove(&out, prompt, tokens), 2, words);
    };
    refused("", "3", &["prompt has 0 tokens", "at least 1"]);
    refused("Hello", "0", &["0 tokens are to be decoded", "at least 1"]);
    let long = "x".repeat(24);
    refused(&long, "1", &["25 tokens", "at most 24", "positions"]);
    let full = "x".repeat(20);
    refused(&full, "5", &["21 given", "25 positions", "at most 24"]);
    refused("caf\u{e9}", "3", &["prompt", "byte 0xc3"]);
    let bytes = fs::read(&world.model).unwrap();
    let broken = world.place.join("one.mm");
    for length in [0, 10, 40, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&broken, &bytes[..length]).unwrap();
        refused("Hello", "3", &["one.mm"]);
        let key = world.place.join("never.vk");
        let args = ["keygen", "--model", broken.as_str(), "--to", key.as_str()];
        expect_error(&args, 2, &["one.mm"]);
    }
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    fs::write(&broken, &flipped).unwrap();
    refused("Hello", "3", &["identity", "expected"]);
    fs::write(&broken, &bytes).unwrap();
    // Keys and policies.
    let policy = world.place.join("never.toml");
    let by_key = |key: &Utf8Path, more: &[&str], words: &[&str]| {
        let mut args = vec!["policy", "--key", key.as_str(), "--to", policy.as_str()];
        args.extend(more);
        expect_error(&args, 2, words);
    };
    let tokens = ["--prompt-tokens", "1,2,3,4,5,6", "--tokens", "5"];
    let mut secure = tokens.to_vec();
    secure.extend(["--profile", "compact", "--segment-steps", "4"]);
    by_key(&world.key, &secure, &["no commitment", "proven-100"]);
    let mut insecure = tokens.to_vec();
    insecure.extend(["--security", "insecure-13", "--segment-steps", "9"]);
    by_key(
        &world.key,
        &insecure,
        &["every 9", "expected", "--segment-steps 9"],
    );
    let mut outside = vec!["--prompt-tokens", "1,200", "--tokens", "5"];
    outside.extend(["--security", "insecure-13"]);
    by_key(
        &world.key,
        &outside,
        &["token 1 of the prompt is 200", "below 100"],
    );
    let text = fs::read_to_string(&world.key).unwrap();
    for (bad, words) in [
        (
            text.replace("format = 8", "format = 7"),
            ["format 7", "expected 8"],
        ),
        (
            text.replace("[shape]", "[shape]\nx = 1"),
            ["unknown field", "x"],
        ),
        (format!("{text}# more\n"), ["line", "expected"]),
    ] {
        let key = world.place.join("bad.vk");
        fs::write(&key, bad).unwrap();
        by_key(&key, &tokens, &words);
        fs::remove_file(&key).unwrap();
    }
    assert_eq!(tree(&world.place.path), before);
}

#[test]
fn a_chain_that_does_not_come_is_not_waited_for() {
    let world = World::new();
    let policy = world.policy();
    let out = world.place.join("nowhere");
    let args = verify(&out, &policy, &["--follow", "--timeout", "1"]);
    let late = expect_json(&args, 4);
    assert_eq!(late["accepted"], json!(false));
    assert_eq!(late["error"]["kind"], "timeout");
    let reason = late["reason"].as_str().unwrap();
    assert!(reason.contains("segment 0 did not come"), "{reason}");
    assert!(reason.contains("expected 10 steps, got 0"), "{reason}");
}

#[test]
fn constraints_are_checked_without_a_proof() {
    let place = Place::new();
    let model = save(&place, "one", &the_model());
    let before = tree(&place.path);
    let mut args = vec!["mock", "--model", model.as_str(), "--prompt", "Hello"];
    args.extend(["--tokens", "5", "--segment-steps", "4"]);
    let object = expect_json(&args, 0);
    assert_eq!(
        (&object["ok"], &object["segments"], &object["steps"]),
        (&json!(true), &json!(3), &json!(10))
    );
    // The claims of one layer's heads, as a proof of it would report them.
    assert!(object["lookup_claims"].as_u64().unwrap() > 0);
    assert_eq!(tree(&place.path), before);
    // What is not of a model, and what makes no chain of it.
    expect(&["mock", "--model", model.as_str()], 2);
    let mut both = args.clone();
    both.extend(["--rounding", "floor"]);
    expect(&both, 2);
    let mut split = args.clone();
    split.extend(["--cut", "fused,split"]);
    assert_eq!(expect_json(&split, 0)["ok"], json!(true));
    args[6] = "500";
    expect_error(&args, 2, &["positions"]);
}

#[test]
fn costs_of_a_model_are_predicted() {
    let place = Place::new();
    let model = save(&place, "one", &the_model());
    let mut args = vec!["plan", "--model", model.as_str(), "--objective", "bytes"];
    args.extend(["--tokens", "5", "--security", "insecure-13"]);
    let given = [&args[..], &["--prompt-tokens", "6"]].concat();
    let object = expect_json(&given, 0);
    assert_eq!(object["calibrated"], json!(false));
    assert!(object["basis"]
        .as_str()
        .unwrap()
        .contains("reference machine"));
    let choice = &object["choice"];
    assert_eq!(
        (&choice["segments"], &choice["segment_steps"]),
        (&json!(1), &json!(10))
    );
    // "Hello" and the token that begins every text.
    let by_text = [&args[..], &["--prompt", "Hello"]].concat();
    assert_eq!(expect_json(&by_text, 0), object);
    let text = String::from_utf8(expect(&given, 0).stdout).unwrap();
    assert!(text.contains("135 M"), "{text}");
    // It is what is proven.
    let out = place.join("chain");
    let mut prove = vec!["prove", "--model", model.as_str(), "--prompt", "Hello"];
    prove.extend(["--tokens", "5", "--security", "insecure-13"]);
    prove.extend(["--segment-steps", "99", "--out", out.as_str()]);
    let proven = expect_json(&prove, 0);
    assert_eq!(proven["segments"], json!(1));
    let ratio = choice["bytes"].as_f64().unwrap() / proven["proof_bytes"].as_f64().unwrap();
    assert!((ratio - 1.0).abs() < 0.25, "{ratio}");
    // What makes no chain, and what is not of a model.
    let long = [&args[..], &["--prompt-tokens", "21"]].concat();
    expect_error(&long, 2, &["25 positions", "at most 24"]);
    let mixed = [&args[..], &["--heads", "4"]].concat();
    expect(&mixed, 2);
    expect(
        &["plan", "--model", model.as_str(), "--objective", "bytes"],
        2,
    );
}
