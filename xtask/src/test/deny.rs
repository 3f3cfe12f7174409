//! What the dependency tree may hold: `cargo deny`, by `deny.toml`.

use std::process::Command;
use std::time::Duration;

use super::commands::{cargo, succeeds};
use super::runner::Outcome;
use matchmark_tools::process;

/// A machine without a network must not wait long for the advisory database.
const DATABASE_DOWNLOAD: Duration = Duration::from_secs(60);
/// Entries of `deny.toml` that nothing in the tree needs any longer are refused, too.
const STALE_ENTRIES: [&str; 2] = ["unused-wrapper", "license-not-encountered"];

/// Bans, licences and sources of the workspace.
pub fn tree() -> Outcome {
    where_installed(|| {
        let mut command = cargo(&["deny", "--all-features", "check"]);
        for lint in STALE_ENTRIES {
            command.args(["--deny", lint]);
        }
        command.args(["bans", "licenses", "sources"]);
        succeeds(command)
    })
}

/// Bans, licences and sources of the workspace `fuzz`, by the same rules.
pub fn fuzzers() -> Outcome {
    where_installed(|| {
        succeeds(cargo(&[
            "deny",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--config",
            "deny.toml",
            "--all-features",
            "check",
            "bans",
            "licenses",
            "sources",
        ]))
    })
}

/// What has become known about crates of the tree. Needs the advisory database, a repository that has to
/// be within reach.
pub fn advisories() -> Outcome {
    where_installed(|| {
        if let Err(why) = fetched(&mut cargo(&["deny", "fetch", "db"])) {
            return Outcome::Skipped(why);
        }
        succeeds(cargo(&["deny", "--all-features", "check", "advisories"]))
    })
}

fn where_installed(check: impl FnOnce() -> Outcome) -> Outcome {
    if process::succeeds(&mut cargo(&["deny", "--version"])) {
        check()
    } else {
        Outcome::Skipped(
            "cargo-deny is not installed: `cargo install cargo-deny --locked`, or run `.ci/run`, which installs it"
                .into(),
        )
    }
}

/// Whether the database is there and of today, or why not.
fn fetched(command: &mut Command) -> Result<(), String> {
    let missing = |why: String| format!("the advisory database is not within reach: {why}");
    let shown = process::shown(command);
    match process::run_for(command, DATABASE_DOWNLOAD) {
        Err(error) => Err(missing(format!("{shown}: {error}"))),
        Ok(None) => Err(missing(format!(
            "{shown} did not end within {} s",
            DATABASE_DOWNLOAD.as_secs()
        ))),
        Ok(Some(status)) if !status.success() => Err(missing(format!("{shown}: {status}"))),
        Ok(Some(_)) => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_database_out_of_reach_is_a_reason_to_skip() {
        assert_eq!(fetched(&mut Command::new("true")), Ok(()));
        let why = fetched(&mut Command::new("false")).unwrap_err();
        assert_eq!(
            why,
            "the advisory database is not within reach: false: exit status: 1"
        );
        let why = fetched(&mut Command::new("no-program-of-this-name")).unwrap_err();
        assert!(why.contains("no-program-of-this-name: "), "{why}");
    }
}
