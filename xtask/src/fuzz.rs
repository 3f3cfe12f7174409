//! `cargo xtask hostile --only fuzz`: all fuzz targets, where cargo-fuzz and a nightly compiler are.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::Serialize;

use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::process;
use matchmark_tools::table::Table;
use matchmark_tools::workspace;

/// The compiler whose unstable flags cargo-fuzz needs.
const TOOLCHAIN: &str = "nightly";
/// A single input may take this long.
const SECONDS_PER_INPUT: u32 = 20;
/// Memory that one process may take.
const MEGABYTES: u32 = 2048;
/// Lines of a failed run that are shown.
const SHOWN: usize = 40;

/// What one target came to.
#[derive(Debug, PartialEq, Serialize)]
struct Row {
    target: String,
    executions: u64,
    /// Edges of the instrumented code that were reached.
    edges: u64,
    /// Inputs kept because they reached something new.
    corpus: u64,
    seconds: f64,
    /// Whether an input failed; the run of the target ends with it.
    failed: bool,
}

/// Runs every target for an equal part of `minutes`. Where the tools are missing it says so, and that
/// nothing was run; that is no failure.
///
/// # Errors
/// An input that failed, or a target that cannot be built or run.
pub fn run(minutes: u32, json: Option<&Path>) -> Result<(), Failure> {
    if let Err(why) = tools() {
        println!("fuzz: skipped, nothing was run: {why}");
        return Ok(());
    }
    let targets = targets(&workspace::root())?;
    let seconds = (u64::from(minutes) * 60 / targets.len().max(1) as u64).max(1);
    println!(
        "fuzz: {} targets, {seconds} s each, on {TOOLCHAIN}",
        targets.len()
    );
    let mut build = cargo_fuzz("build");
    let status = build.status().context(process::shown(&build))?;
    if !status.success() {
        return Err(Failure::passed_through(process::exit_code(status)));
    }
    let mut rows = vec![];
    for target in targets {
        let row = run_target(&target, seconds)?;
        println!("{target}: {} executions", row.executions);
        rows.push(row);
    }
    print(&rows);
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&rows).context(path.display())? + "\n";
        fs::write(path, text).context(path.display())?;
    }
    match rows.iter().filter(|row| row.failed).count() {
        0 => Ok(()),
        failed => Err(Failure::failed(format!("{failed} targets failed"))),
    }
}

/// That cargo-fuzz and the compiler are installed, or what is missing.
fn tools() -> Result<(), String> {
    if !process::succeeds(&mut rustup(&["rustc", "--version"])) {
        return Err(format!(
            "no {TOOLCHAIN} compiler is installed (rustup toolchain install {TOOLCHAIN})"
        ));
    }
    if !process::succeeds(&mut rustup(&["cargo", "fuzz", "--version"])) {
        return Err("cargo-fuzz is not installed (cargo install cargo-fuzz)".to_owned());
    }
    Ok(())
}

/// A program of the nightly toolchain, in the workspace's root.
fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command
        .current_dir(workspace::root())
        .args(["run", TOOLCHAIN])
        .args(arguments);
    // Those of the cargo that runs this command.
    for variable in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN"] {
        command.env_remove(variable);
    }
    command
}

fn cargo_fuzz(subcommand: &str) -> Command {
    let mut command = rustup(&["cargo", "fuzz", subcommand]);
    command.arg("--target-dir").arg(scratch("build"));
    command
}

/// What fuzzing leaves behind stays out of the source tree.
fn scratch(what: &str) -> PathBuf {
    let target = workspace::target_dir().join("fuzz").join(what);
    std::path::absolute(&target).unwrap_or(target)
}

