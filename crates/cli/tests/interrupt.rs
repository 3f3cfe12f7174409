//! Ctrl-C: what is said, and what is left behind.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{expect_json, matchmark, segment, tree, Place, TraceFile};

/// The program with the default answer to an interrupt: what runs in the background of a script ignores it,
/// and passes that on to all that it starts.
fn interruptible() -> Command {
    let program = matchmark();
    if !cfg!(target_os = "linux") {
        return program;
    }
    let mut env = Command::new("env");
    env.args(["--unset=MATCHMARK_LOG", "--default-signal=INT"]);
    env.arg(program.get_program());
    env
}

#[test]
fn says_how_to_go_on() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::shaped(1, 2, 1, 8, 2, 400).write(&trace);
    let out = place.join("my chain");
    let mut command = interruptible();
    command.args(["prove", "--trace", trace.as_str(), "--out", out.as_str()]);
    command.args(["--security", "insecure-13", "--segment-steps", "1"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !segment(&out, 0).exists() {
        assert!(start.elapsed() < Duration::from_secs(300));
        sleep(Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill")
        .args(["-INT", &id])
        .status()
        .unwrap()
        .success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(output.stdout.is_empty());
    let expected = format!("`matchmark resume '{out}'`");
    assert!(stderr.contains(&expected), "{stderr}");
    // What it says is true, and nothing half-written stays.
    let report = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(report["segments"], 400);
    assert!(report["parts_kept"].as_u64().unwrap() > 0);
    assert!(tree(&out).iter().all(|name| !name.contains(".matchmark-")));
}
