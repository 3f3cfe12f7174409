//! `matchmark eval`.

use std::fmt::Write as _;

use camino::Utf8Path;
use matchmark::files;
use matchmark_models::{
    Agreement, Evaluation, Evaluator, FloatModel, ImportOptions, IntegerModel, Perplexity,
};
use serde_json::{json, Value};

use crate::args::EvalArgs;
use crate::error::{CliError, Outcome};
use crate::output::{table, Output};
use crate::progress::SegmentBar;
use crate::sequences::read_sequences;

/// Measures an integer model on a text, beside the floats that it was made from.
pub(crate) fn run(args: &EvalArgs, output: &Output) -> Result<Outcome, CliError> {
    let model = files::model(&args.model)?;
    let model = model.as_integer();
    // The integers may have been made for fewer positions than the floats have.
    let options = ImportOptions {
        positions: Some(model.shape().capacity()),
    };
    let float = args.float.as_deref();
    let float = float
        .map(|path| files::trained_model(path, options))
        .transpose()?;
    let prefix = &model.prefix().tokens;
    let positions = model.shape().positions() - prefix.len();
    let sequences = read_sequences(&args.text, model.tokenizer(), positions)?;
    let mut reference = Reference::load(args.float.as_deref(), float.as_ref())?;
    let mut evaluator = Evaluator::new(model, float.as_ref())?;
    let bar = SegmentBar::of("evaluating", "sequences");
    bar.set_segments(sequences.len() as u64);
    for tokens in &sequences {
        let logits = reference.logits(&[prefix, tokens.as_slice()].concat())?;
        // Of the prefix nothing is predicted.
        let vocabulary = model.shape().vocabulary();
        let logits = logits.map(|mut logits| logits.split_off(prefix.len() * vocabulary));
        evaluator.sequence(tokens, logits.as_deref())?;
        bar.advance();
    }
    drop(bar);
    let evaluation = evaluator.finish()?;
    let object = to_json(model, &evaluation);
    output.result(&object, &to_text(model, &evaluation))?;
    Ok(Outcome::Done)
}

/// The float model of another project, where this command was built with it and has its folder.
struct Reference(#[cfg(feature = "candle")] Option<crate::reference::CandleLlama>);

#[cfg(feature = "candle")]
impl Reference {
    fn load(path: Option<&Utf8Path>, float: Option<&FloatModel>) -> Result<Self, CliError> {
        use crate::reference::CandleLlama;
        let load = |(path, float): (&Utf8Path, &FloatModel)| match path.is_dir() {
            true => CandleLlama::load(path, &float.shape),
            // It reads no GGUF files of full precision: the floats are those of this project's reader.
            false => CandleLlama::of_floats(float),
        };
        path.zip(float).map(load).transpose().map(Self)
    }

    fn logits(&mut self, tokens: &[u32]) -> Result<Option<Vec<f32>>, CliError> {
        self.0
            .as_ref()
            .map(|llama| llama.logits(tokens))
            .transpose()
    }
}

#[cfg(not(feature = "candle"))]
impl Reference {
    #[allow(clippy::unnecessary_wraps, reason = "the same as with the feature")]
    fn load(_: Option<&Utf8Path>, _: Option<&FloatModel>) -> Result<Self, CliError> {
        Ok(Self())
    }

    #[allow(
        clippy::unnecessary_wraps,
        clippy::unused_self,
        reason = "the same as with the feature"
    )]
    fn logits(&mut self, _: &[u32]) -> Result<Option<Vec<f32>>, CliError> {
        Ok(None)
    }
}

/// The ratio of the integer model's perplexity to another one.
fn ratio(evaluation: &Evaluation, other: &Perplexity) -> f64 {
    evaluation.integer.perplexity() / other.perplexity()
}

fn to_json(model: &IntegerModel, evaluation: &Evaluation) -> Value {
    let beside = |perplexity: &Option<Perplexity>, agreement: &Option<Agreement>| {
        perplexity.map(|perplexity| {
            json!({
                "perplexity": perplexity.perplexity(),
                "nats_per_token": perplexity.nats_per_token(),
                "ratio": ratio(evaluation, &perplexity),
                "agreement_percent": agreement.map(|agreement| agreement.percent()),
            })
        })
    };
    json!({
        "model": model.identity(),
        "sequences": evaluation.sequences,
        "tokens": evaluation.integer.tokens,
        "integer": {
            "perplexity": evaluation.integer.perplexity(),
            "nats_per_token": evaluation.integer.nats_per_token(),
        },
        "float": beside(&evaluation.float, &evaluation.float_agreement),
        "candle": beside(&evaluation.reference, &evaluation.reference_agreement),
        "errors": evaluation.errors,
    })
}

fn to_text(model: &IntegerModel, evaluation: &Evaluation) -> String {
    let integer = evaluation.integer;
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "model          {}", model.identity());
    let _ = writeln!(
        text,
        "text           {} sequences, {} predicted tokens",
        evaluation.sequences, integer.tokens
    );
    let _ = writeln!(
        text,
        "integers       perplexity {:.5}",
        integer.perplexity()
    );
    for (name, perplexity, agreement) in [
        ("floats", evaluation.float, evaluation.float_agreement),
        (
            "candle",
            evaluation.reference,
            evaluation.reference_agreement,
        ),
    ] {
        if let (Some(perplexity), Some(agreement)) = (perplexity, agreement) {
            let _ = writeln!(
                text,
                "{name:<14} perplexity {:.5}, ratio {:.5}; greedy choice equal at {} of {} positions, {:.3} %",
                perplexity.perplexity(),
                ratio(evaluation, &perplexity),
                agreement.equal,
                agreement.positions,
                agreement.percent()
            );
        }
    }
    if !evaluation.errors.is_empty() {
        let rows: Vec<Vec<String>> = evaluation
            .errors
            .iter()
            .map(|error| {
                let layer = error
                    .layer
                    .map_or_else(String::new, |layer| layer.to_string());
                let percent = |share: f64| format!("{:.3} %", 100.0 * share);
                vec![
                    layer,
                    error.operation.to_string(),
                    percent(error.own),
                    percent(error.accumulated),
                ]
            })
            .collect();
        text.push_str("\nrelative error of each operation, by itself and with all before it\n");
        text.push_str(&table(&["layer", "operation", "own", "accumulated"], &rows));
    }
    text
}
