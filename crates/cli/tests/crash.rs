//! A prover that is killed at random moments, and resumed.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::{expect, expect_json, matchmark, tree, Place, TraceFile};

#[test]
fn kill_and_resume_ends_in_the_same_chain() {
    let place = Place::new();
    let trace = place.join("trace.safetensors");
    TraceFile::shaped(1, 2, 1, 8, 2, 40).write(&trace);
    let prove = |out: &str| {
        let mut command = matchmark();
        command.args([
            "prove",
            "--trace",
            trace.as_str(),
            "--out",
            out,
            "--security",
            "insecure-13",
            "--segment-steps",
            "1",
        ]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let whole = place.join("whole");
    assert!(prove(whole.as_str()).status().unwrap().success());
    let expected = expect_json(&["resume", whole.as_str()], 0);
    assert_eq!(expected["parts_kept"], 40);

    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .subsec_nanos();
    let out = place.join("killed");
    let (mut kills, mut random) = (0, u64::from(seed));
    for round in 0..12 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // The first rounds are short: they also hit the creation of the directory.
        let wait = Duration::from_millis((random >> 33) % (20 + 40 * round));
        let mut child = if out.join("chain.toml").exists() && out.join("segments").exists() {
            let mut command = matchmark();
            command.args(["resume", out.as_str()]);
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        } else {
            prove(out.as_str()).spawn().unwrap()
        };
        sleep(wait);
        if child
            .try_wait()
            .unwrap()
            .is_some_and(|status| status.success())
        {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        // Every file that has its name is whole: it is the same as in the run that was not disturbed.
        if out.join("segments").exists() {
            for name in tree(&out.join("segments")) {
                if name.ends_with(".segment") {
                    let file = name.rsplit('/').next().unwrap();
                    let undisturbed = fs::read(whole.join("segments").join(file)).unwrap();
                    assert_eq!(fs::read(&name).unwrap(), undisturbed, "seed {seed}");
                }
            }
        }
    }
    assert!(kills >= 2, "seed {seed}: {kills} kills");
    if !out.join("segments").exists() {
        assert!(
            prove(out.as_str()).status().unwrap().success(),
            "seed {seed}"
        );
    }
    let resumed = expect_json(&["resume", out.as_str()], 0);
    assert_eq!(
        resumed["chain_digest"], expected["chain_digest"],
        "seed {seed}"
    );
    for name in tree(&whole.join("segments")) {
        let file = name.rsplit('/').next().unwrap();
        let other = fs::read(out.join("segments").join(file)).unwrap();
        assert_eq!(fs::read(&name).unwrap(), other, "seed {seed}");
    }
    assert!(tree(&out).iter().all(|name| !name.contains(".matchmark-")));
    let policy = place.policy(&out);
    expect(&["verify", out.as_str(), "--policy", policy.as_str()], 0);
}
