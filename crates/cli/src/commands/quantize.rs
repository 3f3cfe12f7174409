//! `matchmark quantize`.

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::files::{self, Form};
use matchmark_graph::ModelArithmetic;
use matchmark_models::{
    quantize_model, Evaluation, Evaluator, FloatModel, ImportOptions, IntegerModel, QuantizeOptions,
};
use matchmark_quant::ValueBits;
use matchmark_runtime::quantize_bytes;
use serde_json::{json, Value};

use crate::args::QuantizeArgs;
use crate::error::{CliError, Outcome};
use crate::files::write_trace;
use crate::interrupt;
use crate::output::{note, Output};
use crate::progress::{SegmentBar, Step};
use crate::sequences::read_sequences;

/// Makes an integer trace from float tensors, or an integer model from a trained one.
pub(crate) fn run(args: &QuantizeArgs, output: &Output) -> Result<Outcome, CliError> {
    interrupt::watch();
    let output = &output.beside(&args.to);
    // One of both is there, each with what it needs: the arguments say so.
    match (&args.model, &args.calibrate, &args.float) {
        (Some(model), Some(calibrate), _) => model_file(args, model, calibrate, output),
        (_, _, float) => trace_file(args, float.as_deref().unwrap_or("".into()), output),
    }
}

fn trace_file(args: &QuantizeArgs, float: &Utf8Path, output: &Output) -> Result<Outcome, CliError> {
    let (prefix, bits) = (args.prefix.unwrap_or(0), args.bits.unwrap_or_default());
    let (trace, report) =
        quantize_bytes(files::read(float, Form::Floats)?, prefix, bits).map_err(|source| {
            CliError::Floats {
                path: float.to_owned(),
                source,
            }
        })?;
    interrupt::whole(|| write_trace(&args.to, &trace))?;
    let object = json!({ "trace": args.to, "fidelity": report });
    output.result(&object, &format!("{report}\nwritten to     {}", args.to))?;
    Ok(Outcome::Done)
}

/// Tokens that a prefix has at most.
const MOST_PREFIX: usize = 64;
/// Predictions that a new model is measured by, at most: so many take less time than the calibration.
const PREDICTIONS: usize = 300;
/// A calibration text of as many tokens can do without its end, which then measures the model.
const LONG_CALIBRATION: usize = 8192;

fn model_file(
    args: &QuantizeArgs,
    folder: &Utf8Path,
    calibrate: &Utf8Path,
    output: &Output,
) -> Result<Outcome, CliError> {
    let bits = match args.bits {
        Some(bits) => bits,
        None => ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS)
            .map_err(matchmark_models::ModelError::from)?,
    };
    let step = Step::new("reading the model");
    let positions = args.positions;
    let float = files::trained_model(folder, ImportOptions { positions })?;
    drop(step);
    let mut options = QuantizeOptions::new(bits);
    if !args.no_prefix {
        // Not all positions: something has to follow.
        let most = MOST_PREFIX.min(float.shape.positions() / 2);
        options.prefix = float.tokenizer.chat_prefix(most);
    }
    let positions = float.shape.positions() - options.prefix.len();
    let mut sequences = read_sequences(calibrate, &float.tokenizer, positions)?;
    let held_out = match &args.evaluate {
        Some(path) => Some(HeldOut {
            path: Some(path.clone()),
            sequences: at_most(
                PREDICTIONS,
                read_sequences(path, &float.tokenizer, positions)?,
            ),
        }),
        None => end_of(&mut sequences),
    };
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    if held_out.is_none() {
        note(&format!(
            "the model is not measured: a calibration text of {tokens} tokens is needed as a whole, one of \
             {LONG_CALIBRATION} would not be; `--evaluate TEXT` measures it on another text"
        ));
    }
    let step = Step::new(format!(
        "running the model over {tokens} tokens and rounding its weights"
    ));
    let (model, report) = quantize_model(&float, &sequences, &options)?;
    drop(step);
    let measured = held_out
        .map(|text| text.measure(&model, &float))
        .transpose()?;
    interrupt::whole(|| files::write(&args.to, &model.to_bytes()))?;
    let object = json!({
        "model": args.to,
        "quantization": report,
        "evaluation": measured.as_ref().map(Measured::to_json),
    });
    let mut text = format!("{report}\nwritten to     {}", args.to);
    if let Some(measured) = measured {
        text = format!("{text}\n{}", measured.to_text());
    }
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}

/// Sequences that no range was taken from.
struct HeldOut {
    /// The file that they are from; none for the end of the calibration text.
    path: Option<Utf8PathBuf>,
    sequences: Vec<Vec<u32>>,
}

/// How close a new model is to its floats on them.
struct Measured {
    path: Option<Utf8PathBuf>,
    evaluation: Evaluation,
}

