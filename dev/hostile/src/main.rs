//! Runs the hostile suite; `cargo xtask hostile` builds and calls it.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "a tool"
)]

use std::ffi::OsString;
use std::io::{stderr, IsTerminal as _};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::OnceLock;
use std::thread;

use camino::Utf8PathBuf;
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use matchmark_hostile::classes::{crash, resources, special_files, Class, ALL};
use matchmark_hostile::report::{Extent, Recorder, Row};
use matchmark_hostile::stated;
use serde::Serialize;

/// Bytes of the stack of a class, as that of a main thread.
const STACK: usize = 8 << 20;

/// Tries to have something false accepted, to make the verifier panic, to make a chain lose something.
#[derive(Parser)]
#[command(name = "hostile")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Proves the chain of the class `crash`, in a process that can be killed.
    #[command(hide = true)]
    ProveChain { path: Utf8PathBuf, of: crash::Of },
    /// Writes the test vectors for other verifiers.
    WriteVectors { directory: Utf8PathBuf },
    /// Is the `matchmark` command, for the class `special-files`.
    #[command(hide = true, name = special_files::COMMAND)]
    Matchmark {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Writes the names of all constraints and lookups anew, from the components.
    WriteStated {
        #[arg(default_value = stated::PATH)]
        file: Utf8PathBuf,
    },
    /// Verifies a segment of the class `resources`, in a process whose memory is limited and measured.
    #[command(hide = true)]
    VerifySegment {
        segment: Utf8PathBuf,
        policy: Utf8PathBuf,
    },
}

#[derive(Args)]
struct Options {
    /// A seeded part, in minutes (the default).
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Everything.
    #[arg(long)]
    full: bool,
    /// Seed of everything that is drawn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// One class only.
    #[arg(long, value_name = "CLASS", value_parser = PossibleValuesParser::new(ALL.iter().map(|class| class.name)))]
    only: Option<String>,
    /// One attempt only, by its label, as a failure prints it.
    #[arg(long, value_name = "LABEL", requires = "only")]
    replay: Option<String>,
    /// Also writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<Utf8PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    seed: u64,
    extent: &'a str,
    classes: &'a [Row],
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(command) = arguments.command {
        let printed = match command {
            Command::ProveChain { path, of } => {
                crash::prove_chain(&path, of).map_err(|error| error.to_string())
            }
            Command::WriteVectors { directory } => matchmark_hostile::vectors::write(&directory)
                .map(|()| format!("written to {directory}"))
                .map_err(|error| format!("{directory}: {error}")),
            Command::Matchmark { mut arguments } => {
                arguments.insert(0, special_files::COMMAND.into());
                return matchmark_cli::run(arguments);
            }
            Command::WriteStated { file } => stated::write(&file)
                .map(|()| format!("written to {file}"))
                .map_err(|error| format!("{file}: {error}")),
            Command::VerifySegment { segment, policy } => {
                resources::verify_and_measure(&segment, &policy)
            }
        };
        return match printed {
            Ok(text) => {
                println!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let options = arguments.options;
    // A panic of an attempt is counted and reported with the others; its text is kept there.
    std::panic::set_hook(Box::new(|_| {}));
    let rows = match std::panic::catch_unwind(|| run(&options)) {
        Ok(rows) => rows,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            eprintln!(
                "error: an attempt cannot be prepared: {}",
                text.unwrap_or_default()
            );
            return ExitCode::FAILURE;
        }
    };
    print(&rows);
    if let Some(path) = &options.json {
        let report = Report {
            seed: options.seed,
            extent: if options.full { "full" } else { "quick" },
            classes: &rows,
        };
        let text = serde_json::to_string_pretty(&report).unwrap() + "\n";
        if let Err(error) = matchmark_files::write(path.as_std_path(), text.as_bytes()) {
            eprintln!("error: cannot write {path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    let attempts: u64 = rows.iter().map(|row| row.attempts).sum();
    if attempts == 0 {
        eprintln!("error: no attempt has this label");
        return ExitCode::from(2);
    }
    if rows.iter().all(Row::is_clean) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn run(options: &Options) -> Vec<Row> {
    let extent = if options.full {
        Extent::Full
    } else {
        Extent::Quick
    };
    let bar = if stderr().is_terminal() {
        ProgressBar::new_spinner()
    } else {
        ProgressBar::hidden()
    };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {pos} attempts, {elapsed}") {
        bar.set_style(style);
    }
    let wanted = |class: &&Class| {
        options
            .only
            .as_deref()
            .is_none_or(|only| only == class.name)
    };
    let classes: Vec<&Class> = ALL.iter().filter(wanted).collect();
    // Most classes have work for one core most of the time: as many are run at a time as there are cores.
    let rows: Vec<OnceLock<Row>> = classes.iter().map(|_| OnceLock::new()).collect();
    let all = classes.iter().zip(&rows);
    let (of_processes, others): (Vec<_>, Vec<_>) = all.partition(|(it, _)| it.is_of_processes());
    let mut jobs = vec![of_processes];
    jobs.extend(others.into_iter().map(|class| vec![class]));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            for (class, row) in job {
                let replay = options.replay.clone();
                let bar = bar.clone();
                let mut recorder = Recorder::new(class.name, options.seed, extent, replay, bar);
                (class.run)(&mut recorder);
                row.get_or_init(|| recorder.finish());
            }
        }
    };
    thread::scope(|scope| {
        let worker = || {
            thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)
        };
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..cores).map(|_| worker().expect("a thread")).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
    });
    let rows = rows.into_iter().filter_map(OnceLock::into_inner).collect();
    bar.finish_and_clear();
    rows
}

fn print(rows: &[Row]) {
    println!(
        "{:<16} {:>9} {:>9} {:>7} {:>8} {:>6} {:>8}",
        "class", "attempts", "accepted", "panics", "untyped", "unmet", "seconds"
    );
    for row in rows {
        println!(
            "{:<16} {:>9} {:>9} {:>7} {:>8} {:>6} {:>8.1}",
            row.class, row.attempts, row.accepted, row.panics, row.untyped, row.unmet, row.seconds
        );
    }
    let attempts: u64 = rows.iter().map(|row| row.attempts).sum();
    println!("{attempts} attempts");
    for note in rows.iter().flat_map(|row| &row.notes) {
        println!("{note}");
    }
    for failure in rows.iter().flat_map(|row| &row.failures) {
        println!("{failure}");
    }
}
