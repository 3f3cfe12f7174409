//! The figures of decoders: of the trained model's segments, and of larger models by extrapolation.

mod breakdown;
mod cases;
mod command;
mod fidelity;
mod figures;
mod larger;
mod measure;

use super::figure::{self, Figure};
use super::measure::Bench;
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::Matchmark;

pub use measure::Decoder;

/// Measures everything; without an evaluator only the segments, of a model of the same shape with random
/// weights.
///
/// # Errors
/// A program that fails, or a proof that is not accepted.
pub fn all(bench: &Bench, evaluator: Option<&Matchmark>) -> Result<Decoder, Failure> {
    measure::all(bench, evaluator)
}

/// The figures, in the order of their list.
pub fn figures(decoder: &Decoder) -> Vec<Figure> {
    figures::of(decoder)
}

/// The part of the document that is about decoders.
///
/// # Errors
/// A report without a number that the tables need.
pub fn section(decoder: &Decoder, machine_bytes: Option<f64>) -> Result<String, Failure> {
    let balanced = &decoder.trained.balanced;
    let mut text = String::from("## Decoder\n\n");
    if let Some(fidelity) = &decoder.fidelity {
        text.push_str(&format!(
            "`fixtures/models/stories-2m`, quantized with `calibrate.txt`. The held-out text is \
             `eval.txt`, {} predicted tokens: perplexity {:.4} of the integers, {:.4} of candle's floats \
             ({:.4} times, greedy choice equal at {:.3} %), {:.4} of the crate's own float pass ({:.4} \
             times, {:.3} %).\n\n",
            fidelity.tokens,
            fidelity.perplexity,
            fidelity.candle.perplexity,
            fidelity.candle.ratio,
            fidelity.candle.agreement,
            fidelity.float.perplexity,
            fidelity.float.ratio,
            fidelity.float.agreement,
        ));
    }
    text.push_str(&format!(
        "{}\n{} Medians of {} proofs and of at least {} verifications.\n\n",
        figure::table(&figures(decoder)).to_markdown(),
        figures::NOTE,
        balanced.proof_bytes.len(),
        balanced.verify_ms.len(),
    ));
    text.push_str(&format!(
        "### Where cells and time of 64 tokens are\n\n{}\n{}\n{}\n{}\n\n",
        breakdown::phases(balanced)?.to_markdown(),
        breakdown::trees(balanced)?.to_markdown(),
        breakdown::components(balanced)?.to_markdown(),
        breakdown::NOTE,
    ));
    if let Some(larger) = &decoder.larger {
        text.push_str("### Larger decoders, by extrapolation\n\n");
        text.push_str(&larger::section(larger, machine_bytes)?);
    }
    Ok(text)
}
