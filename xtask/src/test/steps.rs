//! What `cargo xtask test` runs.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::runner::{Outcome, Step};
use super::{bare, deny, outside};
use matchmark_tools::{process, workspace};

use crate::tidy;

/// The package of the verifier.
pub const VERIFIER: &str = "matchmark-verifier";
/// The package of the whole library, which without its default features is the verifier's side alone.
const LIBRARY: &str = "matchmark";
const VERIFIER_SIDE: &str = "--no-default-features";
const WASM: &str = "wasm32-unknown-unknown";
/// A machine without a network must not wait long for a target.
const TARGET_DOWNLOAD: Duration = Duration::from_secs(60);

/// All steps, the quick ones first.
pub fn all() -> Vec<Step> {
    vec![
        Step::new("formatting", || {
            succeeds(cargo(&["fmt", "--all", "--", "--check"]))
        }),
        Step::new("tidy", tree_is_tidy),
        Step::new("clippy", || {
            succeeds(cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        }),
        Step::new("documentation", || {
            let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
            command.env("RUSTDOCFLAGS", "-D warnings");
            succeeds(command)
        }),
        Step::new("tests", || {
            succeeds(tests(&["--workspace", "--all-targets"]))
        }),
        Step::new("tests in the documentation", || {
            succeeds(tests(&["--workspace", "--doc"]))
        }),
        Step::new("hostile suite, quick", || {
            succeeds(cargo(&[
                "run",
                "--quiet",
                "--release",
                "--package",
                "matchmark-hostile",
                "--",
                "--quick",
            ]))
        }),
        // The steps above turn the feature `prover` on for every crate of the build.
        Step::new("tests of the verifier alone", || {
            succeeds(tests(&["--package", VERIFIER, "--features", "std"]))
        }),
        Step::new("tests of the library's verifier side", || {
            succeeds(tests(&["--package", LIBRARY, VERIFIER_SIDE]))
        }),
        Step::new("verifier alone on plain stable", || on_stable(&[VERIFIER])),
        Step::new("verifier for wasm32-unknown-unknown", || {
            for_wasm(&[VERIFIER])
        }),
        Step::new("library's verifier side on plain stable", || {
            on_stable(&[LIBRARY, VERIFIER_SIDE])
        }),
        Step::new("library's verifier side for wasm32-unknown-unknown", || {
            for_wasm(&[LIBRARY, VERIFIER_SIDE])
        }),
        Step::new(
            "quant, tables, statement for thumbv7em-none-eabi",
            bare::below_the_proof_library,
        ),
        Step::new("verifier for thumbv7em-none-eabi", bare::verifier),
        Step::new("prover outside of the workspace", outside::proves),
        Step::new("cargo-deny: bans, licences, sources", deny::tree),
        Step::new("cargo-deny: the same of the fuzzers", deny::fuzzers),
        Step::new("cargo-deny: advisories", deny::advisories),
    ]
}

/// Cargo with these arguments, in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}

/// A test run that reports changed snapshots and leaves no file behind, unless told otherwise.
fn tests(arguments: &[&str]) -> Command {
    let mut command = cargo(&["test"]);
    command.args(arguments);
    if std::env::var_os("INSTA_UPDATE").is_none() {
        command.env("INSTA_UPDATE", "no");
    }
    command
}

/// Runs a command, with its output where ours goes.
pub fn succeeds(mut command: Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed,
        Ok(status) => Outcome::Failed(format!("{}: {status}", process::shown(&command))),
        Err(error) => Outcome::Failed(format!("{}: {error}", process::shown(&command))),
    }
}

fn tree_is_tidy() -> Outcome {
    match tidy::check(&workspace::root()) {
        Err(failure) => Outcome::Failed(failure.message.unwrap_or_default()),
        Ok(findings) if findings.is_empty() => Outcome::Passed,
        Ok(findings) => {
            for finding in &findings {
                println!("{finding}");
            }
            Outcome::Failed(format!("{} findings", findings.len()))
        }
    }
}

/// Where the verifier is built without permission for unstable features, apart from the other
/// builds: cargo would otherwise build everything anew each time the permission changes.
fn plain_stable_dir() -> PathBuf {
    workspace::target_dir().join("plain-stable")
}

