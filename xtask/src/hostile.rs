//! `cargo xtask hostile`: the hostile suite, and its table in `docs/hostile.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde::Deserialize;

use crate::fuzz;
use matchmark_tools::document::Document;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::process::{exit_code, shown};
use matchmark_tools::table::Table;
use matchmark_tools::workspace;

/// What is run.
#[derive(Args)]
pub struct Options {
    /// A seeded part, in a few minutes (the default)
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Everything, as long as it takes
    #[arg(long)]
    full: bool,
    /// Seed of everything that is drawn
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// One class only; `fuzz` runs the fuzz targets instead
    #[arg(long, value_name = "CLASS")]
    only: Option<String>,
    /// Minutes of fuzzing, all targets together (8 unless given); with `--only fuzz`
    #[arg(long, value_name = "M", requires = "only", conflicts_with_all = ["quick", "full", "replay", "document"])]
    minutes: Option<u32>,
    /// One attempt only, by the label that a failure prints
    #[arg(long, value_name = "LABEL", requires = "only")]
    replay: Option<String>,
    /// Also write the report as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table of docs/hostile.md anew; of all classes
    #[arg(long, conflicts_with_all = ["only", "replay"])]
    document: bool,
}

/// The class that does not belong to the suite itself: it needs a nightly compiler and cargo-fuzz.
const FUZZ: &str = "fuzz";
/// Minutes of fuzzing where nothing is said.
const FUZZ_MINUTES: u32 = 8;

const DOCUMENT: Document = Document {
    command: "cargo xtask hostile --full --document",
    new: "# The hostile suite\n\n",
};

/// What the suite reports; see `matchmark_hostile::report::Row`.
#[derive(Deserialize)]
struct Report {
    seed: u64,
    extent: String,
    classes: Vec<Class>,
}

#[derive(Deserialize)]
struct Class {
    class: String,
    attempts: u64,
    accepted: u64,
    panics: u64,
    untyped: u64,
    unmet: u64,
    seconds: f64,
}

/// Builds the suite and runs it. It prints its own table.
///
/// # Errors
/// The exit code of the suite: 1 if anything was accepted, panicked, or was not as it must be.
pub fn run(options: &Options) -> Result<(), Failure> {
    let only = options.only.as_deref();
    if only == Some(FUZZ) {
        if options.replay.is_some() {
            return Err(Failure::wrong_use(
                "an input is replayed by a test: cargo test -p matchmark-fuzz-targets",
            ));
        }
        let minutes = options.minutes.unwrap_or(FUZZ_MINUTES);
        return fuzz::run(minutes, options.json.as_deref());
    }
    if options.minutes.is_some() {
        return Err(Failure::wrong_use("--minutes goes with --only fuzz"));
    }
    let json = options
        .json
        .clone()
        .unwrap_or_else(|| workspace::target_dir().join("hostile.json"));
    // The suite runs in the root of the workspace, whatever directory this was called in.
    let json = std::path::absolute(&json).context(json.display())?;
    if let Some(parent) = json.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(parent).context(parent.display())?;
    }
    let mut command = command(options, &json);
    let status = command.status().context(shown(&command))?;
    if !status.success() {
        return Err(Failure::passed_through(exit_code(status)));
    }
    if options.document {
        write_document(&json)?;
    }
    Ok(())
}

/// The suite as a process of its own, built in release.
fn command(options: &Options, json: &Path) -> Command {
    let mut command = workspace::cargo();
    command
        .args(["run", "--quiet", "--release"])
        .args(["--package", "matchmark-hostile", "--"])
        .arg(if options.full { "--full" } else { "--quick" })
        .args(["--seed", &options.seed.to_string()])
        .arg("--json")
        .arg(json);
    for (name, value) in [("--only", &options.only), ("--replay", &options.replay)] {
        if let Some(value) = value {
            command.args([name, value]);
        }
    }
    command
}

fn write_document(json: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(json).context(json.display())?;
    let report: Report = serde_json::from_str(&text).context(json.display())?;
    let path = workspace::root().join("docs/hostile.md");
    let existing = fs::read_to_string(&path).ok();
    let updated = DOCUMENT.update(existing.as_deref(), &generated(&report))?;
    fs::write(&path, updated).context(path.display())
}

fn generated(report: &Report) -> String {
    let mut table = Table::new(&[
        "class", "attempts", "accepted", "panics", "untyped", "unmet", "seconds",
    ]);
    for class in &report.classes {
        table.row(vec![
            class.class.clone(),
            class.attempts.to_string(),
            class.accepted.to_string(),
            class.panics.to_string(),
            class.untyped.to_string(),
            class.unmet.to_string(),
            format!("{:.1}", class.seconds),
        ]);
    }
    let attempts: u64 = report.classes.iter().map(|class| class.attempts).sum();
    format!(
        "{}\n{attempts} attempts, {} extent, seed {}.",
        table.to_markdown(),
        report.extent,
        report.seed
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_class_and_the_sum() {
        let report: Report = serde_json::from_str(
            r#"{"seed": 7, "extent": "quick", "classes": [
                {"class": "a", "attempts": 3, "accepted": 0, "panics": 0, "untyped": 0, "unmet": 0, "seconds": 1.25, "refusals": {}},
                {"class": "b", "attempts": 4, "accepted": 1, "panics": 0, "untyped": 0, "unmet": 2, "seconds": 0.5}
            ]}"#,
        )
        .unwrap();
        let text = generated(&report);
        assert!(text.contains("| a | 3 | 0 | 0 | 0 | 0 | 1.2 |"), "{text}");
        assert!(
            text.ends_with("7 attempts, quick extent, seed 7."),
            "{text}"
        );
    }
}
