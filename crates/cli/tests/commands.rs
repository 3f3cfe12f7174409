//! The commands on good input.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{expect, expect_error, expect_json, Place, TraceFile};
use matchmark_runtime::AttentionTrace;
use safetensors::tensor::Dtype;
use serde_json::json;

#[test]
fn prove_policy_verify_as_json() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::tiny(1).write(&trace);
    let out = place.join("chain");
    let proven = expect_json(
        &[
            "prove",
            "--trace",
            trace.as_str(),
            "--out",
            out.as_str(),
            "--segment-steps",
            "4",
            "--security",
            "insecure-13",
            "--domain",
            "a test",
            "--nonce",
            "000102030405060708090a0b0c0d0e0f",
        ],
        0,
    );
    for key in [
        "segments",
        "steps",
        "lookup_claims",
        "trace_rows",
        "committed_cells",
        "opened_columns",
        "proof_bytes",
        "public_bytes",
        "prove_cpu_ms",
        "prove_wall_ms",
        "peak_rss_bytes",
    ] {
        assert!(proven[key].is_number(), "{key}");
    }
    let unused = matchmark_composer::unused_instructions();
    assert_eq!(proven["unused_instructions"], json!(unused));
    assert_eq!(proven["segments"], 2);
    assert_eq!(proven["steps"], 6);
    assert_eq!(proven["lookup_claims"], 2 * (3 + 4 + 5 + 6 + 7 + 8));
    assert_eq!(proven["per_segment"].as_array().unwrap().len(), 2);
    assert_eq!(proven["per_segment"][1]["steps"], 2);

    let policy = place.policy(&out);
    let verified = expect_json(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
    assert_eq!(verified["accepted"], json!(true));
    assert_eq!(verified["reason"], json!(null));
    for key in [
        "segments",
        "steps",
        "proof_bytes",
        "public_bytes",
        "chain_digest",
        "first_state",
        "last_state",
    ] {
        assert_eq!(verified[key], proven[key], "{key}");
    }
    assert!(verified["verify_ms"].as_f64() > Some(0.0));
    let security = &verified["security"];
    assert_eq!(security["level"], "insecure-13");
    assert_eq!(security["profile"], "compact");
    let conjectured = &security["conjectured"];
    assert!((12.9..13.0).contains(&conjectured["bits"].as_f64().unwrap()));
    assert_eq!(conjectured["limited_by"], "queries");
    let by_theorems = security["proven"]["bits"].as_f64().unwrap();
    assert!(0.0 < by_theorems && by_theorems < 12.9);
    assert_eq!(
        security["terms"].as_array().unwrap()[0]["term"],
        "random linear combinations"
    );

    // Once more there is nothing to be done.
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(resumed["parts_kept"], 2);
    assert_eq!(resumed["chain_digest"], proven["chain_digest"]);
}

#[test]
fn text_for_people() {
    let place = Place::new();
    let out = place.prove("chain", 2, &["--segment-steps", "3"]);
    let policy = place.policy(&out);
    let output = expect(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "segment",
        "ACCEPTED, at a level that proves nothing",
        "12.9 bits (limited by queries)",
    ] {
        assert!(text.contains(words), "{text}");
    }
    // No progress bars in a pipe, and no logs unless asked for.
    assert!(output.stderr.is_empty());
    let table = "term                         work   proven conjectured";
    assert!(!text.contains(table), "{text}");
    let verbose = [
        "verify",
        out.as_str(),
        "--policy",
        policy.as_str(),
        "--verbose",
    ];
    let output = expect(&verbose, 0);
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [table, "batching ", "fold 1 ", "queries ", "hash collision "] {
        assert!(text.contains(words), "{text}");
    }
    let review = fs::read_to_string(&policy).unwrap();
    assert!(review.contains("# Acceptance policy") && review.contains("INSECURE"));
    let output = common::matchmark()
        .args(["resume", out.as_str()])
        .env("MATCHMARK_LOG", "matchmark_composer=info")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("proving"));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("chain digest") && text.contains("kept"),
        "{text}"
    );
}

#[test]
fn inspect_prints_claims_and_writes_public_values() {
    let place = Place::new();
    let whole = place.prove("whole", 3, &[]);
    let parts = place.prove("parts", 3, &["--segment-steps", "4"]);
    let (first, second) = (place.join("a.safetensors"), place.join("b.safetensors"));
    let object = expect_json(&["inspect", parts.as_str(), "--public", first.as_str()], 0);
    assert_eq!(object["verified"], json!(false));
    assert_eq!(object["chain"]["segments"], 2);
    assert_eq!(
        object["segments"][1]["statement"]["steps"]["entries_before"],
        6
    );
    expect(&["inspect", whole.as_str(), "--public", second.as_str()], 0);
    // However the steps are cut, the values are the same.
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());

    // They are those of the trace and of the reference.
    let trace = AttentionTrace::load(place.join("parts.safetensors")).unwrap();
    let rules = trace
        .rules(matchmark_quant::Rounding::NearestTiesUp, None, None)
        .unwrap();
    let out = matchmark_runtime::decode(&trace, &rules).unwrap();
    let bytes = fs::read(&first).unwrap();
    let mut expected: Vec<u8> = vec![];
    for values in [trace.q(), trace.k(), trace.v(), &out] {
        expected.extend(values.iter().map(|value| value.to_le_bytes()[0]));
    }
    assert!(bytes.ends_with(&expected));

    let text = String::from_utf8(expect(&["inspect", parts.as_str()], 0).stdout).unwrap();
    assert!(text.contains("segment statement") && text.contains("Nothing was verified"));
}

