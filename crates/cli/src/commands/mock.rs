//! `matchmark mock`.

use matchmark::files;
use serde_json::json;

use crate::args::MockArgs;
use crate::error::{CliError, Outcome};
use crate::options;
use crate::output::Output;
use crate::progress::{SegmentBar, Step};

/// Checks the constraints without a proof.
pub(crate) fn run(args: &MockArgs, output: &Output) -> Result<Outcome, CliError> {
    let step = Step::new("reading");
    // The arguments demand a trace or a model.
    let mock = if let Some(path) = &args.model {
        let given = (args.prompt.as_deref(), &args.chat);
        let model = files::model(path)?;
        let stop = options::stop(&args.stop, args.no_stop, Some(model.tokenizer()))?;
        options::tokens_claim(model, &args.terms.common, given, args.tokens)?
            .stop(stop)
            .mock()?
    } else {
        let path = args.trace.as_deref().unwrap_or("".into());
        let (trace, table) = options::trace_and_table(path, &args.terms)?;
        options::trace_claim(trace, table, &args.terms)?.mock()?
    };
    drop(step);
    let shape = mock.attention();
    let bar = SegmentBar::new("checking");
    bar.set_segments(mock.segments());
    // An end token may end the chain before its last segment.
    let (mut segments, mut steps, mut claims) = (0_u64, 0, 0);
    mock.run(|_, part| {
        segments += 1;
        steps += part.steps();
        claims += part.lookup_claims(&shape);
        bar.advance();
    })?;
    drop(bar);
    let object = json!({
        "ok": true,
        "segments": segments,
        "steps": steps,
        "lookup_claims": claims,
    });
    let text = format!(
        "ok: all constraints and relations hold in {segments} segments, {steps} steps, {claims} lookup claims"
    );
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
