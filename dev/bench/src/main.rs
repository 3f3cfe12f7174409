//! Measures what proofs cost, and writes the documents that say so: `cargo xtask bench` and `cargo xtask
//! pressure` run it.
//!
//! Every measured case is a process of its own: this program runs itself with `case`. Results are JSON
//! first, and the tables of the documents are made from that.
//!
//! Exit codes are those of `matchmark`: 0 done, 1 failed, 2 wrong use.

#![forbid(unsafe_code)]

mod against;
mod case;
mod figures;
mod machine;
mod pressure;
mod run;
mod statistics;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures what proofs cost.
#[derive(Parser)]
#[command(name = "matchmark-bench")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the project's figures beside their bounds, or this checkout against another one.
    Bench(figures::Options),
    /// Measures fused against split proofs over shapes and levels.
    Pressure(pressure::Options),
    /// One measured case; JSON out.
    #[command(hide = true)]
    Case {
        #[command(subcommand)]
        kind: case::Kind,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bench(options) => figures::run(&options),
        Command::Pressure(options) => pressure::run(&options),
        Command::Case { kind } => case::run(&kind),
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
