//! Memory that is short: said before anything is begun, with what would fit.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::Utf8PathBuf;
use common::{expect, expect_error, expect_json, tree, Place, TraceFile};
use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_arithmetic, synthetic_model};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};

/// Exit code of a system that has too little.
const ENVIRONMENT: i32 = 3;

fn tiny_trace(place: &Place) -> Utf8PathBuf {
    let trace = place.join("trace.safetensors");
    TraceFile::tiny(1).write(&trace);
    trace
}

/// One layer, 16 positions.
fn tiny_model(place: &Place) -> Utf8PathBuf {
    let shape = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(2).unwrap(),
            KvHeads::new(1).unwrap(),
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

#[test]
fn nothing_is_begun_that_does_not_fit() {
    let place = Place::new();
    let (trace, model) = (tiny_trace(&place), tiny_model(&place));
    let (out, key) = (place.join("chain"), place.join("key.vk"));
    let before = tree(&place.path);
    let short = ["--max-memory", "1MiB"];
    let words = ["of memory", "at most 1 MiB", "bound that was given"];
    let of_trace = ["prove", "--trace", trace.as_str(), "--out", out.as_str()];
    expect_error(&[&of_trace[..], &short].concat(), ENVIRONMENT, &words);
    let mut of_model = vec!["prove", "--model", model.as_str(), "--out", out.as_str()];
    of_model.extend(["--prompt", "Hi", "--tokens", "3"]);
    expect_error(&[&of_model[..], &short].concat(), ENVIRONMENT, &words);
    let keygen = ["keygen", "--model", model.as_str(), "--to", key.as_str()];
    let value = expect_json(&[&keygen[..], &short].concat(), ENVIRONMENT);
    assert_eq!(value["error"]["kind"], "memory");
    expect_error(&[&keygen[..], &short].concat(), ENVIRONMENT, &words);
    assert_eq!(tree(&place.path), before);

    // What fits is offered, and does.
    let short = ["--max-memory", "48MiB"];
    expect_error(
        &[&of_trace[..], &short].concat(),
        ENVIRONMENT,
        &[
            "what would fit",
            "the profile balanced (",
            "the profile fast (",
        ],
    );
    assert_eq!(tree(&place.path), before);
    let fast = [&of_trace[..], &short, &["--profile", "fast"]].concat();
    expect(&fast, 0);
}

#[test]
fn a_chain_that_was_begun_waits_for_more_memory() {
    let place = Place::new();
    let chain = place.prove("chain", 1, &["--segment-steps", "2"]);
    fs::remove_file(common::segment(&chain, 1)).unwrap();
    let before = tree(&chain);
    let resume = ["resume", chain.as_str()];
    expect_error(
        &[&resume[..], &["--max-memory", "1MiB"]].concat(),
        ENVIRONMENT,
        &["bound that was given"],
    );
    assert_eq!(tree(&chain), before);
    let report = expect_json(&[&resume[..], &["--max-memory", "1GiB"]].concat(), 0);
    assert_eq!(
        (&report["segments"], &report["parts_kept"]),
        (&3.into(), &2.into())
    );
}

#[test]
fn as_many_segments_at_a_time_as_are_asked_for() {
    let place = Place::new();
    for (name, jobs, workers) in [("one", "1", 1), ("two", "2", 2), ("all", "99", 3)] {
        let trace = tiny_trace(&place);
        let out = place.join(name);
        let mut args = vec!["prove", "--trace", trace.as_str(), "--out", out.as_str()];
        args.extend(["--security", "insecure-13", "--segment-steps", "2"]);
        args.extend(["--jobs", jobs]);
        let report = expect_json(&args, 0);
        assert_eq!(report["schedule"]["workers"], workers);
    }
    let chains = ["one", "two", "all"].map(|name| place.join(name));
    for segment in 0..3 {
        let bytes = chains
            .each_ref()
            .map(|it| fs::read(common::segment(it, segment)).unwrap());
        assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
    }
    let none = place.join("none");
    expect(
        &[
            "prove",
            "--trace",
            "x",
            "--out",
            none.as_str(),
            "--jobs",
            "0",
        ],
        2,
    );
}

/// Four heads of dimension 64 over 64 steps take some 300 MiB at `conjectured-100`, and threads take address
/// space besides.
#[test]
#[cfg(target_os = "linux")]
fn the_limit_of_the_process_is_known() {
    use serde_json::Value;
    use std::process::Command;

    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::shaped(1, 4, 4, 64, 2, 64).write(&trace);
    let out = place.join("chain");
    let limited = |mebibytes: u64, more: &[&str]| {
        let script = format!("ulimit -v {} && exec \"$0\" \"$@\"", mebibytes << 10);
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_matchmark"), "prove"])
            .args(["--trace", trace.as_str(), "--out", out.as_str(), "--json"])
            .args(more)
            .output()
            .unwrap();
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), object)
    };
    let (code, object) = limited(400, &[]);
    assert_eq!(code, Some(ENVIRONMENT));
    assert_eq!(object["error"]["kind"], "memory");
    let message = object["error"]["message"].as_str().unwrap();
    for words in ["address space", "ulimit -v", "every thread"] {
        assert!(message.contains(words), "{message}");
    }
    assert!(!out.exists());
    // What it says that there is takes as much as it says: with that and a little more it is proven.
    let what = "takes about ";
    let begin = message.find(what).unwrap() + what.len();
    let (number, unit) = message[begin..].split_once(' ').unwrap();
    let enough = match &unit[..3] {
        "MiB" => number.parse::<u64>().unwrap(),
        // As whole mebibytes, upwards.
        _ => number.replace('.', "").parse::<u64>().unwrap() * 1024 / 100 + 11,
    };
    // What is mapped when the command begins, its own code above all.
    let (code, object) = limited(enough + 100, &[]);
    assert_eq!(code, Some(0), "{object}");
}
