//! Chains of a model whose layers are proven in groups, by the command.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use common::{expect, expect_error, expect_json, expect_refused, segment, Place, TraceFile};
use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_arithmetic, synthetic_model};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use serde_json::{json, Value};

/// So many layers, 16 positions, a token for each printable character, and one that begins every text.
fn save(place: &Place, layers: u32) -> Utf8PathBuf {
    let shape = ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(100).unwrap(),
        CacheCapacity::new(16).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    let path = place.join("model.mm");
    let model = synthetic_model(shape, arithmetic, 5).unwrap();
    model.save(path.as_std_path()).unwrap();
    path
}

/// A place with the model and a key of it.
struct World {
    place: Place,
    model: Utf8PathBuf,
    key: Utf8PathBuf,
}

impl World {
    fn new(layers: &str) -> Self {
        let place = Place::new();
        let model = save(&place, 4);
        let key = place.join("four.vk");
        let mut args = vec!["keygen", "--model", model.as_str(), "--to", key.as_str()];
        args.extend(["--security", "insecure-13", "--segment-steps", "3"]);
        args.extend(["--layers", layers]);
        expect(&args, 0);
        Self { place, model, key }
    }

    /// Three tokens of "Hi", and four more: six steps in segments of 3.
    fn prove<'a>(&'a self, out: &'a Utf8Path, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["prove", "--model", self.model.as_str(), "--prompt", "Hi"];
        args.extend(["--tokens", "4", "--out", out.as_str(), "--no-stop"]);
        args.extend(["--security", "insecure-13", "--segment-steps", "3"]);
        args.extend(more);
        args
    }

    /// The same chain by the key: what a policy or a verification says of it.
    fn by_key<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec![
            "--key",
            self.key.as_str(),
            "--tokenizer",
            self.model.as_str(),
        ];
        args.extend(["--prompt", "Hi", "--tokens", "4", "--no-stop"]);
        args.extend(["--security", "insecure-13", "--segment-steps", "3"]);
        args.extend(more);
        args
    }

    fn policy(&self, name: &str, more: &[&str]) -> Utf8PathBuf {
        let path = self.place.join(name);
        let mut args = vec!["policy"];
        args.extend(self.by_key(more));
        args.extend(["--to", path.as_str()]);
        expect(&args, 0);
        path
    }
}

/// Segments and groups of the rows.
fn rows(object: &Value) -> Vec<(u64, Option<u64>)> {
    let rows = object["per_segment"].as_array().unwrap().iter();
    let row = |row: &Value| (row["segment"].as_u64().unwrap(), row["group"].as_u64());
    rows.map(row).collect()
}

