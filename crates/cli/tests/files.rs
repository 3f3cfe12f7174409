//! Files that are not what they should be, or not where: devices, pipes, links, standard input and output,
//! and files that are given for each other.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{symlink, FileTypeExt as _};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use common::{expect, expect_error, expect_json, expect_refused, matchmark, segment, Place};
use serde_json::Value;

/// More than any of these commands takes, and less than anyone waits.
const SOON: Duration = Duration::from_secs(60);

fn make_pipe(path: &Utf8Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs the command with this on standard input.
fn with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = matchmark()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn nothing_special_is_waited_for_in_the_place_of_a_segment() {
    let place = Place::new();
    let out = place.prove("chain", 1, &["--segment-steps", "3"]);
    let policy = place.policy(&out);
    let file = segment(&out, 1);
    let kept = place.join("kept");
    fs::rename(&file, &kept).unwrap();
    let follow = [
        "verify",
        out.as_str(),
        "--policy",
        policy.as_str(),
        "--follow",
    ];
    let refused = |code: i32, words: &[&str]| {
        let start = Instant::now();
        expect_refused(&out, &policy, code, words);
        let followed = expect_json(&[&follow[..], &["--timeout", "1"]].concat(), code);
        assert_eq!(followed["accepted"], false);
        assert!(start.elapsed() < SOON);
        fs::remove_file(&file)
            .or_else(|_| fs::remove_dir(&file))
            .unwrap();
    };
    make_pipe(&file);
    refused(
        1,
        &["000001.segment is a named pipe", "expected a regular file"],
    );
    fs::create_dir(&file).unwrap();
    refused(1, &["000001.segment is a folder"]);
    symlink("/dev/zero", &file).unwrap();
    refused(1, &["000001.segment is a device"]);
    // A link to where the content is not, or not yet.
    symlink("elsewhere", &file).unwrap();
    refused(4, &["000001.segment is a symbolic link to \"elsewhere\""]);
    // And to where it is.
    symlink(&kept, &file).unwrap();
    let accepted = expect_json(&follow, 0);
    assert_eq!(accepted["kind"], "accepted");
    assert_eq!(
        expect_json(&follow[..4], 0)["chain_digest"],
        accepted["chain_digest"]
    );
}

#[test]
fn the_time_of_a_verification_is_bounded() {
    let place = Place::new();
    let out = place.prove("chain", 1, &["--segment-steps", "3"]);
    let policy = place.policy(&out);
    // A policy that never comes: nobody writes to standard input.
    for follow in [&[][..], &["--follow"]] {
        let mut child = matchmark()
            .args([
                "verify",
                out.as_str(),
                "--policy",
                "-",
                "--timeout",
                "1",
                "--json",
            ])
            .args(follow)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let held = child.stdin.take();
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(4));
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&object["kind"], &object["error"]["kind"]),
            (&"not-yet".into(), &"timeout".into())
        );
        drop(held);
    }
    // A chain that has half of its segments.
    fs::remove_file(segment(&out, 1)).unwrap();
    let args = [
        "verify",
        out.as_str(),
        "--policy",
        policy.as_str(),
        "--follow",
        "--timeout",
        "1",
    ];
    let object = expect_json(&args, 4);
    assert_eq!(object["segments"], 1);
    assert_eq!(object["error"]["variant"], "Timeout");
    let args = [
        "verify",
        out.as_str(),
        "--policy",
        policy.as_str(),
        "--timeout",
        "60",
    ];
    let object = expect_json(&args, 4);
    assert!(
        object["reason"].as_str().unwrap().contains("expected"),
        "{object}"
    );
}

