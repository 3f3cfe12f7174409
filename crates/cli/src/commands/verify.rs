//! `matchmark verify`.

use std::fmt::Write as _;
use std::time::Duration;

use matchmark::{
    check_prompt, encode_chat, encode_prompt, files, follow, refusal_to_json, segments_of,
    verify_with, ChainText, Error, ErrorKind, Patience, Policy, SegmentReport, Tokenizer, Verdict,
};
use matchmark_composer::peak_memory_bytes;
use matchmark_graph::LayerGroups;
use serde_json::{json, Value};

use crate::args::VerifyArgs;
use crate::error::{CliError, Outcome};
use crate::limit::within;
use crate::models::{NamedKey, NamedPolicy};
use crate::options::{conversation, model_policy, stop};
use crate::output::{part_name, table, Output};
use crate::progress::SegmentBar;

/// How long each segment is waited for where nothing is said of the time.
const SEGMENT_SECONDS: u64 = 600;
/// What a chain that is followed may take longer than it is told: who follows says more of what is missing.
const GRACE: Duration = Duration::from_secs(1);

/// How a verification ends.
struct Judged {
    outcome: Outcome,
    object: Value,
    text: String,
}

/// Verifies a chain.
pub(crate) fn run(args: &VerifyArgs, output: &Output) -> Result<Outcome, CliError> {
    let limit = args.timeout.map(Duration::from_secs);
    let limit = limit.map(|limit| {
        if args.follow {
            limit.saturating_add(GRACE)
        } else {
            limit
        }
    });
    let judged = within(limit, {
        let (args, output) = (args.clone(), *output);
        move || judge(&args, &output)
    })?;
    let Judged {
        outcome,
        object,
        text,
    } = judged;
    let kind = match outcome {
        Outcome::Done => "accepted",
        other => other.name(),
    };
    output.end(kind, &object, &text)?;
    Ok(outcome)
}

fn judge(args: &VerifyArgs, output: &Output) -> Result<Judged, CliError> {
    files::check_chain_folder(&args.directory)?;
    let Wanted { policy, tokenizer } = wanted(args)?;
    let mut tokens = policy.terms().decoder.map(|decoder| {
        // No step consumes the model's prefix.
        let prefix = policy.steps().entries_before();
        let given = (decoder.prompt.get() as usize).saturating_sub(prefix);
        ChainText::new(
            tokenizer,
            given,
            policy.end_tokens(),
            policy.answer_tokens(),
        )
    });
    let bar = SegmentBar::new("verifying");
    if bar.is_visible() {
        // Only to know how long the bar is; what cannot be listed is reported below.
        if let Ok(segments) = segments_of(&args.directory, &policy) {
            bar.set_segments(segments);
        }
    }
    let mut accepted: Vec<SegmentReport> = Vec::new();
    let mut told: Result<(), CliError> = Ok(());
    let on_segment = |row: &SegmentReport| {
        bar.advance();
        accepted.push(row.clone());
        if let (Some(text), Some(tokens), Ok(())) = (&mut tokens, &row.tokens, &told) {
            let new = text.push(row.segment, tokens);
            told = match new {
                Ok(new) if args.follow => output.tell(&new),
                new => new.map(drop).map_err(CliError::from),
            };
        }
    };
    let result = verify(args, &policy, on_segment);
    drop(bar);
    told?;
    match result {
        Ok(verdict) => {
            let mut object = verdict.to_json();
            object["peak_rss_bytes"] = json!(peak_memory_bytes());
            let mut text = accepted_text(&verdict, args.verbose);
            if let Some(tokens) = tokens {
                object["tokens"] = tokens.object()?;
                object["text"] = object["tokens"]["decoded_text"].clone();
                text = if args.follow {
                    format!("{}{text}", tokens.rest())
                } else {
                    format!("{}\n\n{text}", tokens.whole()?)
                };
            }
            Ok(Judged {
                outcome: Outcome::Done,
                object,
                text,
            })
        }
        Err(refusal) => {
            let word = match refusal.kind() {
                ErrorKind::Rejected => "REJECTED",
                ErrorKind::Incomplete => "INCOMPLETE",
                // Where nothing can be read there is nothing to be judged.
                ErrorKind::Input | ErrorKind::System => return Err(refusal.into()),
            };
            let before = match &tokens {
                Some(tokens) if args.follow && !accepted.is_empty() => tokens.rest(),
                _ => String::new(),
            };
            let what = match policy.terms().groups() {
                LayerGroups::ONE => "segments",
                _ => "parts",
            };
            let text = format!(
                "{before}{word} after {} accepted {what}: {}",
                accepted.len(),
                refusal.message()
            );
            Ok(Judged {
                outcome: Outcome::of(refusal.kind()),
                object: refusal_to_json(&refusal, &policy, &accepted),
                text,
            })
        }
    }
}

