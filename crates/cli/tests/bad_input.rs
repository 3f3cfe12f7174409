//! Every kind of bad input: a typed error, its exit code, no panic, nothing half-written.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Command;

use camino::Utf8Path;
use common::{
    expect, expect_error, expect_json, expect_refused, expect_rejected, segment, tree, Place,
    TraceFile,
};
use safetensors::tensor::Dtype;

/// `prove` and `mock` must refuse this trace, and leave nothing behind.
fn refused_trace(file: &TraceFile, options: &[&str], words: &[&str]) {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    file.write(&trace);
    let out = place.join("chain");
    let mut args = vec!["prove", "--trace", trace.as_str(), "--out", out.as_str()];
    args.extend(options);
    expect_error(&args, 2, words);
    let mut args = vec!["mock", "--trace", trace.as_str()];
    args.extend(options);
    expect_error(&args, 2, words);
    assert_eq!(tree(&place.path), [trace.to_string()]);
}

#[test]
fn traces() {
    for name in ["q", "k", "v", "prefix_k"] {
        refused_trace(&TraceFile::tiny(1).without(name), &[], &[name, "missing"]);
    }
    let mut file = TraceFile::tiny(1);
    file.tensor("v").2 = vec![1, 8, 6];
    refused_trace(&file, &[], &["\"v\"", "[1, 8, 6]", "expected"]);
    let mut file = TraceFile::tiny(1);
    let tensor = file.tensor("k");
    (tensor.1, tensor.3) = (Dtype::F32, vec![0; 4 * tensor.3.len()]);
    refused_trace(&file, &[], &["\"k\"", "F32", "expected I8"]);
    // -128, by name.
    let mut file = TraceFile::tiny(1);
    file.tensor("k").3[5] = 0x80;
    refused_trace(&file, &[], &["\"k\"", "element 5", "-128"]);
    // 3 query heads on 2 key/value heads.
    let file = TraceFile::shaped(1, 3, 2, 8, 2, 6);
    refused_trace(&file, &[], &["3 query heads", "2 key/value heads"]);
    let file = TraceFile::shaped(1, 2, 1, 8, 2, 0);
    refused_trace(&file, &[], &["0 steps", "at least 1"]);
    // More bits than the statement of the file allows.
    let mut file = TraceFile::tiny(1);
    file.metadata
        .insert("matchmark.value_bits".to_owned(), "13".into());
    refused_trace(&file, &[], &["value_bits", "13", "4 to 12"]);
}

#[test]
fn files_that_are_no_traces() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    let bytes = TraceFile::tiny(1).bytes();
    let out = place.join("chain");
    let args = ["prove", "--trace", trace.as_str(), "--out", out.as_str()];
    expect_error(&args, 2, &[trace.as_str()]);
    for len in [0, 7, 20, bytes.len() - 1] {
        fs::write(&trace, &bytes[..len]).unwrap();
        expect_error(&args, 2, &["truncated", &format!("at byte {len} of")]);
    }
    let extended = [bytes.as_slice(), &[0]].concat();
    fs::write(&trace, extended).unwrap();
    expect_error(&args, 2, &["something follows the tensors"]);
    fs::write(&trace, "not a trace, but a text").unwrap();
    expect_error(&args, 2, &["not a safetensors file"]);
    assert!(!out.exists());
}

#[test]
fn shapes_tables_and_options() {
    let place = Place::new();
    let table = place.join("table.txt");
    let custom = |entries: &str| {
        let text = format!("matchmark table 1\nkind custom\ndescription d\nentries 2\n{entries}\n");
        fs::write(&table, text).unwrap();
    };
    let tiny = TraceFile::tiny(1);
    let with_table = ["--table", table.as_str()];
    // Denominators beyond the bounds.
    custom("16777215 1");
    refused_trace(
        &tiny,
        &with_table,
        &["positions", "16777215", "expected at most"],
    );
    custom("0 1");
    refused_trace(&tiny, &with_table, &["first table entry is 0"]);
    custom("1");
    refused_trace(&tiny, &with_table, &["2 entries", "got 1"]);
    fs::remove_file(&table).unwrap();
    refused_trace(&tiny, &with_table, &[table.as_str()]);
    // The score gap of 1024 dimensions at 12 bits.
    let mut file = TraceFile::shaped(1, 1, 1, 1024, 0, 1);
    file.metadata
        .insert("matchmark.value_bits".to_owned(), "12".into());
    for tensor in &mut file.tensors {
        tensor.1 = Dtype::I16;
        tensor.3 = vec![1; 2 * tensor.3.len()];
    }
    refused_trace(&file, &[], &["score gap", "1073741824"]);

    refused_trace(
        &tiny,
        &["--security", "insecure-13", "--profile", "fast"],
        &["insecure-13", "fast", "compact"],
    );
    refused_trace(&tiny, &["--domain", ""], &["application name"]);
    refused_trace(&tiny, &["--domain", "caf\u{e9}"], &["printable ASCII"]);
}