#[test]
fn files_given_for_each_other_are_named() {
    let place = Place::new();
    let out = place.prove("chain", 1, &[]);
    let policy = place.policy(&out);
    let trace = place.join("chain.safetensors");
    let (key, model) = (place.join("a.vk"), place.join("a.mm"));
    let model_file = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models");
    let pointer = place.join("pointer.mm");
    fs::write(
        &pointer,
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n",
    )
    .unwrap();
    let text = place.join("text.txt");
    fs::write(&text, "Once upon a time\n").unwrap();
    let quantize = ["quantize", "--model"];
    let tiny = model_file.join("stories-2m");
    let calibrate = model_file.join("calibrate.txt");
    expect(
        &[
            &quantize[..],
            &[
                tiny.as_str(),
                "--calibrate",
                calibrate.as_str(),
                "--to",
                model.as_str(),
            ],
        ]
        .concat(),
        0,
    );
    let keygen = ["keygen", "--model", model.as_str(), "--to", key.as_str()];
    expect(
        &[
            &keygen[..],
            &["--security", "insecure-13", "--segment-steps", "1"],
        ]
        .concat(),
        0,
    );

    let verify = |file: &Utf8Path, words: &[&str]| {
        let args = ["verify", out.as_str(), "--policy", file.as_str()];
        expect_error(&args, 2, words);
        assert_eq!(expect_json(&args, 2)["error"]["kind"], "other-file");
    };
    verify(
        &key,
        &[
            "a.vk is the key of a model",
            "expected an acceptance policy",
            "--key",
        ],
    );
    verify(&model, &["a.mm is an integer model", "--model"]);
    verify(&trace, &["is a safetensors file", "--trace"]);
    verify(
        &segment(&out, 0),
        &["is a segment of a chain", "by its folder"],
    );
    verify(&out.join("chain.toml"), &["is the manifest of a chain"]);
    verify(&out, &["is a folder", "expected an acceptance policy"]);
    verify(Utf8Path::new("/dev/null"), &["is a device"]);
    let pipe = place.join("pipe");
    make_pipe(&pipe);
    verify(&pipe, &["is a named pipe", "`-` for standard input"]);
    // The others for each other.
    let to = place.join("never");
    for (option, file, words) in [
        (
            "--key",
            &policy,
            [
                "is an acceptance policy",
                "expected the key of a model",
                "--policy",
            ],
        ),
        (
            "--key",
            &model,
            [
                "is an integer model",
                "expected the key of a model",
                "--model",
            ],
        ),
    ] {
        let mut args = vec!["policy", option, file.as_str(), "--prompt-tokens", "1"];
        args.extend(["--tokens", "1", "--to", to.as_str()]);
        expect_error(&args, 2, &words);
    }
    for (file, words) in [
        (
            &key,
            [
                "is the key of a model",
                "expected an integer model",
                "--key",
            ],
        ),
        (
            &trace,
            [
                "is a safetensors file",
                "expected an integer model",
                "--trace",
            ],
        ),
        (
            &tiny,
            [
                "is a folder",
                "expected an integer model",
                "quantize --model DIR",
            ],
        ),
        (
            &pointer,
            [
                "is a git-lfs pointer",
                "expected an integer model",
                "git lfs pull",
            ],
        ),
    ] {
        let args = ["keygen", "--model", file.as_str(), "--to", to.as_str()];
        expect_error(&args, 2, &words);
    }
    for (file, words) in [
        (
            &model,
            [
                "is an integer model",
                "expected a safetensors file",
                "--model",
            ],
        ),
        (
            &policy,
            [
                "is an acceptance policy",
                "expected a safetensors file",
                "--policy",
            ],
        ),
    ] {
        expect_error(&["mock", "--trace", file.as_str()], 2, &words);
    }
    let args = ["mock", "--trace", trace.as_str(), "--table", key.as_str()];
    expect_error(
        &args,
        2,
        &["is the key of a model", "expected a weight table"],
    );
    // Folders.
    let words = [
        "is an integer model",
        "expected the folder of a trained model",
    ];
    let args = [
        &quantize[..],
        &[
            model.as_str(),
            "--calibrate",
            text.as_str(),
            "--to",
            to.as_str(),
        ],
    ]
    .concat();
    expect_error(&args, 2, &words);
    for (chain, words) in [
        (
            segment(&out, 0),
            ["is a segment of a chain", "expected the folder of a chain"],
        ),
        (
            out.join("segments"),
            ["is the folder of its segments", "name the folder above it"],
        ),
        (
            trace.clone(),
            ["is a safetensors file", "expected the folder of a chain"],
        ),
    ] {
        expect_error(&["inspect", chain.as_str()], 2, &words);
        expect_error(&["resume", chain.as_str()], 2, &words);
        expect_error(&["policy", chain.as_str(), "--to", to.as_str()], 2, &words);
        expect_error(
            &["verify", chain.as_str(), "--policy", policy.as_str()],
            2,
            &words,
        );
    }
    assert!(!to.exists());
}

