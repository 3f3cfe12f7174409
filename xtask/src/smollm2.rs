//! `cargo xtask smollm2`: a chat model that people use.

use std::path::Path;

use clap::Args;
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::{words, Matchmark, Outcome};
use matchmark_tools::{smollm2, workspace};

/// The positions that the integers are made for.
const POSITIONS: &str = "384";
const CALIBRATE: &str = "fixtures/texts/calibrate.txt";
const TEXT: &str = "fixtures/texts/eval.txt";
/// What the integers are meant to hold: the perplexity of integers as a multiple of that of floats at most, and
/// the share of equal greedy choices in percent at least.
const RATIO: f64 = 1.01;
const AGREEMENT: f64 = 97.0;

/// What is done with it.
#[derive(Args)]
#[group(required = true)]
pub struct Options {
    /// Fetch the model's GGUF file into the target folder, if it is not there, and print where it is
    #[arg(long)]
    fetch: bool,
    /// Fetch it, make its integers, and measure them beside its floats, as computed by candle, on held-out text
    #[arg(long, conflicts_with = "fetch")]
    eval: bool,
}

/// Fetches the file, and measures the model.
///
/// # Errors
/// Those of [`smollm2::gguf`]; and a command that fails.
pub fn run(options: &Options) -> Result<(), Failure> {
    let floats = smollm2::gguf()?;
    if options.eval {
        return evaluate(&floats);
    }
    println!("{}", floats.display());
    Ok(())
}

fn evaluate(floats: &Path) -> Result<(), Failure> {
    let folder = workspace::target_dir().join("smollm2");
    let matchmark = Matchmark::with_candle(&folder.join("evaluator"))?;
    let integers = folder.join("SmolLM2-135M-Instruct.mm");
    let [calibrate, text] = [CALIBRATE, TEXT].map(|file| workspace::root().join(file));
    succeeded(matchmark.json(words(&[
        &"quantize",
        &"--model",
        &floats,
        &"--positions",
        &POSITIONS,
        &"--calibrate",
        &calibrate,
        &"--to",
        &integers,
    ]))?)?;
    let report = succeeded(matchmark.json(words(&[
        &"eval", &"--model", &integers, &"--float", &floats, &"--text", &text,
    ]))?)?;
    println!("{}", figures(&report.json)?);
    Ok(())
}

/// What a run printed, if it did what it was asked to.
fn succeeded(outcome: Outcome) -> Result<Outcome, Failure> {
    match outcome.code {
        0 => Ok(outcome),
        code => Err(Failure::passed_through(code)),
    }
}

/// The figures of a comparison, beside their bounds.
fn figures(report: &serde_json::Value) -> Result<String, Failure> {
    let number = |pointer: &str| {
        let value = report.pointer(pointer).and_then(serde_json::Value::as_f64);
        value.ok_or_else(|| Failure::failed(format!("matchmark eval has printed no {pointer}")))
    };
    let (ratio, agreement) = (
        number("/candle/ratio")?,
        number("/candle/agreement_percent")?,
    );
    let held = |held: bool| if held { "held" } else { "NOT HELD" };
    Ok(format!(
        "SmolLM2-135M-Instruct, {TEXT}, {} predicted tokens\n\
         perplexity of the integers     {:.4}\n\
         of the floats, this project's  {:.4}\n\
         of the floats, candle's        {:.4}\n\
         integers beside candle         {ratio:.5} (at most {RATIO}: {})\n\
         greedy choice equal to it      {agreement:.2} % (at least {AGREEMENT} %: {})",
        number("/tokens")?,
        number("/integer/perplexity")?,
        number("/float/perplexity")?,
        number("/candle/perplexity")?,
        held(ratio <= RATIO),
        held(agreement >= AGREEMENT),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(ratio: f64, agreement: f64) -> serde_json::Value {
        json!({
            "tokens": 10,
            "integer": { "perplexity": 20.0 },
            "float": { "perplexity": 20.0 },
            "candle": { "perplexity": 20.0, "ratio": ratio, "agreement_percent": agreement },
        })
    }

    #[test]
    fn figures_beside_their_bounds() {
        let text = figures(&report(1.000_3, 97.24)).unwrap();
        assert!(text.contains("1.00030 (at most 1.01: held)"));
        assert!(text.contains("97.24 % (at least 97 %: held)"));
        let text = figures(&report(1.02, 96.9)).unwrap();
        assert_eq!(text.matches("NOT HELD").count(), 2);
    }

    #[test]
    fn a_missing_figure_is_named() {
        let mut without = report(1.0, 100.0);
        without["candle"] = serde_json::Value::Null;
        let failure = figures(&without).unwrap_err();
        assert!(failure.message.unwrap().ends_with("/candle/ratio"));
    }
}