#[test]
fn wrong_use() {
    for args in [
        &[][..],
        &["nothing"],
        &["prove"],
        &[
            "prove",
            "--trace",
            "x",
            "--out",
            "y",
            "--segment-steps",
            "0",
        ],
        &["prove", "--trace", "x", "--out", "y", "--security", "none"],
        &["prove", "--trace", "x", "--out", "y", "--profile", "slow"],
        &["prove", "--trace", "x", "--out", "y", "--rounding", "up"],
        &["prove", "--trace", "x", "--out", "y", "--cut", "both"],
        &["prove", "--trace", "x", "--out", "y", "--score-step", "0"],
        &["prove", "--trace", "x", "--out", "y", "--nonce", "12"],
        &["quantize", "--float", "x", "--prefix", "-1", "--to", "y"],
        &[
            "quantize", "--float", "x", "--prefix", "1", "--bits", "13", "--to", "y",
        ],
        &["verify", "x"],
    ] {
        assert!(expect(args, 2).stdout.is_empty(), "{args:?}");
        let value = expect_json(args, 2);
        assert_eq!(value["error"]["kind"], "usage", "{args:?}");
    }
    let output = common::matchmark()
        .args(["inspect", "x"])
        .env("MATCHMARK_LOG", "a=b=c")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn output_directories() {
    let place = Place::new();
    let out = place.prove("chain", 1, &["--segment-steps", "3"]);
    let trace = place.join("chain.safetensors");
    let before = tree(&out);
    let prove = |options: &[&str], words: &[&str]| {
        let mut args = vec![
            "prove",
            "--trace",
            trace.as_str(),
            "--out",
            out.as_str(),
            "--security",
            "insecure-13",
            "--segment-steps",
            "3",
        ];
        args.extend(options);
        expect_error(&args, 2, words);
    };
    prove(&[], &["already", "resume"]);
    prove(
        &["--rounding", "floor"],
        &["another chain", "rounding", "floor", "nearest"],
    );
    prove(
        &["--domain", "other"],
        &["another chain", "domain", "\"other\"", "\"matchmark\""],
    );
    assert_eq!(tree(&out), before);

    let full = place.join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("notes"), "mine").unwrap();
    let args = ["prove", "--trace", trace.as_str(), "--out", full.as_str()];
    expect_error(&args, 2, &["notes", "empty directory"]);
    expect_error(&["resume", full.as_str()], 2, &["does not hold a chain"]);
    expect_error(
        &["policy", full.as_str(), "--to", "x"],
        2,
        &["does not hold a chain"],
    );
    assert_eq!(tree(&full).len(), 1);
    let nowhere = place.join("nowhere");
    expect_error(&["resume", nowhere.as_str()], 2, &["does not hold a chain"]);
    expect_error(&["inspect", nowhere.as_str()], 2, &["cannot list"]);
    assert!(!nowhere.exists());
}

