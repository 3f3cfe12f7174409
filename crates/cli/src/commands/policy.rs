//! `matchmark policy`.

use camino::Utf8Path;
use matchmark::{files, policy_of, EndTokens};
use serde_json::json;

use crate::args::PolicyArgs;
use crate::error::{CliError, Outcome};
use crate::models::NamedKey;
use crate::options::{conversation, model_policy, stop};
use crate::output::Output;

/// Writes the policy that would accept a chain, or that for a chain of a model.
pub(crate) fn run(args: &PolicyArgs, output: &Output) -> Result<Outcome, CliError> {
    let policy = match (&args.key, &args.directory) {
        (Some(path), _) => {
            let key = NamedKey::load(path)?;
            let policy = key.key.policy();
            let (chat, system) = (args.chat.chat.as_deref(), args.chat.system.as_deref());
            let tokenizer = match &args.tokenizer {
                Some(path) => {
                    let tokenizer = files::tokenizer(path)?;
                    let checked = key.key.check_tokenizer(&tokenizer);
                    checked.map_err(key.names(path))?;
                    Some(tokenizer)
                }
                None => None,
            };
            let stop = stop(&args.stop, args.no_stop, tokenizer.as_ref())?;
            let policy = match (&args.prompt, conversation(chat, system), &tokenizer) {
                (Some(text), _, Some(tokenizer)) => policy.prompt(tokenizer, text)?,
                (None, Some(messages), Some(tokenizer)) => policy.chat(tokenizer, &messages)?,
                _ => policy.prompt_tokens(args.prompt_tokens.iter().copied()),
            };
            let policy = policy.stop(stop);
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
        "shorter_steps": policy.shorter().iter().map(|it| it.steps).collect::<Vec<_>>(),
        "end_tokens": policy.end_tokens(),
        "first_state": policy.first_state(),
    });
    let text = if args.key.is_some() {
        format!(
            "{} accepts what the key's model decodes after these tokens, and no other chain. Nothing in it\n\
             comes from a prover. {}",
            args.to,
            ends_in_words(policy.end_tokens()),
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

/// Where the answer ends, in a sentence.
fn ends_in_words(ends: &EndTokens) -> String {
    if ends.is_empty() {
        return "The answer ends at its limit alone.".to_owned();
    }
    format!("The answer ends with one of the tokens {ends}, or at its limit.")
}
