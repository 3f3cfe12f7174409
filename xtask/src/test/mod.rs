//! `cargo xtask test`: everything that a change must pass.

mod deny;
mod runner;
mod steps;

use clap::Args;

use crate::failure::Failure;

/// How to go on.
#[derive(Args)]
pub struct Options {
    /// Run the steps after one that fails, too.
    #[arg(long)]
    keep_going: bool,
}

/// Runs all steps, prints each with its time, and closes with
/// `N passed, N failed, N skipped`.
///
/// # Errors
/// Exit code 1 if a step failed.
pub fn run(options: &Options) -> Result<(), Failure> {
    let summary = runner::run(steps::all(), options.keep_going, &mut std::io::stdout());
    if summary.failed == 0 {
        Ok(())
    } else {
        Err(Failure::passed_through(1))
    }
}
