//! The `matchmark` command: plans, proves, resumes, verifies and inspects chains, checks constraints without
//! a proof, quantizes float tensors and models, and measures what that costs.
//!
//! Exit codes: 0 done or accepted, 1 rejected, 2 wrong use or unusable input, 3 the system refuses, 4 not
//! yet there. Results go to standard output, as text or, with `--json`, as exactly one object; logs
//! (environment variable `MATCHMARK_LOG`) and progress bars (on a terminal) go to standard error. A file
//! named `-` is standard input or standard output.
//!
//! It is arguments in, calls of the library [`matchmark`], text out. It knows nothing of cryptography.
#![forbid(unsafe_code)]

mod args;
mod cache;
mod commands;
mod error;
mod files;
mod help;
mod instructions;
mod interrupt;
mod limit;
mod logs;
mod mistaken;
mod models;
mod options;
mod output;
mod progress;
#[cfg(feature = "candle")]
mod reference;
mod sequences;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::FromArgMatches as _;

pub use args::{
    ChatArgs, ChatCommandArgs, Cli, Command, CommonArgs, EvalArgs, InspectArgs, KeygenArgs,
    MemoryArgs, MockArgs, PartArgs, PlanArgs, PolicyArgs, ProveArgs, QuantizeArgs, ResourceArgs,
    ResumeArgs, SynthesizeArgs, TermsArgs, TokenizedChatArgs, VerifyArgs,
};
pub use error::{CliError, Outcome};
use output::Output;

/// Runs the command with these arguments, the program's name first.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = help::command().try_get_matches_from(&arguments);
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &arguments),
    };
    let output = Output::new(cli.command.json());
    let result = logs::begin().and_then(|()| {
        instructions::warn(&cli.command);
        execute(&cli, &output)
    });
    ExitCode::from(match result {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            output.error(&error);
            error.exit_code()
        }
    })
}

/// Runs a parsed command.
///
/// # Errors
///
/// [`CliError`], one variant a reason. A rejected chain is not an error of the command `verify`, which
/// then has the outcome [`Outcome::Rejected`].
fn execute(cli: &Cli, output: &Output) -> Result<Outcome, CliError> {
    match &cli.command {
        Command::Plan(args) => commands::plan::run(args, output),
        Command::Prove(args) => commands::prove::run(args, output),
        Command::Resume(args) => commands::prove::resume(args, output),
        Command::Part(args) => commands::part::run(args, output),
        Command::Policy(args) => commands::policy::run(args, output),
        Command::Keygen(args) => commands::keygen::run(args, output),
        Command::Verify(args) => commands::verify::run(args, output),
        Command::Inspect(args) => commands::inspect::run(args, output),
        Command::Mock(args) => commands::mock::run(args, output),
        Command::Quantize(args) => commands::quantize::run(args, output),
        Command::Eval(args) => commands::eval::run(args, output),
        Command::Chat(args) => commands::chat::run(args, output),
        Command::Synthesize(args) => commands::synthesize::run(args, output),
    }
}

/// Prints help where it was asked for, and otherwise what is wrong with the arguments.
fn refuse(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    // There is nothing to be done if standard error is closed.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => {
            if arguments.iter().any(|argument| argument == "--json") {
                Output::new(true).usage(&error.to_string());
            }
            ExitCode::from(Outcome::WrongUse.code())
        }
    }
}