/// The names of all targets, in alphabetical order.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut names = vec![];
    for entry in fs::read_dir(&folder).context(folder.display())? {
        let name = entry.context(folder.display())?.file_name();
        if let Some(name) = name.to_string_lossy().strip_suffix(".rs") {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn run_target(target: &str, seconds: u64) -> Result<Row, Failure> {
    let artifacts = scratch("artifacts").join(target);
    let corpus = scratch("corpus").join(target);
    for folder in [&artifacts, &corpus] {
        fs::create_dir_all(folder).context(folder.display())?;
    }
    let mut command = cargo_fuzz("run");
    command.arg(target).arg(&corpus);
    for known in ["seeds", "regressions"] {
        let folder = workspace::root().join("fuzz").join(known).join(target);
        if folder.is_dir() {
            command.arg(folder);
        }
    }
    command
        .arg("--")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SECONDS_PER_INPUT}"))
        .arg(format!("-rss_limit_mb={MEGABYTES}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg("-print_final_stats=1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().context(process::shown(&command))?;
    let mut lines = vec![];
    if let Some(stderr) = child.stderr.take() {
        // What is no text is not ours to read.
        lines.extend(BufReader::new(stderr).lines().map_while(Result::ok));
    }
    let status = child.wait().context(process::shown(&command))?;
    let row = Row {
        target: target.to_owned(),
        seconds: started.elapsed().as_secs_f64(),
        failed: !status.success(),
        ..read(&lines)
    };
    if row.failed {
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            println!("{line}");
        }
        println!(
            "{target} failed; its input is in {}\n  keep it: copy it to fuzz/regressions/{target}, where `cargo test -p matchmark-fuzz-targets` replays it",
            artifacts.display()
        );
    }
    Ok(row)
}

/// What libFuzzer says of a run.
fn read(lines: &[String]) -> Row {
    let mut row = Row {
        target: String::new(),
        executions: 0,
        edges: 0,
        corpus: 0,
        seconds: 0.0,
        failed: false,
    };
    let number = |text: &str| text.split('/').next().and_then(|it| it.parse().ok());
    for line in lines {
        if let Some(count) = line.strip_prefix("stat::number_of_executed_units:") {
            row.executions = count.trim().parse().unwrap_or(row.executions);
        }
        // "#123  NEW    cov: 45 ft: 67 corp: 8/90b ..."
        let mut words = line.split_whitespace();
        if line.starts_with('#') {
            while let Some(word) = words.next() {
                let place = match word {
                    "cov:" => &mut row.edges,
                    "corp:" => &mut row.corpus,
                    _ => continue,
                };
                *place = words.next().and_then(number).unwrap_or(*place);
            }
        }
    }
    row
}

fn print(rows: &[Row]) {
    let mut table = Table::new(&[
        "target",
        "executions",
        "edges",
        "corpus",
        "seconds",
        "failed",
    ]);
    for row in rows {
        table.row(vec![
            row.target.clone(),
            row.executions.to_string(),
            row.edges.to_string(),
            row.corpus.to_string(),
            format!("{:.0}", row.seconds),
            if row.failed { "yes" } else { "no" }.to_owned(),
        ]);
    }
    print!("{}", table.to_markdown());
    let executions: u64 = rows.iter().map(|row| row.executions).sum();
    println!("{executions} executions");
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_libfuzzer_are_read() {
        let lines = [
            "INFO: Running with entropic power schedule (0xFF, 100).",
            "#7\tINITED cov: 40 ft: 41 corp: 2/20b exec/s: 0 rss: 40Mb",
            "#123\tNEW    cov: 45 ft: 67 corp: 8/90b lim: 4 exec/s: 0 rss: 41Mb L: 3/4 MS: 1 CopyPart-",
            "#900\tDONE   cov: 46 ft: 68 corp: 9/95b lim: 4 exec/s: 450 rss: 41Mb",
            "Done 900 runs in 2 second(s)",
            "stat::number_of_executed_units: 900",
            "stat::average_exec_per_sec:     450",
        ]
        .map(str::to_owned);
        let row = read(&lines);
        assert_eq!((row.executions, row.edges, row.corpus), (900, 46, 9));
        let nothing = read(&[]);
        assert_eq!(
            (nothing.executions, nothing.edges, nothing.corpus),
            (0, 0, 0)
        );
    }

    #[test]
    fn targets_are_the_files() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("fuzz/fuzz_targets");
        fs::create_dir_all(&folder).unwrap();
        for name in ["b.rs", "a.rs", "notes.txt"] {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(targets(root.path()).unwrap(), ["a", "b"]);
        assert!(targets(Path::new("no-such-folder")).is_err());
    }
}
