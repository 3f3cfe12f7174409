//! The project's own commands: `cargo xtask <command>`.
//!
//! Thin on purpose. Everything that concerns proofs goes through the `matchmark` command as a
//! separate process; what is here runs tools, reads their results, and checks the source tree.
//!
//! Exit codes are those of `matchmark`: 0 done, 1 failed, 2 wrong use.

#![forbid(unsafe_code)]

mod fuzz;
mod hostile;
mod made;
mod prove_decode;
mod smollm2;
mod soundcalc;
mod test;
mod tidy;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::process::{exit_code, shown};
use matchmark_tools::workspace;

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Proves a trace as a chain, verifies it as a separate process would, and prints both.
    ProveDecode(prove_decode::Options),
    /// Runs everything that a change must pass.
    Test(test::Options),
    /// Checks the rules of the source tree.
    Tidy,
    /// Measures the project's figures beside their bounds, or this checkout against another: matchmark-bench.
    Bench(Passed),
    /// Measures fused against split proofs over shapes and levels, and writes the report: matchmark-bench.
    Pressure(Passed),
    /// Tries to have something false accepted, to make the verifier panic, to make a chain lose something.
    Hostile(hostile::Options),
    /// Fetches SmolLM2-135M-Instruct, a chat model that people use, and measures its integers.
    Smollm2(smollm2::Options),
    /// Asks the public calculator soundcalc what the proofs of all pinned layouts are worth.
    Soundcalc(soundcalc::Options),
}

/// What another program takes.
#[derive(Args)]
#[command(disable_help_flag = true)]
struct Passed {
    /// Passed on as they are; `--help` says which there are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs a command of `matchmark-bench`, a process of its own that is built in release.
fn bench(command: &str, passed: &Passed) -> Result<(), Failure> {
    let mut cargo = workspace::cargo();
    cargo
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "matchmark-bench",
            "--",
            command,
        ])
        .args(&passed.arguments);
    let status = cargo.status().context(shown(&cargo))?;
    match exit_code(status) {
        0 => Ok(()),
        code => Err(Failure::passed_through(code)),
    }
}

/// The names of the commands.
fn command_names() -> Vec<String> {
    let command = Arguments::command();
    let names = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned());
    names.collect()
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::ProveDecode(options) => prove_decode::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Tidy => tidy::run(),
        Command::Bench(passed) => bench("bench", &passed),
        Command::Pressure(passed) => bench("pressure", &passed),
        Command::Hostile(options) => hostile::run(&options),
        Command::Smollm2(options) => smollm2::run(&options),
        Command::Soundcalc(options) => soundcalc::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = &failure.message {
                eprintln!("error: {message}");
            }
            ExitCode::from(failure.code)
        }
    }
}
