//! `matchmark policy`.

use matchmark_composer::policy_for;
use matchmark_runtime::write_file_atomically;
use serde_json::json;

use crate::args::PolicyArgs;
use crate::error::{CliError, Outcome};
use crate::output::Output;

/// Writes the policy that would accept a chain.
pub(crate) fn run(args: &PolicyArgs, output: &Output) -> Result<Outcome, CliError> {
    let policy = policy_for(&args.directory)?;
    write_file_atomically(args.to.as_std_path(), policy.to_toml().as_bytes()).map_err(
        |source| CliError::Write {
            path: args.to.clone(),
            source,
        },
    )?;
    let object = json!({
        "policy": args.to,
        "security": policy.security(),
        "steps": policy.steps().steps(),
        "first_state": policy.first_state(),
    });
    let text = format!(
        "{} accepts this chain and no other. Review it before you verify by it: what it pins is this\n\
         chain's own claim.",
        args.to
    );
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}