#[test]
fn a_model_is_proven_two_layers_at_a_time() {
    let world = World::new("1,2,4");
    let key = world.key.as_str();
    let out = world.place.join("two");
    let proved = expect_json(&world.prove(&out, &["--layers", "2", "--key", key]), 0);
    assert_eq!(
        (&proved["segments"], &proved["parts"], &proved["parts_kept"]),
        (&json!(2), &json!(4), &json!(0))
    );
    assert_eq!(proved["steps"], json!(6));
    let expected = [(0, Some(0)), (0, Some(1)), (1, Some(0)), (1, Some(1))];
    assert_eq!(rows(&proved), expected);

    // The policy of the directory is that of the key for as many layers.
    let own = world.place.policy(&out);
    let policy = world.policy("two.toml", &["--layers", "2"]);
    assert_eq!(fs::read(&own).unwrap(), fs::read(&policy).unwrap());
    let text = fs::read_to_string(&policy).unwrap();
    assert!(
        text.contains("groups = 2") && text.contains("group = 1"),
        "{text}"
    );
    let by_policy = ["verify", out.as_str(), "--policy", policy.as_str()];
    let with_key = [&by_policy[..], &["--key", key, "--no-stop"]].concat();
    let mut by_key = vec!["verify", out.as_str()];
    by_key.extend(world.by_key(&["--layers", "2"]));
    let followed = [&with_key[..], &["--follow", "--timeout", "60"]].concat();
    for args in [&with_key[..], &by_key, &followed] {
        let verified = expect_json(args, 0);
        assert_eq!(
            (
                &verified["segments"],
                &verified["parts"],
                &verified["steps"]
            ),
            (&json!(2), &json!(4), &json!(6))
        );
        assert_eq!(verified["chain_digest"], proved["chain_digest"]);
        assert_eq!(verified["last_state"], proved["last_state"]);
        assert_eq!(rows(&verified), expected);
    }
    let shown = String::from_utf8(expect(&by_key, 0).stdout).unwrap();
    assert!(
        shown.contains("ACCEPTED") && shown.contains("layer groups      2"),
        "{shown}"
    );
    assert!(
        shown.contains("    0.1 ") && shown.contains("    1.0 "),
        "{shown}"
    );

    // The same tokens as in one group, which is another chain.
    let whole = world.place.join("whole");
    let of_whole = expect_json(&world.prove(&whole, &["--key", key]), 0);
    assert_eq!(
        (&of_whole["parts"], &of_whole["segments"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(rows(&of_whole), [(0, None), (1, None)]);
    assert_eq!(of_whole["tokens"], proved["tokens"]);
    assert_ne!(of_whole["chain_digest"], proved["chain_digest"]);
    // Of any other number of layers it is not accepted.
    for layers in ["1", "4"] {
        let mut args = vec!["verify", out.as_str()];
        args.extend(world.by_key(&["--layers", layers]));
        let rejected = expect_json(&args, 1);
        assert_eq!(
            (&rejected["segments"], &rejected["parts"]),
            (&json!(0), &json!(0))
        );
        assert!(rejected["reason"]
            .as_str()
            .unwrap()
            .contains("model commitment"));
    }
    // Three layers are two groups, and more than there are make one; none are no layers.
    let three = world.policy("three.toml", &["--layers", "3"]);
    assert_eq!(fs::read(&three).unwrap(), fs::read(&policy).unwrap());
    let many = world.policy("many.toml", &["--layers", "99"]);
    let one = world.policy("one.toml", &[]);
    assert_eq!(fs::read(&many).unwrap(), fs::read(&one).unwrap());
    expect(
        &world.prove(&world.place.join("never"), &["--layers", "0"]),
        2,
    );
    // What a policy says already is not said once more, and what is no model's has no layers.
    expect(&[&by_policy[..], &["--layers", "2"]].concat(), 2);
    let trace = world.place.join("trace.safetensors");
    TraceFile::tiny(1).write(&trace);
    let never = world.place.join("never");
    let args = ["prove", "--trace", trace.as_str(), "--out", never.as_str()];
    expect(&[&args[..], &["--layers", "1"]].concat(), 2);
    assert!(!never.exists());

    // What is there is kept, and one part is proven by itself.
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(
        (&resumed["parts"], &resumed["parts_kept"]),
        (&json!(4), &json!(4))
    );
    fs::remove_file(segment(&out, 2)).unwrap();
    expect_refused(&out, &policy, 4, &["000002.segment"]);
    let resumed = expect(&["resume", out.as_str()], 0);
    let shown = String::from_utf8(resumed.stdout).unwrap();
    assert!(shown.contains("2 in 4 parts (3 kept), 6 steps"), "{shown}");
    assert!(shown.contains("    1.0 "), "{shown}");
    expect_json(&with_key, 0);
}

#[test]
fn a_key_of_one_number_of_layers_says_how_they_are_cut() {
    let world = World::new("1");
    let key = world.key.as_str();
    let out = world.place.join("chain");
    let proved = expect_json(&world.prove(&out, &["--key", key]), 0);
    assert_eq!(
        (&proved["segments"], &proved["parts"]),
        (&json!(2), &json!(8))
    );
    let mut args = vec!["verify", out.as_str()];
    args.extend(world.by_key(&[]));
    let verified = expect_json(&args, 0);
    assert_eq!(verified["parts"], json!(8));
    assert_eq!(verified["tokens"], proved["tokens"]);
    let args = ["keygen", "--check", key, "--model", world.model.as_str()];
    expect(&args, 0);
    let again = [&args[..], &["--layers", "1"]].concat();
    expect(&again, 2);
    // Another number is not among what the key is for.
    let path = world.place.join("never.toml");
    let mut args = vec!["policy"];
    args.extend(world.by_key(&["--layers", "4"]));
    args.extend(["--to", path.as_str()]);
    expect_error(&args, 2, &["no commitment", "in 4 groups of layers"]);
    assert!(!path.exists());
}

#[test]
fn parts_that_are_missing_or_exchanged_are_told() {
    let world = World::new("2");
    let out = world.place.join("chain");
    expect(&world.prove(&out, &["--layers", "2"]), 0);
    let policy = world.policy("policy.toml", &[]);
    // The last part may come yet.
    let last = fs::read(segment(&out, 3)).unwrap();
    fs::remove_file(segment(&out, 3)).unwrap();
    expect_refused(
        &out,
        &policy,
        4,
        &["parts of 1 groups of layers", "expected 2"],
    );
    let args = ["verify", out.as_str(), "--policy", policy.as_str()];
    let late = expect_json(&args, 4);
    assert_eq!(
        (&late["segments"], &late["parts"], &late["steps"]),
        (&json!(1), &json!(3), &json!(3))
    );
    let shown = String::from_utf8(expect(&args, 4).stdout).unwrap();
    assert!(
        shown.contains("INCOMPLETE after 3 accepted parts"),
        "{shown}"
    );
    // What is there is shown, as claims.
    let inspected = expect_json(&["inspect", out.as_str()], 0);
    assert_eq!(inspected["chain"]["segments"], json!(1));
    let places: Vec<_> = inspected["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["segment"].as_u64(), it["group"].as_u64()))
        .collect();
    let place = |segment, group| (Some(segment), Some(group));
    assert_eq!(places, [place(0, 0), place(0, 1), place(1, 0)]);
    let shown = String::from_utf8(expect(&["inspect", out.as_str()], 0).stdout).unwrap();
    assert!(
        shown.contains("segment 1.0\n") && shown.contains("stream out"),
        "{shown}"
    );
    // Another part in its place.
    fs::copy(segment(&out, 1), segment(&out, 3)).unwrap();
    expect_refused(&out, &policy, 1, &["group 1", "steps are others"]);
    fs::copy(segment(&out, 0), segment(&out, 3)).unwrap();
    expect_refused(
        &out,
        &policy,
        1,
        &["part of group 0", "expected that of group 1"],
    );
    fs::write(segment(&out, 3), &last).unwrap();
    expect_json(&args, 0);
}

#[test]
fn constraints_are_checked_two_layers_at_a_time() {
    let place = Place::new();
    let model = save(&place, 4);
    let mut args = vec!["mock", "--model", model.as_str(), "--prompt", "Hi"];
    args.extend(["--tokens", "4", "--no-stop", "--segment-steps", "3"]);
    let whole = expect_json(&args, 0);
    args.extend(["--layers", "2"]);
    let object = expect_json(&args, 0);
    assert_eq!(
        (&object["ok"], &object["segments"], &object["steps"]),
        (&json!(true), &json!(2), &json!(6))
    );
    assert_eq!(object["lookup_claims"], whole["lookup_claims"]);
}

/// A key by these options, a chain and its verdict, by key and question alone: parts, and the verified text.
fn proven_in_groups(place: &Place, model: &Utf8Path, asked: &[&str], cut: &[&str]) -> (u64, Value) {
    let (key, out) = (place.join("groups.vk"), place.join("groups"));
    let keygen = ["keygen", "--model", model.as_str(), "--to", key.as_str()];
    expect(&[&keygen[..], cut, &["--cut", "fused"]].concat(), 0);
    let by_key = ["--key", key.as_str(), "--no-stop"];
    // What is not said is the key's.
    let prove = ["prove", "--model", model.as_str(), "--out", out.as_str()];
    let level = &cut[..2];
    let proved = expect_json(&[&prove[..], &by_key, asked, level].concat(), 0);
    let verify = ["verify", out.as_str(), "--tokenizer", model.as_str()];
    let verified = expect_json(&[&verify[..], &by_key, asked, level].concat(), 0);
    assert_eq!(verified["chain_digest"], proved["chain_digest"]);
    assert_eq!(verified["text"], proved["text"]);
    (proved["parts"].as_u64().unwrap(), verified["text"].clone())
}

/// Eight layers in groups of three: two of them, and two groups of three.
#[test]
fn a_model_of_eight_layers_is_proven_in_groups() {
    let place = Place::new();
    let model = save(&place, 8);
    let cut = ["--security", "insecure-13", "--layers", "3"];
    let cut = [&cut[..], &["--segment-steps", "6", "--granularity", "3"]].concat();
    // Three tokens of "Hi", and six more: eight steps, and one that fills the last segment up.
    let asked = ["--prompt", "Hi", "--tokens", "6"];
    let (parts, text) = proven_in_groups(&place, &model, &asked, &cut);
    assert_eq!(parts, 2 * 3);
    assert_eq!(
        text.as_str().map(|it| it.chars().count()),
        Some(6),
        "{text}"
    );
}

/// The trained model of two million weights, a layer at a time, at the level and in the profile of large models.
#[test]
fn a_trained_model_is_proven_in_groups() {
    let place = Place::new();
    let model = place.join("stories.mm");
    let fixtures = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models");
    let (folder, calibrate) = (fixtures.join("stories-2m"), fixtures.join("calibrate.txt"));
    let quantize = [
        "quantize",
        "--model",
        folder.as_str(),
        "--to",
        model.as_str(),
    ];
    expect(
        &[&quantize[..], &["--calibrate", calibrate.as_str()]].concat(),
        0,
    );
    let cut = [
        "--security",
        "proven-100",
        "--profile",
        "fastest",
        "--layers",
        "1",
    ];
    let cut = [&cut[..], &["--segment-steps", "12", "--steps", "12"]].concat();
    let asked = ["--prompt", "Once upon a time", "--tokens", "8"];
    let (parts, text) = proven_in_groups(&place, &model, &asked, &cut);
    assert_eq!(parts, 2);
    assert!(text.as_str().unwrap().starts_with(", there was"), "{text}");
}

/// A chain that is begun, its parts proven one by one, the last first, one of them from a file; the rest is resumed.
#[test]
fn parts_are_proven_one_by_one() {
    let world = World::new("2");
    let out = world.place.join("chain");
    let key = world.key.as_str();
    let begun = expect_json(&world.prove(&out, &["--key", key, "--begin"]), 0);
    assert_eq!(
        (&begun["parts"], &begun["segments"]),
        (&json!(4), &json!(2))
    );
    assert!(!segment(&out, 0).exists());
    let part = ["part", out.as_str()];
    let proven = expect_json(&[&part[..], &["3"]].concat(), 0);
    assert_eq!(
        (&proven["part"], &proven["segment"], &proven["group"]),
        (&json!(3), &json!(1), &json!(1))
    );
    assert!(segment(&out, 3).exists() && !segment(&out, 2).exists());
    // Through a file.
    let file = world.place.join("part.input");
    let to_file = [&part[..], &["1", "--write-input", file.as_str()]].concat();
    let written = expect_json(&to_file, 0);
    assert_eq!(written["bytes"], json!(fs::metadata(&file).unwrap().len()));
    assert!(!segment(&out, 1).exists());
    let from_file = [&part[..], &["--input", file.as_str()]].concat();
    assert_eq!(expect_json(&from_file, 0)["part"], json!(1));
    // Twice, behind the last, a number beside an input, neither, and another file as one.
    expect_error(
        &from_file,
        2,
        &["part 1 is there already", "remove its file"],
    );
    expect_error(&[&part[..], &["4"]].concat(), 2, &["below 4", "got 4"]);
    expect(&[&from_file[..], &["1"]].concat(), 2);
    expect(&part, 2);
    let model = ["--input", world.model.as_str()];
    let words = ["an integer model", "the input of a part"];
    expect_error(&[&part[..], &model].concat(), 2, &words);
    let proved = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(
        (&proved["parts"], &proved["parts_kept"]),
        (&json!(4), &json!(2))
    );
    let mut verify = vec!["verify", out.as_str()];
    verify.extend(world.by_key(&[]));
    expect_json(&verify, 0);
}
