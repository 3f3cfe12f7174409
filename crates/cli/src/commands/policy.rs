//! `matchmark policy`.

use camino::Utf8Path;
use matchmark_composer::policy_for;
use serde_json::json;

use crate::args::PolicyArgs;
use crate::error::{CliError, Outcome};
use crate::files;
use crate::models::{encode_prompt, load_tokenizer, NamedKey};
use crate::options::model_options;
use crate::output::Output;

/// Writes the policy that would accept a chain, or that for a chain of a model.
pub(crate) fn run(args: &PolicyArgs, output: &Output) -> Result<Outcome, CliError> {
    let policy = match (&args.key, &args.directory) {
        (Some(path), _) => {
            let options = model_options(&args.common, args.tokens.unwrap_or(0))?;
            let key = NamedKey::load(path)?;
            let prompt = match (&args.prompt, &args.tokenizer) {
                (Some(text), Some(path)) => {
                    let tokenizer = load_tokenizer(path)?;
                    key.check_tokenizer(path, &tokenizer)?;
                    encode_prompt(&tokenizer, text)?
                }
                _ => args.prompt_tokens.clone(),
            };
            key.policy(&prompt, &options)?
        }
        // The arguments demand one of both.
        (None, directory) => {
            let directory = directory.as_deref().unwrap_or(Utf8Path::new("."));
            files::check_chain_folder(directory)?;
            policy_for(directory)?
        }
    };
    files::write(&args.to, policy.to_toml().as_bytes())?;
    let object = json!({
        "policy": args.to,
        "security": policy.terms().security,
        "steps": policy.steps().steps(),
        "first_state": policy.first_state(),
    });
    let text = if args.key.is_some() {
        format!(
            "{} accepts what the key's model decodes after these tokens, and no other chain. Nothing in it\n\
             comes from a prover.",
            args.to
        )
    } else {
        format!(
            "{} accepts this chain and no other. Review it before you verify by it: what it pins is this\n\
             chain's own claim.",
            args.to
        )
    };
    output.beside(&args.to).result(&object, &text)?;
    Ok(Outcome::Done)
}
