//! What `cargo xtask test` runs.

use std::process::Command;

use super::commands::{cargo, on_plain_stable, succeeds, target_is_there, VERIFIER};
use super::runner::{Outcome, Step};
use super::{bare, deny, outside};
use matchmark_tools::workspace;

use crate::tidy;

/// The package of the whole library, which without its default features is the verifier's side alone.
const LIBRARY: &str = "matchmark";
const VERIFIER_SIDE: &str = "--no-default-features";
const WASM: &str = "wasm32-unknown-unknown";
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
        Step::new("hostile suite, quick", hostile_suite),
        // The steps above turn the feature `prover` on for every crate of the build, and unstable features with
        // it.
        Step::new("tests of the verifier alone on plain stable", || {
            tests_on_stable(&[VERIFIER, "--features", "std"])
        }),
        Step::new(
            "tests of the library's verifier side on plain stable",
            || tests_on_stable(&[LIBRARY, VERIFIER_SIDE]),
        ),
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
            "quant, graph, tables, statement for thumbv7em-none-eabi",
            bare::below_the_proof_library,
        ),
        Step::new("verifier for thumbv7em-none-eabi", bare::verifier),
        Step::new("prover outside of the workspace", outside::proves),
        Step::new("cargo-deny: bans, licences, sources", deny::tree),
        Step::new("cargo-deny: the same of the fuzzers", deny::fuzzers),
        Step::new("cargo-deny: advisories", deny::advisories),
    ]
}

/// A test run that reports changed snapshots and leaves no file behind, unless told otherwise.
fn tests(arguments: &[&str]) -> Command {
    let mut command = cargo(&["test"]);
    command.args(arguments);
    reporting_snapshots(command)
}

/// The tests of a package, named with the options that it is built with, on plain stable.
fn tests_on_stable(package: &[&str]) -> Outcome {
    let words = [&["test", "--package"], package].concat();
    succeeds(reporting_snapshots(on_plain_stable(&words)))
}

fn reporting_snapshots(mut command: Command) -> Command {
    if std::env::var_os("INSTA_UPDATE").is_none() {
        command.env("INSTA_UPDATE", "no");
    }
    command
}

/// The quick suite of attacks, by the program that the tests were built with: any other build of it would be
/// one of other features, and take minutes.
fn hostile_suite() -> Outcome {
    match succeeds(tests(&[
        "--workspace",
        "--all-targets",
        "--no-run",
        "--quiet",
    ])) {
        Outcome::Passed => {}
        other => return other,
    }
    let program = workspace::target_dir().join("debug/matchmark-hostile");
    let mut command = Command::new(program);
    command.arg("--quick").current_dir(workspace::root());
    succeeds(command)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_names_are_distinct() {
        let steps = all();
        let names: std::collections::BTreeSet<&str> = steps.iter().map(Step::name).collect();
        assert_eq!(names.len(), steps.len());
    }
}