fn verify(
    args: &VerifyArgs,
    policy: &Policy,
    on_segment: impl FnMut(&SegmentReport),
) -> Result<Verdict, Error> {
    if args.follow {
        let patience = match args.timeout {
            Some(seconds) => Patience::Chain(Duration::from_secs(seconds)),
            None => Patience::Segment(Duration::from_secs(SEGMENT_SECONDS)),
        };
        return follow(&args.directory, policy, patience, on_segment);
    }
    verify_with(&args.directory, policy, on_segment)
}

/// What is to be accepted, and the tokenizer that the text is to be printed by.
struct Wanted {
    policy: Policy,
    tokenizer: Option<Tokenizer>,
}

/// The policy of a file, which must be the one that follows from the key, if there is one; or the one that
/// follows from the key and the other arguments.
fn wanted(args: &VerifyArgs) -> Result<Wanted, CliError> {
    let file = args.policy.as_deref().map(NamedPolicy::load).transpose()?;
    let key = args.key.as_deref().map(NamedKey::load).transpose()?;
    let tokenizer = match (&key, &args.tokenizer) {
        (Some(key), Some(path)) => {
            let tokenizer = files::tokenizer(path)?;
            let checked = key.key.check_tokenizer(&tokenizer);
            checked.map_err(key.names(path))?;
            Some(tokenizer)
        }
        _ => None,
    };
    let messages = conversation(args.chat.chat.as_deref(), args.chat.system.as_deref());
    let given = match (&args.prompt, messages, &tokenizer) {
        (Some(text), _, Some(tokenizer)) => Some(encode_prompt(tokenizer, text)?),
        (None, Some(messages), Some(tokenizer)) => Some(encode_chat(
            tokenizer,
            &prefix(file.as_ref(), key.as_ref()),
            &messages,
        )?),
        _ if args.prompt_tokens.is_empty() => None,
        _ => Some(args.prompt_tokens.clone()),
    };
    let stop = stop(&args.stop, args.no_stop, tokenizer.as_ref())?;
    let policy = match (file, key) {
        (Some(file), key) => {
            if let Some(key) = key {
                let checked = key.key.check_policy_stopping(&file.policy, &stop);
                checked.map_err(key.names(file.path))?;
            }
            if let Some(given) = given {
                let checked = check_prompt(&file.policy, &given);
                checked.map_err(|error| error.in_file(file.path))?;
            }
            file.policy
        }
        (None, Some(key)) => {
            let policy = key
                .key
                .policy()
                .prompt_tokens(given.unwrap_or_default())
                .stop(stop);
            let policy = model_policy(policy, &args.common, args.tokens.unwrap_or(0))?;
            policy.build().map_err(key.names(key.path))?
        }
        // The arguments demand a policy or a key.
        (None, None) => NamedPolicy::load("".into())?.policy,
    };
    Ok(Wanted { policy, tokenizer })
}

/// The tokens of the model's prefix: those before the first step by a policy, or those of a key.
fn prefix(policy: Option<&NamedPolicy<'_>>, key: Option<&NamedKey<'_>>) -> Vec<u32> {
    let tokens = match (policy, key) {
        (Some(file), _) => {
            let prompt = file.policy.prompt();
            &prompt[..file.policy.steps().entries_before().min(prompt.len())]
        }
        (None, Some(key)) => key.key.prefix(),
        (None, None) => &[],
    };
    tokens.iter().map(|token| token.get()).collect()
}

fn accepted_text(verdict: &Verdict, verbose: bool) -> String {
    let rows: Vec<Vec<String>> = verdict
        .report()
        .per_segment
        .iter()
        .map(|row| {
            vec![
                part_name(row.segment, row.group),
                row.entries_before.to_string(),
                row.steps.to_string(),
                format!("{:.8}", row.state_before),
                format!("{:.8}", row.state_after),
                row.proof_bytes.to_string(),
                row.public_bytes.to_string(),
                format!("{:.2}", row.verify_ms),
            ]
        })
        .collect();
    let header = [
        "segment", "cached", "steps", "before", "after", "proof", "public", "ms",
    ];
    let mut text = table(&header, &rows);
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{verdict}\n\n");
    if verbose {
        let _ = write!(text, "{}\n\n", verdict.figures().table());
    }
    text.push_str("ACCEPTED");
    if verdict.is_insecure() {
        text.push_str(", at a level that proves nothing: anyone can forge such a chain");
    }
    if verdict.allows_replay() {
        text.push_str(
            "\nfor any occasion: the nonce is zeros, so that this chain can be shown again and again; \
             `--nonce` binds one to an occasion",
        );
    }
    text
}
