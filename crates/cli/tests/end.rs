//! Answers that end with an end token, by the command.
#![allow(clippy::unwrap_used)]

mod common;

use camino::{Utf8Path, Utf8PathBuf};
use common::{expect, expect_error, expect_json, Place};
use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_arithmetic, synthetic_model, IntegerModel};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use serde_json::{json, Value};

/// Two layers, 24 positions, a token for each printable character, one that begins every text and one that
/// ends it.
fn model() -> IntegerModel {
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
        VocabularySize::new(100).unwrap(),
        CacheCapacity::new(24).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, 5).unwrap()
}

/// A model with its key, and chains behind "Hello" (six tokens): 5 tokens at most, 10 steps in segments of 4.
struct World {
    place: Place,
    model: Utf8PathBuf,
    key: Utf8PathBuf,
}

const CHAIN: [&str; 8] = [
    "--prompt",
    "Hello",
    "--tokens",
    "5",
    "--segment-steps",
    "4",
    "--security",
    "insecure-13",
];

impl World {
    fn new() -> Self {
        let place = Place::new();
        let (path, key) = (place.join("one.mm"), place.join("one.vk"));
        model().save(path.as_std_path()).unwrap();
        let mut args = vec!["keygen", "--model", path.as_str(), "--to", key.as_str()];
        args.extend(["--security", "insecure-13", "--segment-steps", "4"]);
        expect(&args, 0);
        Self {
            place,
            model: path,
            key,
        }
    }

    fn prove(&self, name: &str, more: &[&str]) -> (Utf8PathBuf, Value) {
        let out = self.place.join(name);
        let mut args = vec!["prove", "--model", self.model.as_str()];
        args.extend(CHAIN);
        args.extend(["--out", out.as_str(), "--key", self.key.as_str()]);
        args.extend(more);
        let object = expect_json(&args, 0);
        (out, object)
    }

    fn policy(&self, name: &str, more: &[&str]) -> (Utf8PathBuf, Value) {
        let to = self.place.join(name);
        let mut args = vec!["policy", "--key", self.key.as_str()];
        args.extend(["--tokenizer", self.model.as_str(), "--to", to.as_str()]);
        args.extend(CHAIN);
        args.extend(more);
        let object = expect_json(&args, 0);
        (to, object)
    }

    fn verify<'a>(&'a self, chain: &'a Utf8Path, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["verify", chain.as_str(), "--key", self.key.as_str()];
        args.extend(["--tokenizer", self.model.as_str()]);
        args.extend(more);
        args
    }
}

