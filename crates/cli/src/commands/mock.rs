//! `matchmark mock`.

use camino::Utf8Path;
use matchmark_composer::{ChainPlan, ModelMock};
use matchmark_quant::{AttentionShape, StepRange};
use serde_json::json;

use crate::args::MockArgs;
use crate::error::{CliError, Outcome};
use crate::models::{encode_prompt, load_model};
use crate::options;
use crate::output::Output;
use crate::progress::{SegmentBar, Step};

/// Checks the constraints without a proof.
pub(crate) fn run(args: &MockArgs, output: &Output) -> Result<Outcome, CliError> {
    // The arguments demand a trace or a model.
    let checked = match (&args.model, &args.trace) {
        (Some(model), _) => check_model(args, model)?,
        (None, trace) => check_trace(args, trace.as_deref().unwrap_or("".into()))?,
    };
    let Checked {
        segments,
        steps,
        shape,
    } = checked;
    let claims = steps.lookup_claims(&shape);
    let object = json!({
        "ok": true,
        "segments": segments,
        "steps": steps.steps(),
        "lookup_claims": claims,
    });
    let text = format!(
        "ok: all constraints and relations hold in {segments} segments, {} steps, {claims} lookup claims",
        steps.steps()
    );
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}

/// What was checked.
struct Checked {
    segments: u64,
    steps: StepRange,
    /// Heads of the cache.
    shape: AttentionShape,
}

fn check_trace(args: &MockArgs, trace: &Utf8Path) -> Result<Checked, CliError> {
    let (trace, options) = options::trace_and_options(trace, &args.terms)?;
    let plan = ChainPlan::new(trace, options)?;
    let segments = plan.segment_count();
    let bar = bar(segments);
    plan.mock(|_, _| bar.advance())
        .map_err(|error| CliError::Mock(Box::new(error)))?;
    Ok(Checked {
        segments,
        steps: plan.steps(),
        shape: plan.trace().shape(),
    })
}

fn check_model(args: &MockArgs, path: &Utf8Path) -> Result<Checked, CliError> {
    let options = options::model_options(&args.terms.common, args.tokens.unwrap_or(0))?;
    let step = Step::new("reading the model");
    let model = load_model(path)?;
    let text = args.prompt.as_deref().unwrap_or_default();
    let prompt = encode_prompt(model.tokenizer(), text)?;
    let mock = ModelMock::new(model, prompt, &options)?;
    drop(step);
    let segments = mock.segment_count();
    let bar = bar(segments);
    mock.run(|_, _| bar.advance())
        .map_err(|error| CliError::Mock(Box::new(error)))?;
    Ok(Checked {
        segments,
        steps: mock.steps(),
        shape: mock.model().shape().all_layers_attention(),
    })
}

fn bar(segments: u64) -> SegmentBar {
    let bar = SegmentBar::new("checking");
    bar.set_segments(segments);
    bar
}
