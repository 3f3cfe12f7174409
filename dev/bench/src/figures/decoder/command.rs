//! A whole chain of one segment, through the `matchmark` command.

use std::path::Path;

use super::super::measure::{checked, field, Bench};
use crate::run;
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::words;
use serde::{Deserialize, Serialize};

const PROMPT: &str = "Once upon a time";
/// Decoded tokens. With the prompt's 5, and without the last one, they are the positions of one segment.
const TOKENS: &str = "60";
const STEPS: &str = "64";

/// What the command reports of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Command {
    /// Positions that are proven: of the prompt and of all decoded tokens but the last.
    pub steps: f64,
    /// Bytes of the proofs.
    pub proof_bytes: f64,
    /// Processor time from the creation of the prover to its end.
    pub cpu_seconds: f64,
    /// Processor time of the whole process in user mode, in seconds.
    pub user_seconds: f64,
    /// Processor time of the system on its behalf, in seconds.
    pub system_seconds: f64,
    /// Largest resident memory, in bytes.
    pub peak_bytes: f64,
    /// Reading, decoding and verifying the chain, by processes of their own, in milliseconds.
    pub verify_ms: Vec<f64>,
}

/// Proves and verifies a text.
///
/// # Errors
/// A run that fails, a chain that is not accepted, or one that is not of one segment.
pub fn measure(bench: &Bench, model: &Path) -> Result<Command, Failure> {
    eprintln!("bench: decoder, a text through matchmark prove");
    let chain = bench.scratch.join("text");
    let policy = bench.scratch.join("text.toml");
    let ask = |arguments: &[&dyn AsRef<std::ffi::OsStr>]| {
        checked(bench.matchmark.json(words(arguments))?)
    };
    let prove = words(&[
        &"prove",
        &"--model",
        &model,
        &"--prompt",
        &PROMPT,
        &"--tokens",
        &TOKENS,
        &"--segment-steps",
        &STEPS,
        &"--profile",
        &"balanced",
        &"--out",
        &chain,
    ]);
    let proven = run::measured(bench.matchmark.program(), &prove, false)?.checked()?;
    let report = &proven.json;
    ask(&[&"policy", &chain, &"--to", &policy])?;
    let mut verify_ms = vec![];
    for _ in 0..bench.repetitions.verifications {
        let verified = ask(&[&"verify", &chain, &"--policy", &policy])?;
        if verified["accepted"] != true {
            let message = format!("a chain is not accepted: {verified}");
            return Err(Failure::failed(message));
        }
        verify_ms.push(field(&verified, "/verify_ms")?);
    }
    let segments = field(report, "/segments")?;
    if segments > 1.0 {
        let message = format!("expected one segment, got {segments}");
        return Err(Failure::failed(message));
    }
    Ok(Command {
        steps: field(report, "/steps")?,
        proof_bytes: field(report, "/proof_bytes")?,
        cpu_seconds: field(report, "/prove_cpu_ms")? / 1e3,
        user_seconds: proven.user_seconds,
        system_seconds: proven.system_seconds,
        peak_bytes: proven.peak_bytes,
        verify_ms,
    })
}