#[test]
fn an_answer_ends_with_an_end_token_or_at_its_limit() {
    let world = World::new();
    let (whole, proved) = world.prove("whole", &["--no-stop"]);
    assert_eq!(proved["finish_reason"], json!("length"));
    assert_eq!(proved["answer"]["tokens"], json!(5));
    assert_eq!(proved["answer"]["end"], Value::Null);
    let decoded = proved["tokens"]["decoded"].clone();
    assert_eq!(decoded.as_array().unwrap().len(), 5);
    // The first decoded token is chosen by the second step of the second segment: two more follow there in the chain
    // that the longest answer takes.
    let first = u32::try_from(decoded[0].as_u64().unwrap()).unwrap();
    let number = first.to_string();
    let (path, stopped) = world.prove("stopped", &["--stop", &number, "--full-length"]);
    assert_eq!(
        (&stopped["segments"], &stopped["steps"]),
        (&json!(2), &json!(8))
    );
    let answer = json!({
        "end": { "position": 6, "token": first }, "tokens": 1, "surplus": 2,
    });
    assert_eq!(
        (&stopped["finish_reason"], &stopped["answer"]),
        (&json!("stop"), &answer)
    );
    assert_eq!(stopped["tokens"]["decoded"], json!([first]));
    assert_eq!(stopped["tokens"]["surplus"].as_array().unwrap().len(), 2);

    // The policy of the key and this rule is that of the directory with the shorter chains, and so is the one without a
    // rule, which has none.
    let (policy, object) = world.policy("policy.toml", &["--stop", &number]);
    assert_eq!(object["end_tokens"], json!([first]));
    let read = |path: &Utf8Path| std::fs::read(path).unwrap();
    let of_directory = read(&world.place.policy(&path));
    assert!(read(&policy).starts_with(&of_directory) && read(&policy) != of_directory);
    assert_eq!(object["shorter_steps"], json!([6, 7, 8, 9]));
    let (without, _) = world.policy("without.toml", &["--no-stop"]);
    assert_eq!(read(&without), read(&world.place.policy(&whole)));
    let (own, object) = world.policy("own.toml", &[]);
    assert_eq!(object["end_tokens"], json!([1]));

    // A verifier says which rule it wants, or takes the key's.
    let stop = ["--policy", policy.as_str(), "--stop", number.as_str()];
    let verified = expect_json(&world.verify(&path, &stop), 0);
    assert_eq!(
        (&verified["finish_reason"], &verified["answer"]),
        (&json!("stop"), &answer)
    );
    assert_eq!(verified["tokens"], stopped["tokens"]);
    let shown = String::from_utf8(expect(&world.verify(&path, &stop), 0).stdout).unwrap();
    let reason =
        format!("finish reason     stop, by token {first} at position 6: 1 token, and 2 behind");
    assert!(
        shown.contains(&reason) && shown.contains("2 tokens that the last"),
        "{shown}"
    );
    let error = world.verify(&path, &stop[..2]);
    expect_error(&error, 2, &["end_tokens", "expected 1", "--stop TOKEN"]);
    let mut by_key = CHAIN.to_vec();
    by_key.extend(["--stop", number.as_str()]);
    let derived = expect_json(&world.verify(&path, &by_key), 0);
    assert_eq!(derived["chain_digest"], stopped["chain_digest"]);

    // One chain by the policy of the other: it goes on, or ends before.
    let other = expect_json(&world.verify(&whole, &stop), 1);
    assert_eq!(other["error"]["variant"], json!("PastEnd"));
    assert_eq!(other["finish_reason"], Value::Null);
    let none = ["--policy", without.as_str(), "--no-stop"];
    let other = expect_json(&world.verify(&path, &none), 4);
    assert_eq!(other["kind"], json!("not-yet"));
    let accepted = expect_json(&world.verify(&whole, &none), 0);
    assert_eq!(accepted["finish_reason"], json!("length"));
    let early = expect_json(&world.verify(&path, &["--policy", own.as_str()]), 4);
    assert_eq!(early["error"]["variant"], json!("EndsEarly"));

    // Without a policy it can be told from the tokens that are named.
    let inspect = |more: &[&str]| {
        let mut args = vec!["inspect", path.as_str()];
        args.extend(more);
        expect_json(&args, 0)
    };
    let inspected = inspect(&["--stop", &number]);
    assert_eq!(
        (&inspected["finish_reason"], &inspected["end"]),
        (&json!("stop"), &answer["end"])
    );
    let inspected = inspect(&["--tokenizer", world.model.as_str()]);
    assert_eq!(
        (&inspected["finish_reason"], &inspected["end"]),
        (&Value::Null, &Value::Null)
    );
    // Resuming it finds nothing to do.
    let resumed = expect_json(&["resume", path.as_str()], 0);
    assert_eq!(
        (&resumed["parts_kept"], &resumed["answer"]),
        (&json!(2), &answer)
    );
}