/// A cargo command in which no crate may use an unstable feature. An empty variable overrides that
/// of `.cargo/config.toml`, which allows some to Stwo; were the prover's side part of the build, it
/// would not compile.
///
/// The workspace's own flags are left out, too: they name the processor of this machine, which is
/// none of the wasm target's, and where it has AVX-512 Stwo asks for an unstable feature even
/// without its prover.
pub fn on_plain_stable(arguments: &[&str]) -> Command {
    let mut command = cargo(arguments);
    command
        .env("RUSTC_BOOTSTRAP", "")
        .env("RUSTFLAGS", "")
        .arg("--target-dir")
        .arg(plain_stable_dir());
    // Nothing of this is run: optimized dependencies would only take longer.
    for setting in [
        r#"profile.dev.package."*".opt-level=0"#,
        "profile.dev.debug=0",
    ] {
        command.args(["--config", setting]);
    }
    command
}

/// A package, named with the options that it is built with, is free of warnings on plain stable.
fn on_stable(package: &[&str]) -> Outcome {
    let words = [&["clippy", "--lib", "--package"], package].concat();
    let mut command = on_plain_stable(&words);
    command.args(["--", "-D", "warnings"]);
    succeeds(command)
}

/// The same builds for wasm.
fn for_wasm(package: &[&str]) -> Outcome {
    if let Err(why) = target_is_there(WASM) {
        return Outcome::Skipped(why);
    }
    let words = [&["build", "--target", WASM, "--package"], package].concat();
    succeeds(on_plain_stable(&words))
}

/// Makes sure that a target's libraries are there.
///
/// # Errors
/// Why they are not.
pub fn target_is_there(target: &str) -> Result<(), String> {
    if has_target(target) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup
        .current_dir(workspace::root())
        .args(["target", "add", target]);
    let added = process::run_for(&mut rustup, TARGET_DOWNLOAD);
    let missing = |why: String| format!("the target {target} is not available: {why}");
    match added {
        Err(error) => Err(missing(format!("rustup: {error}"))),
        Ok(None) => Err(missing(format!(
            "rustup target add did not end within {} s",
            TARGET_DOWNLOAD.as_secs()
        ))),
        Ok(Some(status)) if !status.success() => {
            Err(missing(format!("rustup target add: {status}")))
        }
        Ok(Some(_)) => Ok(()),
    }
}

/// Asks the compiler rather than rustup, so that toolchains from elsewhere count too.
fn has_target(target: &str) -> bool {
    let rustc = || {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.current_dir(workspace::root());
        rustc
    };
    let printed = rustc()
        .args(["--print", "target-libdir", "--target", target])
        .output();
    printed.is_ok_and(|output| {
        let directory = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        output.status.success() && directory.is_dir()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn step_names_are_distinct() {
        let steps = all();
        let names: std::collections::BTreeSet<&str> = steps.iter().map(Step::name).collect();
        assert_eq!(names.len(), steps.len());
    }

    #[test]
    fn plain_stable_means_no_permission_no_flags_and_a_directory_of_its_own() {
        let command = on_plain_stable(&["check"]);
        for variable in ["RUSTC_BOOTSTRAP", "RUSTFLAGS"] {
            let set = command.get_envs().find(|(name, _)| *name == variable);
            assert_eq!(set.unwrap().1.unwrap(), "", "{variable}");
        }
        let words: Vec<_> = command.get_args().collect();
        assert_eq!(words[..2], ["check", "--target-dir"]);
        assert!(words[2].to_string_lossy().ends_with("plain-stable"));
    }

    #[cfg(unix)]
    #[test]
    fn a_command_that_fails_is_named_with_its_status() {
        assert_eq!(succeeds(Command::new("true")), Outcome::Passed);
        let Outcome::Failed(why) = succeeds(Command::new("false")) else {
            panic!("false succeeded");
        };
        assert!(why.starts_with("false: exit status"), "{why}");
        let Outcome::Failed(why) = succeeds(Command::new("no-program-of-this-name")) else {
            panic!("a missing program ran");
        };
        assert!(why.starts_with("no-program-of-this-name: "), "{why}");
    }
}
