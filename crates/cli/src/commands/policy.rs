//! `matchmark policy`.

use camino::Utf8Path;
use matchmark::{files, policy_of};
use serde_json::json;

use crate::args::PolicyArgs;
use crate::error::{CliError, Outcome};
use crate::models::NamedKey;
use crate::options::{conversation, model_policy};
use crate::output::Output;

/// Writes the policy that would accept a chain, or that for a chain of a model.
pub(crate) fn run(args: &PolicyArgs, output: &Output) -> Result<Outcome, CliError> {
    let policy = match (&args.key, &args.directory) {
        (Some(path), _) => {
            let key = NamedKey::load(path)?;
            let policy = key.key.policy();
            let (chat, system) = (args.chat.chat.as_deref(), args.chat.system.as_deref());
            let policy = match (&args.prompt, conversation(chat, system), &args.tokenizer) {
                (Some(text), _, Some(path)) => {
                    let tokenizer = files::tokenizer(path)?;
                    let policy = policy.prompt(&tokenizer, text);
                    policy.map_err(key.names(path))?
                }
                (None, Some(messages), Some(path)) => {
                    let tokenizer = files::tokenizer(path)?;
                    let policy = policy.chat(&tokenizer, &messages);
                    policy.map_err(key.names(path))?
                }
                _ => policy.prompt_tokens(args.prompt_tokens.iter().copied()),
            };
            let policy = model_policy(policy, &args.common, args.tokens.unwrap_or(0))?;
            policy.build().map_err(key.names(path))?
        }
        // The arguments demand one of both.
        (None, directory) => policy_of(directory.as_deref().unwrap_or(Utf8Path::new(".")))?,
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