/// Without more being said an answer that ends early is proven in the shortest chain that holds it.
#[test]
fn an_answer_that_ends_early_is_proven_in_a_shorter_chain() {
    let world = World::new();
    let (whole, proved) = world.prove("whole", &["--no-stop"]);
    assert_eq!(proved["steps"], json!(10));
    let decoded = proved["tokens"]["decoded"].clone();
    let first = u32::try_from(decoded[0].as_u64().unwrap()).unwrap();
    let number = first.to_string();
    let (path, short) = world.prove("short", &["--stop", &number]);
    assert_eq!(
        (&short["segments"], &short["steps"]),
        (&json!(2), &json!(6))
    );
    let answer = json!({
        "end": { "position": 6, "token": first }, "tokens": 1, "surplus": 0,
    });
    assert_eq!(
        (&short["finish_reason"], &short["answer"]),
        (&json!("stop"), &answer)
    );
    assert_eq!(short["tokens"]["decoded"], json!([first]));
    // Who verifies asks for five tokens at most, and knows nothing of where the answer ends.
    let (policy, object) = world.policy("policy.toml", &["--stop", &number]);
    assert_eq!(object["steps"], json!(10));
    let stop = ["--policy", policy.as_str(), "--stop", number.as_str()];
    let mut by_key = CHAIN.to_vec();
    by_key.extend(["--stop", number.as_str()]);
    let own = world.place.policy(&path);
    let by_own = ["--policy", own.as_str(), "--stop", number.as_str()];
    for more in [&stop[..], &by_key, &by_own] {
        let verified = expect_json(&world.verify(&path, more), 0);
        assert_eq!(verified["answer"], answer);
        assert_eq!(verified["steps"], json!(6));
        assert_eq!(verified["tokens"], short["tokens"]);
        assert_eq!(verified["chain_digest"], short["chain_digest"]);
        let followed = expect_json(&world.verify(&path, &[more, &["--follow"]].concat()), 0);
        assert_eq!(followed["answer"], answer);
    }
    // The end token is not one of the key's, and a policy without end tokens knows no shorter chain.
    let (of_model, _) = world.policy("model.toml", &[]);
    let refused = expect_json(&world.verify(&path, &["--policy", of_model.as_str()]), 1);
    assert_eq!(refused["error"]["variant"], json!("NoEndToken"));
    let refused = expect_json(
        &world.verify(&path, &["--policy", of_model.as_str(), "--follow"]),
        1,
    );
    assert_eq!(refused["error"]["variant"], json!("NoEndToken"));
    let (none, object) = world.policy("none.toml", &["--no-stop"]);
    assert_eq!(object["shorter_steps"], json!([]));
    let by_none = ["--policy", none.as_str(), "--no-stop"];
    let refused = expect_json(&world.verify(&path, &by_none), 1);
    assert_eq!(refused["error"]["variant"], json!("Shape"));
    expect_json(&world.verify(&whole, &by_none), 0);
    // A list that was changed by hand is not the key's.
    let text = std::fs::read_to_string(&policy).unwrap();
    let from = text.find("[[shorter]]").unwrap();
    let changed = text[from..].replacen("steps = 6\n", "steps = 5\n", 1);
    let edited = world.place.join("edited.toml");
    std::fs::write(&edited, [&text[..from], &changed].concat()).unwrap();
    let error = world.verify(&path, &["--policy", edited.as_str(), "--stop", &number]);
    expect_error(&error, 2, &["shorter chain of 5 steps", "expected 6 to 9"]);

    // Begun, one part by itself, and the rest resumed: the same files.
    let out = world.place.join("begun");
    let mut args = vec!["prove", "--model", world.model.as_str(), "--begin"];
    args.extend(CHAIN);
    args.extend(["--stop", number.as_str(), "--out", out.as_str()]);
    let begun = expect_json(&args, 0);
    assert_eq!((&begun["parts"], &begun["steps"]), (&json!(2), &json!(6)));
    expect_error(&["part", out.as_str(), "2"], 2, &["2"]);
    expect_json(&["part", out.as_str(), "1"], 0);
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(
        (&resumed["parts_kept"], &resumed["answer"]),
        (&json!(1), &answer)
    );
    for file in [
        "chain.toml",
        "segments/000000.segment",
        "segments/000001.segment",
    ] {
        let [one, other] = [&path, &out].map(|it| std::fs::read(it.join(file)).unwrap());
        assert_eq!(one, other, "{file}");
    }
}

/// The lengths are those of the key, where there is one: this one is for chains of 11 steps alone.
#[test]
fn a_shorter_chain_is_one_that_the_key_has_circuits_for() {
    let place = Place::new();
    let (path, key) = (place.join("one.mm"), place.join("eleven.vk"));
    model().save(path.as_std_path()).unwrap();
    let mut args = vec!["keygen", "--model", path.as_str(), "--to", key.as_str()];
    args.extend([
        "--security",
        "insecure-13",
        "--segment-steps",
        "4",
        "--steps",
        "11",
    ]);
    expect(&args, 0);
    let mut asked = CHAIN.to_vec();
    asked[3] = "6";
    let prove = |name: &str, more: &[&str]| {
        let out = place.join(name);
        let mut args = vec!["prove", "--model", path.as_str(), "--out", out.as_str()];
        args.extend(&asked);
        args.extend(more);
        (out.clone(), expect_json(&args, 0))
    };
    let (_, whole) = prove("whole", &["--no-stop"]);
    assert_eq!(whole["steps"], json!(11));
    let first = whole["tokens"]["decoded"][0].to_string();
    let verify = |chain: &Utf8Path, code| {
        let mut args = vec!["verify", chain.as_str(), "--key", key.as_str()];
        args.extend(["--tokenizer", path.as_str(), "--stop", first.as_str()]);
        args.extend(&asked);
        expect_json(&args, code)
    };
    // Six steps would do.
    let (chain, proved) = prove("by-key", &["--stop", &first, "--key", key.as_str()]);
    assert_eq!(proved["steps"], json!(8));
    let verified = verify(&chain, 0);
    assert_eq!(verified["answer"]["surplus"], json!(2));
    let (chain, proved) = prove("without", &["--stop", &first]);
    assert_eq!(proved["steps"], json!(6));
    assert_eq!(verify(&chain, 1)["error"]["variant"], json!("Shape"));
    let (chain, proved) = prove("full", &["--stop", &first, "--full-length"]);
    assert_eq!(proved["steps"], json!(8));
    let of_eleven = verify(&chain, 0);
    assert_eq!(of_eleven["answer"], verified["answer"]);
    assert_eq!(of_eleven["chain_digest"], verified["chain_digest"]);
}

