//! How close the integer model is to its floats, through the `matchmark` command.

use std::path::Path;

use super::super::measure::{checked, field};
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::{words, Matchmark};
use serde::{Deserialize, Serialize};

/// How close the integer model is to its floats.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Fidelity {
    /// Perplexity of the integer model.
    pub perplexity: f64,
    /// Predicted tokens of the text.
    pub tokens: f64,
    /// Beside the float pass of this project.
    pub float: Beside,
    /// Beside candle's Llama.
    pub candle: Beside,
}

/// The integer model beside floats.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Beside {
    /// Perplexity of the floats.
    pub perplexity: f64,
    /// Perplexity of the integer model, times that of the floats.
    pub ratio: f64,
    /// Share of positions with the same greedy choice, in percent.
    pub agreement: f64,
}

/// Where a model comes from.
pub struct Files<'a> {
    /// Folder of the trained model.
    pub folder: &'a Path,
    /// The text that ranges are taken from.
    pub calibrate: &'a Path,
    /// The text that is predicted.
    pub text: &'a Path,
}

/// Quantizes a model into a file and compares it with both floats.
///
/// # Errors
/// A run that fails, or that was built without candle.
pub fn measure(matchmark: &Matchmark, files: &Files<'_>, to: &Path) -> Result<Fidelity, Failure> {
    let Files {
        folder,
        calibrate,
        text,
    } = files;
    eprintln!("bench: decoder, quantizing {}", folder.display());
    checked(matchmark.json(words(&[
        &"quantize",
        &"--model",
        folder,
        &"--calibrate",
        calibrate,
        &"--to",
        &to,
    ]))?)?;
    eprintln!("bench: decoder, comparing with floats");
    let report = checked(matchmark.json(words(&[
        &"eval", &"--model", &to, &"--float", folder, &"--text", text,
    ]))?)?;
    let beside = |name| {
        let number = |key| field(&report, &format!("/{name}/{key}"));
        Ok::<_, Failure>(Beside {
            perplexity: number("perplexity")?,
            ratio: number("ratio")?,
            agreement: number("agreement_percent")?,
        })
    };
    Ok(Fidelity {
        perplexity: field(&report, "/integer/perplexity")?,
        tokens: field(&report, "/tokens")?,
        float: beside("float")?,
        candle: beside("candle")?,
    })
}