#[test]
fn mixed_chains_and_where_their_bytes_are() {
    let place = Place::new();
    let mixed = ["--segment-steps", "3", "--cut", "fused,split"];
    let out = place.prove("mixed", 4, &mixed);
    let policy = place.policy(&out);
    let verify = ["verify", out.as_str(), "--policy", policy.as_str()];
    assert_eq!(expect_json(&verify, 0)["segments"], 2);

    let object = expect_json(&["inspect", out.as_str(), "--sizes"], 0);
    let segments = object["segments"].as_array().unwrap();
    let parts: Vec<Vec<&str>> = segments
        .iter()
        .map(|segment| {
            let proofs = segment["proofs"].as_array().unwrap();
            let bytes: u64 = proofs.iter().map(|it| it["bytes"].as_u64().unwrap()).sum();
            assert_eq!(segment["proof_bytes"], bytes);
            proofs
                .iter()
                .map(|it| it["part"].as_str().unwrap())
                .collect()
        })
        .collect();
    assert_eq!(parts, [vec!["whole"], vec!["arithmetic", "lookup"]]);
    // Without the option, nothing of it.
    let object = expect_json(&["inspect", out.as_str()], 0);
    assert!(object["segments"][0].get("proofs").is_none());
    let text = expect(&["inspect", out.as_str(), "--sizes"], 0).stdout;
    let text = String::from_utf8(text).unwrap();
    for words in ["whole proof:", "arithmetic proof:", "lookup proof:"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn mock_checks_constraints_only() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::tiny(4).write(&trace);
    for options in [
        &[][..],
        &["--segment-steps", "4"],
        &[
            "--rounding",
            "floor",
            "--table",
            "essay9",
            "--score-step",
            "1000",
        ],
    ] {
        let mut args = vec!["mock", "--trace", trace.as_str()];
        args.extend(options);
        let object = expect_json(&args, 0);
        assert_eq!(object["ok"], json!(true));
    }
    let text = String::from_utf8(expect(&["mock", "--trace", trace.as_str()], 0).stdout).unwrap();
    assert!(text.starts_with("ok"));
    assert_eq!(common::tree(&place.path).len(), 1);
}

#[test]
fn options_reach_the_statement() {
    let place = Place::new();
    let table = place.join("table.txt");
    fs::write(
        &table,
        "matchmark table 1\nkind custom\ndescription halves\nentries 4\n8 4 2 1\n",
    )
    .unwrap();
    let out = place.prove(
        "chain",
        5,
        &[
            "--rounding",
            "floor",
            "--table",
            table.as_str(),
            "--score-step",
            "500",
            "--domain",
            "somewhere",
            "--nonce",
            "ffffffffffffffffffffffffffffffff",
        ],
    );
    let object = expect_json(&["inspect", out.as_str()], 0);
    let chain = &object["chain"];
    assert_eq!(chain["rounding"], "floor");
    assert_eq!(chain["table_bounds"]["len"], 4);
    assert_eq!(chain["quantization"]["score_step"], 500);
    assert_eq!(chain["domain"]["application"], "somewhere");
    assert_eq!(chain["domain"]["nonce"], "f".repeat(32));
    assert_eq!(chain["security"]["level"], "insecure-13");
    let policy = place.policy(&out);
    expect(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
}

#[test]
fn quantize_then_prove() {
    let place = Place::new();
    let float = place.join("float.safetensors");
    let mut file = TraceFile::empty();
    for (name, phase) in [("q", 0.3_f32), ("k", 1.1), ("v", 2.7)] {
        let values: Vec<f32> = (0_u8..128).map(|i| (f32::from(i) * phase).sin()).collect();
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        file.tensors
            .push((name.to_owned(), Dtype::F32, vec![2, 8, 8], bytes));
    }
    file.write(&float);
    let mut last = 0.1;
    for bits in ["8", "12"] {
        let trace = place.join(&format!("{bits}.safetensors"));
        let args = [
            "quantize",
            "--float",
            float.as_str(),
            "--prefix",
            "2",
            "--bits",
            bits,
            "--to",
            trace.as_str(),
        ];
        let object = expect_json(&args, 0);
        let distance = object["fidelity"]["against_exact"]["relative_l2"]
            .as_f64()
            .unwrap();
        // Finer values, closer outputs.
        assert!(distance > 0.0 && distance < last, "{distance}");
        last = distance / 4.0;
        let loaded = AttentionTrace::load(&trace).unwrap();
        assert_eq!(loaded.step_range().steps(), 6);
        assert!(loaded.metadata().scales.is_some());
        expect(&["mock", "--trace", trace.as_str()], 0);
    }
    expect_error(
        &[
            "quantize",
            "--float",
            float.as_str(),
            "--prefix",
            "8",
            "--to",
            place.join("x").as_str(),
        ],
        2,
        &["8 tokens", "prefix"],
    );
    assert!(!place.join("x").exists());
}

#[test]
fn help_and_version() {
    for args in [&["--help"][..], &["--version"], &["prove", "--help"]] {
        assert!(!expect(args, 0).stdout.is_empty());
    }
}

#[test]
fn segments_longer_than_the_chain_are_one() {
    let place = Place::new();
    let whole = place.prove("whole", 1, &[]);
    let long = place.prove("long", 1, &["--segment-steps", "1000"]);
    let bytes = [&whole, &long].map(|it| std::fs::read(common::segment(it, 0)).unwrap());
    assert_eq!(bytes[0], bytes[1]);
    assert!(!common::segment(&long, 1).exists());
    let trace = place.join("long.safetensors");
    let mut mock = vec!["mock", "--trace", trace.as_str()];
    mock.extend(["--segment-steps", "1000"]);
    assert_eq!(common::expect_json(&mock, 0)["segments"], 1);
}
