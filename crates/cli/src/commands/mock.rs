//! `matchmark mock`.

use serde_json::json;

use crate::args::MockArgs;
use crate::error::{CliError, Outcome};
use crate::options;
use crate::output::Output;
use crate::progress::SegmentBar;

/// Checks the constraints without a proof.
pub(crate) fn run(args: &MockArgs, output: &Output) -> Result<Outcome, CliError> {
    let plan = options::plan(&args.chain)?;
    let bar = SegmentBar::new("checking");
    bar.set_segments(plan.segment_count());
    plan.mock(|_, _| bar.advance())?;
    drop(bar);
    let (segments, steps) = (plan.segment_count(), plan.steps());
    let claims = steps.lookup_claims(&plan.trace().shape());
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