/// The trained model of the fixtures: one story comes to its end within a segment, by the token that the model
/// was trained to end with; another is cut off by the limit. Key and rule are the same.
#[test]
fn a_story_ends_and_another_runs_to_its_limit() {
    let place = Place::new();
    let fixtures = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models");
    let [folder, text] = ["stories-2m", "calibrate.txt"].map(|name| fixtures.join(name));
    let [model, key] = ["story.mm", "story.vk"].map(|name| place.join(name));
    let mut args = vec![
        "quantize",
        "--model",
        folder.as_str(),
        "--calibrate",
        text.as_str(),
    ];
    args.extend(["--to", model.as_str()]);
    expect(&args, 0);
    let mut args = vec!["keygen", "--model", model.as_str(), "--to", key.as_str()];
    args.extend(["--security", "insecure-13", "--segment-steps", "16"]);
    expect(&args, 0);
    let story = |name: &str, prompt: &str, tokens: &str| {
        let chain = place.join(name);
        let asked = [
            "--prompt",
            prompt,
            "--tokens",
            tokens,
            "--security",
            "insecure-13",
        ];
        let mut args = vec!["prove", "--model", model.as_str(), "--out", chain.as_str()];
        args.extend(asked);
        expect(&args, 0);
        let mut args = vec!["verify", chain.as_str(), "--key", key.as_str()];
        args.extend(["--tokenizer", folder.as_str()]);
        args.extend(asked);
        expect_json(&args, 0)
    };
    let ended = story("ended", "Milo gave Zoe a big hug.", "64");
    assert_eq!(ended["finish_reason"], json!("stop"));
    let text = " Now he was not cold any more. \"You are welcome,\" said Milo. It was the best day of all.";
    assert_eq!(ended["tokens"]["decoded_text"], json!(text));
    let answer = json!({
        "end": { "position": 33, "token": 2 }, "tokens": 25, "surplus": 0,
    });
    assert_eq!(ended["answer"], answer);
    // 72 steps would be five segments.
    assert_eq!(
        (&ended["segments"], &ended["steps"]),
        (&json!(3), &json!(33))
    );
    let cut = story("cut", "Once upon a time", "6");
    assert_eq!(cut["finish_reason"], json!("length"));
    assert_eq!(cut["answer"]["tokens"], json!(6));
    assert_eq!(cut["tokens"]["ended"], json!(false));
}

#[test]
fn words_that_name_no_token_are_refused() {
    let world = World::new();
    let mut args = vec!["mock", "--model", world.model.as_str()];
    args.extend(CHAIN);
    let with = |more: &[&'static str]| [&args[..], more].concat();
    expect_error(
        &with(&["--stop", "no such token"]),
        2,
        &["names no token", "no such token"],
    );
    expect_error(
        &with(&["--stop", "100"]),
        2,
        &["end token 100", "below 100"],
    );
    expect_error(&with(&["--stop", "5", "--no-stop"]), 2, &["--no-stop"]);
    expect_json(&with(&["--stop", "<eos>"]), 0);
    // Without a tokenizer only numbers are known.
    let to = world.place.join("policy.toml");
    let mut args = vec!["policy", "--key", world.key.as_str(), "--to", to.as_str()];
    args.extend([
        "--prompt-tokens",
        "0,7",
        "--tokens",
        "5",
        "--segment-steps",
        "4",
    ]);
    args.extend(["--security", "insecure-13", "--stop"]);
    expect_error(
        &[&args[..], &["H"]].concat(),
        2,
        &["names no token", "its number"],
    );
    let twice = expect_json(
        &[&args[..], &["9", "--stop", "8", "--stop", "9"]].concat(),
        0,
    );
    assert_eq!(twice["end_tokens"], json!([8, 9]));
    // With one a text is the token's number, and a word of digits stays a number.
    let of_text = model().tokenizer().encode("H").unwrap().pop().unwrap();
    let (_, named) = world.policy("named.toml", &["--stop", "H", "--stop", "7"]);
    let mut expected = [of_text, 7];
    expected.sort_unstable();
    assert_eq!(named["end_tokens"], json!(expected));
}
