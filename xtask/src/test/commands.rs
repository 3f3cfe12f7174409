//! Commands that the steps run, and what comes of them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::runner::Outcome;
use matchmark_tools::{process, workspace};

/// The package of the verifier.
pub const VERIFIER: &str = "matchmark-verifier";
/// A machine without a network must not wait long for a target.
const TARGET_DOWNLOAD: Duration = Duration::from_secs(60);

/// Cargo with these arguments, in the workspace's root.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
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
    // Little of this is run: optimized dependencies would only take longer.
    for setting in [
        r#"profile.dev.package."*".opt-level=0"#,
        "profile.dev.debug=0",
    ] {
        command.args(["--config", setting]);
    }
    command
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
