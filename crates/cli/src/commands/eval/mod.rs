//! `matchmark eval`.

mod answers;
mod report;
mod speed;

use camino::Utf8Path;
use matchmark::files;
use matchmark_models::{Evaluation, Evaluator, FloatModel, ImportOptions, IntegerModel};

use crate::args::EvalArgs;
use crate::error::{CliError, Outcome};
use crate::output::Output;
use crate::progress::SegmentBar;
use crate::sequences::read_sequences;

use answers::Answers;
use speed::Speed;

/// What was measured.
struct Measured {
    /// On a text.
    text: Option<Evaluation>,
    answers: Option<Answers>,
    speed: Option<Speed>,
}

/// Measures an integer model on a text and by its answers, beside the floats that it was made from.
pub(crate) fn run(args: &EvalArgs, output: &Output) -> Result<Outcome, CliError> {
    let model = files::model(&args.model)?;
    // The integers may have been made for fewer positions than the floats have.
    let options = ImportOptions {
        positions: Some(model.as_integer().shape().capacity()),
    };
    let float = args.float.as_deref();
    let float = float
        .map(|path| files::trained_model(path, options))
        .transpose()?;
    let float = float.as_ref();
    let mut reference = Reference::load(args.float.as_deref(), float)?;
    let mut measured = Measured {
        text: None,
        answers: None,
        speed: None,
    };
    let integer = model.as_integer();
    if let Some(path) = &args.text {
        let positions = integer.shape().positions() - integer.prefix().tokens.len();
        let sequences = read_sequences(path, integer.tokenizer(), positions)?;
        measured.text = Some(predictions(integer, float, &mut reference, &sequences)?);
        if let Some(entries) = args.speed {
            measured.speed = Some(Speed::measure(integer, &sequences.concat(), entries.get())?);
        }
    }
    // The arguments say that the one is there with the other.
    if let (Some(path), Some(float)) = (&args.prompts, float) {
        let limit = args.answer_tokens.get();
        let answers = Answers::measure(path, limit, &model, float, &mut reference)?;
        measured.answers = Some(answers);
    }
    let object = report::to_json(&model, &measured);
    output.result(&object, &report::to_text(&model, &measured))?;
    Ok(Outcome::Done)
}

/// How well sequences are predicted.
fn predictions(
    model: &IntegerModel,
    float: Option<&FloatModel>,
    reference: &mut Reference,
    sequences: &[Vec<u32>],
) -> Result<Evaluation, CliError> {
    let prefix = &model.prefix().tokens;
    let mut evaluator = Evaluator::new(model, float)?;
    let bar = SegmentBar::of("evaluating", "sequences");
    bar.set_segments(sequences.len() as u64);
    for tokens in sequences {
        let logits = reference.logits(&[prefix, tokens.as_slice()].concat())?;
        // Of the prefix nothing is predicted.
        let vocabulary = model.shape().vocabulary();
        let logits = logits.map(|mut logits| logits.split_off(prefix.len() * vocabulary));
        evaluator.sequence(tokens, logits.as_deref())?;
        bar.advance();
    }
    drop(bar);
    Ok(evaluator.finish()?)
}

/// The float model of another project, where this command was built with it and has its folder.
struct Reference(#[cfg(feature = "candle")] Option<crate::reference::CandleModel>);

#[cfg(feature = "candle")]
impl Reference {
    fn load(path: Option<&Utf8Path>, float: Option<&FloatModel>) -> Result<Self, CliError> {
        use crate::reference::CandleModel;
        let load = |(path, float): (&Utf8Path, &FloatModel)| match path.is_dir() {
            true => CandleModel::load(path, float),
            // It reads no GGUF files of full precision: the floats are those of this project's reader.
            false => CandleModel::of_floats(float),
        };
        path.zip(float).map(load).transpose().map(Self)
    }

    fn logits(&mut self, tokens: &[u32]) -> Result<Option<Vec<f32>>, CliError> {
        let model = self.0.as_mut();
        model.map(|model| model.logits(tokens)).transpose()
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
