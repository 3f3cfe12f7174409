//! `cargo xtask soundcalc`: asks the public calculator about the pinned layouts anew.
//!
//! The calculator is a repository of its own, read at a pinned commit into the target folder; nothing of it is
//! kept here but what it says. It needs git, Python 3 and no package.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::process::{exit_code, shown};
use matchmark_tools::workspace;

const REPOSITORY: &str = "https://github.com/ethereum/soundcalc";
const COMMIT: &str = "809896fb8d3aba4fd8f657c781601e3ef2b968dd";
/// What is asked, what is said, and the program that asks.
const FOLDER: &str = "crates/prover/tests/soundcalc";

/// Where the calculator is.
#[derive(Args)]
pub struct Options {
    /// A checkout of the calculator [default: its pinned commit, fetched into the target folder]
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// Writes the parameters, asks, and compares.
///
/// # Errors
/// A program that is not there or fails, and a calculator that says something else.
pub fn run(options: &Options) -> Result<(), Failure> {
    let calculator = match &options.from {
        Some(folder) => folder.clone(),
        None => fetched()?,
    };
    // The test holds what is written against what the calculator said before, and need not agree yet.
    let _ = compare(true);
    let folder = workspace::root().join(FOLDER);
    let mut ask = Command::new("python3");
    ask.arg(folder.join("calculate.py"))
        .arg(&calculator)
        .args(["input.json", "output.json"].map(|name| folder.join(name)));
    checked(&mut ask)?;
    compare(false)
}

/// The pinned commit, and nothing else of the repository.
fn fetched() -> Result<PathBuf, Failure> {
    let folder = workspace::target_dir().join("soundcalc");
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(&folder).args(words);
        checked(&mut git)
    };
    std::fs::create_dir_all(&folder).context(folder.display())?;
    if is_at_commit(&folder) {
        return Ok(folder);
    }
    git(&["init", "--quiet"])?;
    git(&["fetch", "--quiet", "--depth", "1", REPOSITORY, COMMIT])?;
    git(&["checkout", "--quiet", "--detach", COMMIT])?;
    Ok(folder)
}

fn is_at_commit(folder: &Path) -> bool {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["rev-parse", "HEAD"]);
    let head = git.output();
    folder.join(".git").is_dir()
        && head.is_ok_and(|it| String::from_utf8_lossy(&it.stdout).trim() == COMMIT)
}

/// Runs the test that compares; before that it writes what is to be asked, if `write`.
fn compare(write: bool) -> Result<(), Failure> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--quiet", "--test", "suite", "--"]);
    cargo.arg("security::the_public_calculator_says_the_same");
    if write {
        cargo.env("MATCHMARK_WRITE_SOUNDCALC", "1");
        cargo
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
    }
    checked(&mut cargo)
}

fn checked(command: &mut Command) -> Result<(), Failure> {
    let name = shown(command);
    let status = command.status().context(&name)?;
    match exit_code(status) {
        0 => Ok(()),
        code => Err(Failure {
            code,
            message: Some(format!("{name}: exit code {code}")),
        }),
    }
}
