//! `cargo xtask smollm2`: a chat model that people use, from its file to an answer that is proven and verified.

mod answer;
mod evaluate;

use std::path::{Path, PathBuf};

use clap::Args;
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::{words, Matchmark, Outcome};
use matchmark_tools::{smollm2, workspace};
use serde_json::Value;

const CALIBRATE: &str = "fixtures/texts/calibrate.txt";

/// What is done with it; without either, an answer is proven and verified.
#[derive(Args)]
pub struct Options {
    /// Fetch the model's GGUF file into the target folder, if it is not there, and print where it is
    #[arg(long, conflicts_with = "eval")]
    fetch: bool,
    /// Fetch it, make its integers, and measure them beside its floats, as computed by candle: on held-out text,
    /// by the answers to some questions, by the speed of decoding, and far into a long text
    #[arg(long)]
    eval: bool,
    /// The positions that the integers are made for
    #[arg(
        long,
        value_name = "N",
        default_value_t = 2048,
        conflicts_with = "fetch"
    )]
    positions: u32,
    #[command(flatten)]
    answer: answer::Options,
}

/// Fetches the file, and proves an answer of the model, or measures its integers.
///
/// # Errors
/// Those of [`smollm2::gguf`]; and a command that fails.
pub fn run(options: &Options) -> Result<(), Failure> {
    let floats = smollm2::gguf()?;
    if options.eval {
        return evaluate::run(&floats, options.positions);
    }
    if options.fetch {
        println!("{}", floats.display());
        return Ok(());
    }
    answer::run(&options.answer, &floats, options.positions)
}

/// Makes the integers of the model with these floats and so many positions.
fn quantize(
    matchmark: &Matchmark,
    floats: &Path,
    positions: u32,
    integers: &Path,
) -> Result<(), Failure> {
    let calibrate = workspace::root().join(CALIBRATE);
    let positions = positions.to_string();
    let mut quantize = words(&[&"quantize", &"--model", &floats, &"--positions", &positions]);
    quantize.extend(words(&[&"--calibrate", &calibrate, &"--to", &integers]));
    succeeded(matchmark.json(quantize)?)?;
    Ok(())
}

/// Where everything about the model is kept.
fn folder() -> PathBuf {
    workspace::target_dir().join("smollm2")
}

/// What a run printed, if it did what it was asked to.
fn succeeded(outcome: Outcome) -> Result<Outcome, Failure> {
    match outcome.code {
        0 => Ok(outcome),
        code => Err(Failure::passed_through(code)),
    }
}

/// A number of a report.
fn number(report: &Value, pointer: &str) -> Result<f64, Failure> {
    let value = report.pointer(pointer).and_then(Value::as_f64);
    value.ok_or_else(|| Failure::failed(format!("matchmark has printed no {pointer}")))
}

const fn held(held: bool) -> &'static str {
    if held {
        "held"
    } else {
        "NOT HELD"
    }
}
