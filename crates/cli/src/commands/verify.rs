//! `matchmark verify`.

use std::fmt::Write as _;
use std::time::Duration;

use matchmark_composer::{
    follow_directory, max_segment_bytes, verify_directory, ChainReadError, ChainReader,
    ChainReport, ChainVerifyError, Patience, SegmentReport, VerifyDirectoryError,
};
use matchmark_model::Tokenizer;
use matchmark_statement::{AcceptancePolicy, Security};
use serde_json::{json, Value};

use crate::args::VerifyArgs;
use crate::error::{full_message, of_segments, variant_name, CliError, Outcome};
use crate::files;
use crate::limit::within;
use crate::models::{encode_prompt, load_tokenizer, NamedKey, NamedPolicy};
use crate::options::model_options;
use crate::output::{failure, table, Output};
use crate::progress::SegmentBar;
use crate::text::TokenText;

/// How long each segment is waited for where nothing is said of the time.
const SEGMENT_SECONDS: u64 = 600;
/// What a chain that is followed may take longer than it is told: who follows says more of what is missing.
const GRACE: Duration = Duration::from_secs(1);

/// How a verification ends.
struct Verdict {
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
    let Verdict {
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

fn judge(args: &VerifyArgs, output: &Output) -> Result<Verdict, CliError> {
    files::check_chain_folder(&args.directory)?;
    let Wanted { policy, tokenizer } = wanted(args)?;
    let mut tokens = policy
        .terms()
        .decoder
        .map(|decoder| TokenText::new(tokenizer, decoder.prompt.get() as usize));
    let bar = SegmentBar::new("verifying");
    if bar.is_visible() {
        // Only to know how long the bar is; what cannot be listed is reported below.
        if let Ok(reader) = ChainReader::open(&args.directory, max_segment_bytes(&policy)) {
            bar.set_segments(reader.segments());
        }
    }
    let mut accepted: Vec<SegmentReport> = Vec::new();
    let mut told = Ok(());
    let on_segment = |row: &SegmentReport| {
        bar.advance();
        accepted.push(row.clone());
        if let (Some(text), Some(tokens), Ok(())) = (&mut tokens, &row.tokens, &told) {
            let new = text.push(row.segment, tokens);
            told = match new {
                Ok(new) if args.follow => output.tell(&new),
                new => new.map(drop),
            };
        }
    };
    let result = verify(args, &policy, on_segment);
    drop(bar);
    told?;
    match result {
        Ok(report) => {
            let mut object = accepted_object(&report);
            let mut text = accepted_text(&report);
            if let Some(tokens) = tokens {
                object["tokens"] = tokens.object()?;
                text = if args.follow {
                    format!("{}{text}", tokens.rest())
                } else {
                    format!("{}\n\n{text}", tokens.whole()?)
                };
            }
            Ok(Verdict {
                outcome: Outcome::Done,
                object,
                text,
            })
        }
        // Where nothing can be read there is nothing to be judged.
        Err(VerifyDirectoryError::Read(error))
            if matches!(
                of_segments(&error),
                Outcome::WrongUse | Outcome::Environment
            ) =>
        {
            Err(error.into())
        }
        Err(refusal) => {
            let outcome = outcome(&refusal);
            let reason = full_message(&refusal);
            let failure = failure(kind(&refusal), &reason, variant(&refusal).as_deref());
            let object = rejected_object(&reason, failure, &policy, &accepted);
            let word = match outcome {
                Outcome::NotYet => "INCOMPLETE",
                _ => "REJECTED",
            };
            let before = match &tokens {
                Some(tokens) if args.follow && !accepted.is_empty() => tokens.rest(),
                _ => String::new(),
            };
            let text = format!(
                "{before}{word} after {} accepted segments: {reason}",
                accepted.len()
            );
            Ok(Verdict {
                outcome,
                object,
                text,
            })
        }
    }
}

/// Why the segment files cannot be read as a chain, if that is the reason.
fn read(refusal: &VerifyDirectoryError) -> Option<&ChainReadError> {
    match refusal {
        VerifyDirectoryError::Read(error) => Some(error),
        _ => None,
    }
}

fn outcome(refusal: &VerifyDirectoryError) -> Outcome {
    match read(refusal) {
        Some(error) => of_segments(error),
        None if refusal.is_incomplete() => Outcome::NotYet,
        None => Outcome::Rejected,
    }
}

/// A name for the reason, for programs.
fn kind(refusal: &VerifyDirectoryError) -> &'static str {
    match refusal {
        VerifyDirectoryError::Verify(ChainVerifyError::Segment { .. }) => "segment",
        VerifyDirectoryError::Verify(_) => "chain",
        VerifyDirectoryError::Timeout { .. } => "timeout",
        _ => "segments",
    }
}

/// The name of the reason within its kind.
fn variant(refusal: &VerifyDirectoryError) -> Option<String> {
    match refusal {
        VerifyDirectoryError::Read(ChainReadError::Segment { source, .. }) => variant_name(source),
        VerifyDirectoryError::Read(error) => variant_name(error),
        VerifyDirectoryError::Verify(error) => match error {
            ChainVerifyError::Segment { source, .. } => variant_name(source),
            ChainVerifyError::Join { source, .. } | ChainVerifyError::Chain { source, .. } => {
                variant_name(source)
            }
            error => variant_name(error),
        },
        refusal => variant_name(refusal),
    }
}

fn verify(
    args: &VerifyArgs,
    policy: &AcceptancePolicy,
    on_segment: impl FnMut(&SegmentReport),
) -> Result<ChainReport, VerifyDirectoryError> {
    if args.follow {
        let patience = match args.timeout {
            Some(seconds) => Patience::Chain(Duration::from_secs(seconds)),
            None => Patience::Segment(Duration::from_secs(SEGMENT_SECONDS)),
        };
        return follow_directory(&args.directory, policy, patience, on_segment);
    }
    verify_directory(&args.directory, policy, on_segment)
}

/// What is to be accepted, and the tokenizer that the text is to be printed by.
struct Wanted {
    policy: AcceptancePolicy,
    tokenizer: Option<Tokenizer>,
}

/// The policy of a file, which must be the one that follows from the key, if there is one; or the one that
/// follows from the key and the other arguments.
fn wanted(args: &VerifyArgs) -> Result<Wanted, CliError> {
    let file = args.policy.as_deref().map(NamedPolicy::load).transpose()?;
    let key = args.key.as_deref().map(NamedKey::load).transpose()?;
    let tokenizer = match (&key, &args.tokenizer) {
        (Some(key), Some(path)) => {
            let tokenizer = load_tokenizer(path)?;
            key.check_tokenizer(path, &tokenizer)?;
            Some(tokenizer)
        }
        _ => None,
    };
    let given = match (&args.prompt, &tokenizer) {
        (Some(text), Some(tokenizer)) => Some(encode_prompt(tokenizer, text)?),
        _ if args.prompt_tokens.is_empty() => None,
        _ => Some(args.prompt_tokens.clone()),
    };
    let policy = match (file, key) {
        (Some(file), key) => {
            if let Some(key) = key {
                key.check_policy(file.path, &file.policy)?;
            }
            if let Some(given) = given {
                file.check_prompt(&given)?;
            }
            file.policy
        }
        (None, Some(key)) => {
            let options = model_options(&args.common, args.tokens.unwrap_or(0))?;
            key.policy(&given.unwrap_or_default(), &options)?
        }
        // The arguments demand a policy or a key.
        (None, None) => NamedPolicy::load("".into())?.policy,
    };
    Ok(Wanted { policy, tokenizer })
}

/// Level, profile and parameters, and all figures.
fn security(security: Security, figures: Value) -> Value {
    let mut object = json!({
        "level": security.level(),
        "profile": security.profile(),
        "parameters": security.parameters().to_string(),
    });
    if let (Value::Object(object), Value::Object(mut figures)) = (&mut object, figures) {
        // Level and profile, which stand above.
        figures.remove("security");
        object.append(&mut figures);
    }
    object
}

fn accepted_object(report: &ChainReport) -> Value {
    let ChainReport {
        statement,
        segments,
        steps,
        proof_bytes,
        public_bytes,
        figures,
        verify_ms,
        per_segment,
    } = report;
    json!({
        "accepted": true,
        "reason": null,
        "segments": segments,
        "steps": steps,
        "security": security(figures.security, json!(figures)),
        "proof_bytes": proof_bytes,
        "public_bytes": public_bytes,
        "domain": statement.terms().domain,
        "replay_open": statement.terms().domain.allows_replay(),
        "verify_ms": verify_ms,
        "public_ms": per_segment.iter().fold(0.0, |ms, row| ms + row.public_ms),
        "first_state": statement.first_state(),
        "last_state": statement.last_state(),
        "chain_digest": statement.chain_digest(),
        "per_segment": per_segment,
    })
}

/// The same keys, with what had been accepted before.
fn rejected_object(
    reason: &str,
    failure: Value,
    policy: &AcceptancePolicy,
    accepted: &[SegmentReport],
) -> Value {
    json!({
        "accepted": false,
        "reason": reason,
        "error": failure,
        "segments": accepted.len(),
        "steps": accepted.iter().map(|row| row.steps).sum::<usize>(),
        "security": security(policy.terms().security, Value::Null),
        "proof_bytes": accepted.iter().map(|row| row.proof_bytes).sum::<u64>(),
        "public_bytes": accepted.iter().map(|row| row.public_bytes).sum::<u64>(),
        "domain": policy.terms().domain,
        "replay_open": policy.terms().domain.allows_replay(),
        "verify_ms": accepted.iter().fold(0.0, |ms, row| ms + row.verify_ms),
        "first_state": null,
        "last_state": null,
        "chain_digest": null,
        "per_segment": accepted,
    })
}

fn accepted_text(report: &ChainReport) -> String {
    let rows: Vec<Vec<String>> = report
        .per_segment
        .iter()
        .map(|row| {
            vec![
                row.segment.to_string(),
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
    let _ = write!(
        text,
        "\n{}\n\nsecurity          {}\
         \nbytes             {} of proof, {} of public values\
         \ntime              {:.1} ms\n\nACCEPTED",
        *report.statement,
        report.figures,
        report.proof_bytes,
        report.public_bytes,
        report.verify_ms,
    );
    if report.figures.is_insecure() {
        text.push_str(", at a level that proves nothing: anyone can forge such a chain");
    }
    if report.statement.terms().domain.allows_replay() {
        text.push_str(
            "\nfor any occasion: the nonce is zeros, so that this chain can be shown again and again; \
             `--nonce` binds one to an occasion",
        );
    }
    text
}
