//! The project's own commands: `cargo xtask <command>`.
//!
//! Thin on purpose. Everything that concerns proofs goes through the `matchmark` command as a
//! separate process; what is here runs tools, reads their results, and checks the source tree.
//!
//! Exit codes are those of `matchmark`: 0 done, 1 failed, 2 wrong use.

#![forbid(unsafe_code)]

mod bench;
mod document;
mod failure;
mod fuzz;
mod hostile;
mod machine;
mod matchmark;
mod pressure;
mod process;
mod prove_decode;
mod statistics;
mod table;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

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
    /// Measures the project's figures beside their bounds.
    Bench(bench::Options),
    /// Measures fused against split proofs over shapes and levels, and writes the report.
    Pressure(pressure::Options),
    /// Tries to have something false accepted, to make the verifier panic, to make a chain lose something.
    Hostile(hostile::Options),
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
        Command::Bench(options) => bench::run(&options),
        Command::Pressure(options) => pressure::run(&options),
        Command::Hostile(options) => hostile::run(&options),
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