impl HeldOut {
    fn measure(self, model: &IntegerModel, float: &FloatModel) -> Result<Measured, CliError> {
        let mut evaluator = Evaluator::new(model, Some(float))?.without_errors();
        let bar = SegmentBar::of("evaluating", "sequences");
        bar.set_segments(self.sequences.len() as u64);
        for tokens in &self.sequences {
            evaluator.sequence(tokens, None)?;
            bar.advance();
        }
        drop(bar);
        Ok(Measured {
            path: self.path,
            evaluation: evaluator.finish()?,
        })
    }
}

impl Measured {
    /// The perplexity as a multiple of that of the floats, equal greedy choices in percent, and the divergence in
    /// nats.
    fn figures(&self) -> (f64, f64, f64) {
        let Evaluation {
            integer,
            float,
            float_agreement,
            float_divergence,
            ..
        } = &self.evaluation;
        // All three are there: the floats were given.
        let float = float.unwrap_or_default().perplexity();
        let divergence = float_divergence.as_ref();
        (
            integer.perplexity() / float,
            float_agreement.unwrap_or_default().percent(),
            divergence.map_or(0.0, |divergence| divergence.total().mean()),
        )
    }

    fn to_json(&self) -> Value {
        let (ratio, agreement, divergence) = self.figures();
        json!({
            "text": self.path,
            "predictions": self.evaluation.integer.tokens,
            "ratio": ratio,
            "agreement_percent": agreement,
            "divergence_nats": divergence,
        })
    }

    fn to_text(&self) -> String {
        let (ratio, agreement, divergence) = self.figures();
        let of = self.path.as_ref().map_or_else(
            || "the end of the calibration text, not used for it".to_owned(),
            Utf8PathBuf::to_string,
        );
        format!(
            "expected       perplexity {ratio:.5} times that of the floats, greedy choice equal at {agreement:.2} %, \
             divergence {divergence:.5} nats\n\
             measured on    {} predictions in {of}",
            self.evaluation.integer.tokens
        )
    }
}

/// Sequences up to so many predictions: of each all tokens but the first.
fn at_most(predictions: usize, sequences: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    let mut left = predictions;
    let mut some = Vec::new();
    for mut tokens in sequences {
        tokens.truncate(left + 1);
        if tokens.len() > 1 {
            left -= tokens.len() - 1;
            some.push(tokens);
        }
        if left == 0 {
            break;
        }
    }
    some
}

/// The last sequences of a calibration text, which are then no longer among them; none of one that is needed as
/// a whole.
fn end_of(sequences: &mut Vec<Vec<u32>>) -> Option<HeldOut> {
    let predictions = |some: &[Vec<u32>]| -> usize {
        let each = some.iter().map(|tokens| tokens.len().saturating_sub(1));
        each.sum()
    };
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    if tokens < LONG_CALIBRATION {
        return None;
    }
    // The fewest that have as many predictions. A text of one sequence has no end.
    let cut = (1..sequences.len())
        .rev()
        .find(|&cut| predictions(&sequences[cut..]) >= PREDICTIONS)?;
    let held_out = sequences.split_off(cut);
    let kept: usize = sequences.iter().map(Vec::len).sum();
    if kept < tokens / 2 {
        sequences.extend(held_out);
        return None;
    }
    Some(HeldOut {
        path: None,
        sequences: at_most(PREDICTIONS, held_out),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(sequences: &[Vec<u32>]) -> Vec<usize> {
        sequences.iter().map(Vec::len).collect()
    }

    #[test]
    fn predictions_are_bounded() {
        let of = |all: &[usize]| at_most(300, all.iter().map(|&len| vec![0; len]).collect());
        assert_eq!(lengths(&of(&[100, 1, 150, 80, 9])), [100, 150, 53]);
        assert_eq!(lengths(&of(&[2000])), [301]);
        assert_eq!(lengths(&of(&[5, 6])), [5, 6]);
        assert_eq!(lengths(&of(&[301, 7])), [301]);
        assert_eq!(lengths(&of(&[1])), [0; 0]);
    }

    #[test]
    fn the_end_of_a_long_calibration_is_held_out() {
        let mut sequences = vec![vec![0; 200]; 41];
        let text = end_of(&mut sequences);
        let held_out = text.map(|it| (it.path.is_none(), lengths(&it.sequences)));
        assert_eq!(held_out, Some((true, vec![200, 102])));
        assert_eq!(lengths(&sequences), [200; 39]);
        // Too short, one sequence, and an end that is most of the text: nothing is taken away.
        for all in [vec![200; 40], vec![9000], vec![4000, 5000]] {
            let mut sequences: Vec<Vec<u32>> = all.iter().map(|&len| vec![0; len]).collect();
            assert!(end_of(&mut sequences).is_none());
            assert_eq!(lengths(&sequences), all);
        }
    }
}