#[test]
fn results_are_written_to_what_is_there() {
    let place = Place::new();
    let out = place.prove("chain", 1, &[]);
    let expected = fs::read(place.policy(&out)).unwrap();
    let write = |to: &str, code: i32| expect(&["policy", out.as_str(), "--to", to], code);
    // A device and what leads to one.
    write("/dev/null", 0);
    let link = place.join("null");
    symlink("/dev/null", &link).unwrap();
    write(link.as_str(), 0);
    assert!(link.is_symlink());
    assert!(fs::metadata("/dev/null")
        .unwrap()
        .file_type()
        .is_char_device());
    // The result of a device that is full is not lost without a word.
    if Utf8Path::new("/dev/full").exists() {
        let args = ["policy", out.as_str(), "--to", "/dev/full"];
        expect_error(&args, 3, &["cannot write /dev/full"]);
    }
    // A link to a file, and one to where a file can be made.
    let (file, new) = (place.join("file"), place.join("new"));
    fs::write(&file, "old").unwrap();
    for (name, target) in [("to-file", &file), ("to-new", &new)] {
        let link = place.join(name);
        symlink(target, &link).unwrap();
        write(link.as_str(), 0);
        assert!(link.is_symlink());
        assert_eq!(fs::read(target).unwrap(), expected);
    }
    let pipe = place.join("pipe");
    make_pipe(&pipe);
    let reader = thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe).unwrap()
    });
    write(pipe.as_str(), 0);
    assert_eq!(reader.join().unwrap(), expected);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let args = ["policy", out.as_str(), "--to", place.path.as_str()];
    expect_error(&args, 2, &["cannot write", "got a folder"]);
}

#[test]
fn a_dash_is_standard_input_and_output() {
    let place = Place::new();
    let out = place.prove("chain", 1, &[]);
    let policy = fs::read(place.policy(&out)).unwrap();
    for to in ["-", "/dev/stdout"] {
        let output = expect(&["policy", out.as_str(), "--to", to, "--json"], 0);
        assert_eq!(output.stdout, policy, "{to}");
        let object: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(
            (&object["kind"], &object["policy"]),
            (&"done".into(), &to.into())
        );
    }
    // Standard output that is a file is written to, and not replaced.
    let file = place.join("stdout");
    let mut kept = fs::File::create(&file).unwrap();
    kept.write_all(b"before\n").unwrap();
    let mut command = matchmark();
    command.args(["policy", out.as_str(), "--to", "/dev/stdout"]);
    assert!(command.stdout(kept).status().unwrap().success());
    assert_eq!(
        fs::read(&file).unwrap(),
        [b"before\n", policy.as_slice()].concat()
    );

    let verify = ["verify", out.as_str(), "--policy", "-", "--json"];
    let output = with_input(&verify, &policy);
    assert_eq!(output.status.code(), Some(0));
    let output = with_input(&verify, b"no policy");
    assert_eq!(output.status.code(), Some(2));
    let trace = fs::read(place.join("chain.safetensors")).unwrap();
    let mock = ["mock", "--trace", "-", "--json"];
    assert_eq!(with_input(&mock, &trace).status.code(), Some(0));
    // There is only one of it.
    let output = with_input(&["mock", "--trace", "-", "--table", "-", "--json"], &trace);
    assert_eq!(output.status.code(), Some(2));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["error"]["kind"], "standard-input");
    let output = expect(
        &[
            "synthesize",
            "--heads",
            "1",
            "--head-dim",
            "2",
            "--steps",
            "1",
            "--to",
            "-",
        ],
        0,
    );
    let again = with_input(&mock, &output.stdout);
    assert_eq!(again.status.code(), Some(0));
}

#[test]
fn who_has_seen_enough_may_close_the_pipe() {
    let place = Place::new();
    let out = place.prove("chain", 1, &["--segment-steps", "3"]);
    let policy = place.policy(&out);
    for (args, code) in [
        (&["inspect", out.as_str()][..], 0),
        (&["inspect", out.as_str(), "--json"], 0),
        (&["verify", out.as_str(), "--policy", policy.as_str()], 0),
        (
            &["verify", out.as_str(), "--policy", "/nowhere", "--json"],
            2,
        ),
        (&["policy", out.as_str(), "--to", "-"], 0),
        (&["--help"], 0),
        (&["resume", out.as_str()], 0),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = matchmark()
            .args(args)
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("pipe"),
            "{args:?}: {stderr}"
        );
    }
}

#[test]
fn nothing_in_a_file_acts_on_a_terminal() {
    let place = Place::new();
    let out = place.prove("chain", 1, &[]);
    let policy = place.policy(&out);
    let text = fs::read_to_string(&policy).unwrap();
    let escape = "\x1b]0;mine\x07\u{202e}\u{9b}2J";
    let bad = place.join("bad.toml");
    fs::write(
        &bad,
        text.replace("[domain]", &format!("[domain] {escape}")),
    )
    .unwrap();
    fs::write(out.join("segments").join(format!("{escape}.segment")), "").unwrap();
    let acts = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    for (args, code) in [
        (["verify", out.as_str(), "--policy", bad.as_str()], 2),
        (["verify", out.as_str(), "--policy", policy.as_str()], 1),
    ] {
        for json in [&[][..], &["--json"]] {
            let output = expect(&[&args[..], json].concat(), code);
            for stream in [output.stdout, output.stderr] {
                let text = String::from_utf8(stream).unwrap();
                assert!(!text.contains(acts), "{text:?}");
            }
        }
    }
}
