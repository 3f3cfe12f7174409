//! The command, as a process of its own.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// What a run of one class prints and writes, and that its exit code says that nothing was accepted.
#[test]
fn one_class_is_run_and_reported() {
    let place = tempfile::tempdir().unwrap();
    let report = place.path().join("report.json");
    let output = Command::new(env!("CARGO_BIN_EXE_matchmark-hostile"))
        .args(["--quick", "--only", "names", "--json"])
        .arg(&report)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let [class] = report["classes"].as_array().unwrap().as_slice() else {
        panic!("{report}");
    };
    assert_eq!(class["class"], "names");
    assert!(class["attempts"].as_u64().unwrap() > 100);
    assert_eq!(
        (&class["accepted"], &class["panics"]),
        (&0.into(), &0.into())
    );
    assert!(text.contains("names"), "{text}");
}

#[test]
fn a_class_that_is_not_there_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_matchmark-hostile"))
        .args(["--only", "nothing"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("possible values") && text.contains("forgeries"),
        "{text}"
    );
}
