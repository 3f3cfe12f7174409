//! `matchmark plan` and `prove --plan`.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Command;

use camino::Utf8Path;
use common::{Place, TraceFile};
use matchmark_planner::calibration::{cores, FORMAT};
use matchmark_planner::reference::MODEL;
use matchmark_planner::{Calibration, CostModel};
use serde_json::Value;

const SHAPE: [&str; 9] = [
    "plan",
    "--heads",
    "4",
    "--head-dim",
    "16",
    "--prefix",
    "2",
    "--steps",
    "24",
];

/// The command with a cache folder of its own.
fn command(cache: &Utf8Path, args: &[&str]) -> Command {
    let mut command = common::matchmark();
    command.env("MATCHMARK_CACHE", cache).args(args);
    command
}

/// Runs it with `--json`; it must end with this code.
fn run(cache: &Utf8Path, args: &[&str], code: i32) -> (Value, String) {
    let output = command(cache, args).arg("--json").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (serde_json::from_slice(&output.stdout).unwrap(), stderr)
}

fn plan(cache: &Utf8Path, options: &[&str], code: i32) -> Value {
    run(cache, &[&SHAPE, options].concat(), code).0
}

/// It must fail with this code, kind and words.
fn refused(cache: &Utf8Path, options: &[&str], code: i32, kind: &str, words: &[&str]) {
    let error = &plan(cache, options, code)["error"];
    assert_eq!(error["kind"], kind, "{error}");
    let message = error["message"].as_str().unwrap();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

/// A calibration as `--calibrate` writes it, with these versions of program and relation.
fn calibration(version: &str, processor: Option<&str>) -> String {
    let processor = processor.map_or(String::new(), |name| format!("processor = {name:?}\n"));
    format!(
        "format = {FORMAT}\nversion = {version:?}\nrelation = \"{}\"\n{processor}\n[model]\ncores = 1\n\
         prove = [1e-9, 1e-9, 1e-8, 1e-8, 1e-7, 0.25]\nmemory = [4.0, 64.0, 4.0, 1e7]\n\
         verify = [0.0, 1e-4, 1e-4, 0.5]\n",
        "00".repeat(32)
    )
}

#[test]
fn plan_as_json() {
    let place = Place::new();
    for objective in ["bytes", "prove", "verify", "memory"] {
        let object = plan(&place.path, &["--objective", objective], 0);
        assert_eq!(object["calibrated"], false);
        assert_eq!(object["objective"], objective);
        assert_eq!(object["excluded"], 0);
        assert!(object["reason"].as_str().unwrap().contains(objective));
        let candidates = object["candidates"].as_array().unwrap();
        assert!(candidates.len() > 10 && candidates.len() <= 100);
        assert_eq!(candidates[0], object["choice"]);
        let key = match objective {
            "bytes" => "bytes",
            "prove" => "cpu_seconds",
            "verify" => "verify_ms",
            _ => "memory_bytes",
        };
        let costs: Vec<f64> = candidates
            .iter()
            .map(|one| one[key].as_f64().unwrap())
            .collect();
        assert!(costs.is_sorted(), "{objective}: {costs:?}");
        for cut in ["fused", "split"] {
            assert!(candidates.iter().any(|one| one["cut"] == cut));
        }
        for one in candidates {
            assert_eq!(one["security"], "proven-100");
            assert_eq!(one["latency_steps"], one["segment_steps"]);
            let steps = one["segment_steps"].as_u64().unwrap();
            assert_eq!(one["segments"].as_u64().unwrap(), 24_u64.div_ceil(steps));
            let parts = one["bytes_by_part"].as_object().unwrap();
            let sum: f64 = parts.values().map(|part| part.as_f64().unwrap()).sum();
            assert!((sum - one["bytes"].as_f64().unwrap()).abs() <= 0.5);
        }
    }
    // A plan leaves nothing behind.
    assert!(common::tree(&place.path).is_empty());
}

#[test]
fn limits_and_text() {
    let place = Place::new();
    let options = ["--objective", "bytes", "--max-latency-steps", "12"];
    let object = plan(&place.path, &options, 0);
    assert_eq!(object["choice"]["segment_steps"], 12);
    assert!(object["excluded"].as_u64().unwrap() > 0);
    let reason = object["reason"].as_str().unwrap();
    assert!(reason.contains("Without the bound on latency of 12 steps"));
    let output = command(&place.path, &SHAPE).args(options).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for words in ["cut", "of a reference machine", "--calibrate", reason] {
        assert!(text.contains(words), "{text}");
    }
    let least = plan(&place.path, &["--objective", "memory"], 0)["choice"]["memory_bytes"].clone();
    let bound = least.to_string();
    let object = plan(
        &place.path,
        &["--objective", "bytes", "--max-memory", &bound],
        0,
    );
    assert_eq!(object["choice"]["memory_bytes"], least);
}

#[test]
fn bad_input() {
    let place = Place::new();
    let cache = &place.path;
    let words = ["expected at most 1024 bytes", "tightest"];
    let bound = ["--objective", "bytes", "--max-memory", "1KiB"];
    refused(cache, &bound, 2, "planner", &words);
    refused(
        cache,
        &["--objective", "beauty"],
        2,
        "usage",
        &["beauty", "memory"],
    );
    refused(cache, &[], 2, "usage", &["--objective"]);
    let much = ["--objective", "bytes", "--max-memory", "much"];
    refused(cache, &much, 2, "usage", &["much", "GiB"]);
    let none = ["--objective", "bytes", "--max-latency-steps", "0"];
    refused(cache, &none, 2, "usage", &["0"]);
    let kv_heads = ["--objective", "bytes", "--kv-heads", "3"];
    refused(cache, &kv_heads, 2, "planner", &["4 query heads", "3"]);
    let table = ["--objective", "bytes", "--table", "nowhere.txt"];
    refused(cache, &table, 2, "read", &["nowhere.txt"]);
    for (last, words) in [("0", "number of steps"), ("20000", "positions")] {
        let args = [&SHAPE[..8], &[last, "--objective", "bytes"]].concat();
        let object = run(cache, &args, 2).0;
        let message = object["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn calibrations_that_are_not_of_use() {
    let place = Place::new();
    let file = place.join("calibration.toml");
    let objective = ["--objective", "prove"];
    let before = plan(&place.path, &objective, 0);
    let alone = format!("format = {FORMAT}\n");
    let more = format!("{alone}more = 2\n");
    for text in ["", "no toml", &alone, &more] {
        fs::write(&file, text).unwrap();
        let words = [
            "calibration.toml",
            "calibration is not valid",
            "--calibrate",
        ];
        refused(&place.path, &objective, 2, "calibration", &words);
    }
    fs::write(&file, [0xff, 0xfe]).unwrap();
    refused(&place.path, &objective, 2, "read", &["calibration.toml"]);
    let negative = calibration("0", None).replace("prove = [1e-9", "prove = [-1e-9");
    fs::write(&file, negative).unwrap();
    refused(&place.path, &objective, 2, "calibration", &["negative"]);
    // One of another version is not used, and said so.
    for text in [calibration("0.0.0", None), "format = 77\n".to_owned()] {
        fs::write(&file, text).unwrap();
        let (object, stderr) = run(&place.path, &[&SHAPE[..], &objective].concat(), 0);
        assert_eq!(object["candidates"], before["candidates"]);
        assert_eq!(object["calibrated"], false);
        assert!(object["basis"].as_str().unwrap().contains("is stale"));
        assert!(stderr.contains("is not used") && stderr.contains("--calibrate"));
    }
}

#[test]
fn a_calibration_is_used() {
    let place = Place::new();
    let objective = ["--objective", "prove"];
    let before = plan(&place.path, &objective, 0);
    let model = CostModel {
        cores: cores(),
        prove: MODEL.prove.map(|seconds| 2.0 * seconds),
        verify: MODEL.verify.map(|milliseconds| 4.0 * milliseconds),
        ..MODEL
    };
    let text = Calibration::of_this_machine(model).to_toml().unwrap();
    fs::write(place.join("calibration.toml"), text).unwrap();
    let (after, stderr) = run(&place.path, &[&SHAPE[..], &objective].concat(), 0);
    assert!(stderr.is_empty(), "{stderr}");
    assert_eq!(after["calibrated"], true);
    for (key, factor) in [("cpu_seconds", 2.0), ("verify_ms", 4.0), ("bytes", 1.0)] {
        let figure = |object: &Value| object["choice"][key].as_f64().unwrap();
        let ratio = figure(&after) / figure(&before);
        assert!((ratio / factor - 1.0).abs() < 1e-9, "{key}: {ratio}");
    }
}

#[test]
fn cache_folders_that_cannot_be_written() {
    let place = Place::new();
    let file = place.join("file");
    fs::write(&file, "").unwrap();
    // A folder below a file: refused at once, before anything is measured.
    for cache in [file.clone(), file.join("below")] {
        let (object, _) = run(&cache, &["plan", "--calibrate"], 2);
        assert_eq!(object["error"]["kind"], "write", "{object}");
        let message = object["error"]["message"].as_str().unwrap();
        assert!(message.contains(cache.as_str()), "{message}");
    }
    let nowhere = |args: &[&str]| {
        let mut command = common::matchmark();
        for variable in ["MATCHMARK_CACHE", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
            command.env_remove(variable);
        }
        command.args(args).arg("--json").output().unwrap()
    };
    let output = nowhere(&["plan", "--calibrate"]);
    assert_eq!(output.status.code(), Some(2));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["error"]["kind"], "no-cache-folder");
    // A plan does without.
    let output = nowhere(&[&SHAPE[..], &["--objective", "bytes"]].concat());
    assert!(output.status.success());
}

#[test]
fn prove_by_a_plan() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::tiny(1).write(&trace);
    let cache = place.join("cache");
    for (objective, level, profile, tolerance) in [
        // With three queries a single proof may be far from the mean, but not as far as this.
        ("bytes", "insecure-13", "compact", 0.25),
        // The other profile's proof would be half as large again.
        ("prove", "conjectured-100", "fastest", 0.1),
    ] {
        let out = place.join(objective);
        let mut args = vec!["prove", "--trace", trace.as_str(), "--out", out.as_str()];
        args.extend(["--security", level, "--plan", objective]);
        let (proven, stderr) = run(&cache, &args, 0);
        let plan = &proven["plan"];
        assert_eq!(plan["objective"], objective);
        assert_eq!(plan["calibrated"], false);
        assert_eq!(plan["choice"]["segments"], proven["segments"]);
        assert_eq!(plan["choice"]["profile"], profile);
        assert!(stderr.contains(plan["reason"].as_str().unwrap()));
        let bytes = proven["proof_bytes"].as_f64().unwrap();
        let ratio = plan["choice"]["bytes"].as_f64().unwrap() / bytes;
        assert!((ratio - 1.0).abs() < tolerance, "{objective}: {ratio}");
    }
    for option in [
        ["--segment-steps", "2"],
        ["--profile", "compact"],
        ["--cut", "split"],
    ] {
        let out = place.join("never");
        let mut args = vec!["prove", "--trace", trace.as_str(), "--out", out.as_str()];
        args.extend(["--plan", "bytes"]);
        args.extend(option);
        let (object, _) = run(&cache, &args, 2);
        assert_eq!(object["error"]["kind"], "usage");
        assert!(!out.exists());
    }
}
