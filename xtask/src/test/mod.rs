//! `cargo xtask test`: everything that a change must pass.

mod bare;
mod commands;
mod deny;
mod documented;
mod outside;
mod runner;
mod steps;

use clap::Args;

use matchmark_tools::failure::Failure;

/// How to go on.
#[derive(Args)]
pub struct Options {
    /// Run the steps after one that fails, too.
    #[arg(long)]
    keep_going: bool,
    /// Run only the steps whose names contain this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// Runs all steps, prints each with its time, and closes with
/// `N passed, N failed, N skipped`.
///
/// # Errors
/// Exit code 1 if a step failed, 2 if none is meant.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut steps = steps::all();
    if let Some(text) = &options.only {
        steps.retain(|step| step.name().contains(text.as_str()));
        if steps.is_empty() {
            return Err(Failure::wrong_use(format!(
                "no step has {text:?} in its name"
            )));
        }
    }
    let summary = runner::run(steps, options.keep_going, &mut std::io::stdout());
    if summary.failed == 0 {
        Ok(())
    } else {
        Err(Failure::passed_through(1))
    }
}