#[test]
fn segment_files() {
    let place = Place::new();
    let out = place.prove("chain", 2, &["--segment-steps", "2"]);
    let policy = place.policy(&out);
    let files: Vec<Vec<u8>> = (0..3)
        .map(|i| fs::read(segment(&out, i)).unwrap())
        .collect();
    let write = |index: u32, bytes: &[u8]| fs::write(segment(&out, index), bytes).unwrap();
    let reject = |words: &[&str]| expect_rejected(&out, &policy, words);

    write(1, &files[1][..files[1].len() - 1]);
    reject(&["000001.segment", "expected", "got"]);
    expect_error(
        &["resume", out.as_str()],
        1,
        &["000001.segment", "corrupted"],
    );
    expect_error(&["inspect", out.as_str()], 1, &["000001.segment"]);
    write(1, &[files[1].as_slice(), &[0]].concat());
    reject(&["000001.segment", "expected the end", "1 more bytes"]);
    let mut flipped = files[1].clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    write(1, &flipped);
    reject(&["segment 1"]);
    expect_error(
        &["resume", out.as_str()],
        1,
        &["000001.segment", "corrupted"],
    );
    assert_eq!(fs::read(segment(&out, 1)).unwrap(), flipped);
    // Missing, doubled, out of order.
    fs::remove_file(segment(&out, 1)).unwrap();
    expect_refused(&out, &policy, 4, &["000001.segment", "missing"]);
    write(1, &files[0]);
    reject(&["segment 1", "steps are repeated"]);
    write(1, &files[1]);
    write(3, &files[2]);
    reject(&["segment 3", "steps are repeated"]);
    fs::remove_file(segment(&out, 3)).unwrap();
    write(0, &files[1]);
    write(1, &files[0]);
    reject(&["segment 0", "first state"]);
    write(0, &files[0]);
    write(1, &files[2]);
    write(2, &files[1]);
    reject(&["segment 1", "steps are missing"]);
    write(1, &files[1]);
    fs::remove_file(segment(&out, 2)).unwrap();
    expect_refused(&out, &policy, 4, &["4 steps", "6 steps"]);
    write(2, &files[2]);
    fs::write(out.join("segments/readme"), "").unwrap();
    reject(&["readme"]);
    fs::remove_file(out.join("segments/readme")).unwrap();
    // Whole again. Nothing but the segments matters.
    fs::write(out.join("chain.toml"), "nonsense").unwrap();
    expect(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
}

#[test]
fn policies() {
    let place = Place::new();
    let out = place.prove("chain", 3, &[]);
    let policy = place.policy(&out);
    let reject_other = |name: &str, seed: u64, options: &[&str], words: &[&str]| {
        let other = place.prove(name, seed, options);
        expect_rejected(&out, &place.policy(&other), words);
    };
    reject_other(
        "table",
        3,
        &["--table", "essay9"],
        &["table is", "expected"],
    );
    reject_other(
        "rounding",
        3,
        &["--rounding", "floor"],
        &["rounding is nearest", "floor"],
    );
    reject_other(
        "domain",
        3,
        &["--domain", "other"],
        &["domain", "\"other\""],
    );
    reject_other("state", 4, &[], &["first state", "expected"]);
    reject_other(
        "length",
        3,
        &["--segment-steps", "3"],
        &["shape is", "up to 3 steps"],
    );
    // A weaker level than the policy asks for, by name.
    let text = fs::read_to_string(&policy).unwrap();
    let stronger = place.join("stronger.toml");
    fs::write(
        &stronger,
        text.replace("\"insecure-13\"", "\"conjectured-100\""),
    )
    .unwrap();
    expect_rejected(
        &out,
        &stronger,
        &["security is only insecure-13", "conjectured-100"],
    );

    let broken = place.join("broken.toml");
    let verify = ["verify", out.as_str(), "--policy", broken.as_str()];
    expect_error(&verify, 2, &[broken.as_str()]);
    fs::write(&broken, text.replace("score_step", "score_stop")).unwrap();
    expect_error(&verify, 2, &["score_stop"]);
    fs::write(&broken, b"\xff\xfe").unwrap();
    expect_error(&verify, 2, &[broken.as_str()]);
    let nowhere = place.join("nowhere");
    let verify = ["verify", nowhere.as_str(), "--policy", policy.as_str()];
    expect_error(&verify, 2, &["cannot list"]);
    let unwritable = place.join("no/policy.toml");
    let write = ["policy", out.as_str(), "--to", unwritable.as_str()];
    expect_error(&write, 2, &["cannot write", unwritable.as_str()]);
}

/// Runs the command with files limited to `blocks` of 1024 bytes, which to a program looks like a full
/// disk: writes fail half-way.
fn on_a_full_disk(blocks: u32, args: &[&str]) -> (Option<i32>, String) {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let output = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_matchmark")])
        .args(args)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

#[test]
fn a_full_disk() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::tiny(5).write(&trace);
    let out = place.join("chain");
    let prove = [
        "prove",
        "--trace",
        trace.as_str(),
        "--out",
        out.as_str(),
        "--security",
        "insecure-13",
        "--segment-steps",
        "2",
    ];
    // The very first write fails: nothing is left.
    let (code, stderr) = on_a_full_disk(0, &prove);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(
        stderr.contains("chain.toml") && stderr.contains("cannot write"),
        "{stderr}"
    );
    assert_eq!(tree(&place.path), [trace.to_string()]);
    // Manifest and inputs fit, the first segment does not: no part of it is left, and the chain can
    // be resumed once there is room.
    let (code, stderr) = on_a_full_disk(8, &prove);
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains(".segment"), "{stderr}");
    assert!(tree(&out.join("segments")).is_empty());
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(resumed["parts_kept"], 0);
    let policy = place.policy(&out);
    expect(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
    // Files that are replaced keep what they had.
    let before = fs::read(&policy).unwrap();
    let (code, _) = on_a_full_disk(0, &["policy", out.as_str(), "--to", policy.as_str()]);
    assert_eq!(code, Some(3));
    assert_eq!(fs::read(&policy).unwrap(), before);
    assert_no_temporaries(&place.path);
}

fn assert_no_temporaries(directory: &Utf8Path) {
    assert!(tree(directory)
        .iter()
        .all(|name| !name.contains(".matchmark-")));
}
