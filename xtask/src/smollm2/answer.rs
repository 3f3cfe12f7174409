//! An answer of the model: its key derived, the answer proven, and verified from key, policy and question alone.

use std::path::Path;

use clap::Args;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark};
use serde_json::Value;

use super::{folder, held, number, quantize, succeeded};
use crate::made::is_younger;

/// What a chat answer is meant to take, the key and the integers apart: seconds of processor time for each step, bytes
/// of memory, milliseconds of verifying and bytes of memory for it, bytes of proof for each step.
const CPU_SECONDS: f64 = 1.0;
const PEAK_BYTES: f64 = 8.0 * GIB;
const VERIFY_MS: f64 = 150.0;
const VERIFY_PEAK_BYTES: f64 = 3e8;
const BYTES: f64 = 40_000.0;

const GIB: f64 = (1_u64 << 30) as f64;

/// What is asked, and how the answer is proven.
#[derive(Args)]
pub struct Options {
    /// What the model is asked
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "Why is the sky blue?",
        conflicts_with_all = ["fetch", "eval"]
    )]
    question: String,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", default_value_t = 64, conflicts_with_all = ["fetch", "eval"])]
    tokens: u32,
    /// Most memory for deriving the key and for proving, as `matchmark prove` takes it
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "7680MiB",
        conflicts_with_all = ["fetch", "eval"]
    )]
    max_memory: String,
    /// Go on behind the end of the answer, up to the most tokens
    #[arg(long, conflicts_with_all = ["fetch", "eval"])]
    no_stop: bool,
}

/// Makes the integers, derives the key, proves the answer, and verifies it by a policy from the key; prints the answer
/// and what it took, beside what it is meant to take.
///
/// # Errors
/// A command that fails.
pub fn run(options: &Options, floats: &Path, positions: u32) -> Result<(), Failure> {
    let folder = folder();
    let matchmark = Matchmark::find(None)?;
    let integers = folder.join(format!("answer-{positions}.mm"));
    let program = matchmark.program().to_path_buf();
    if !is_younger(&integers, &[program.clone(), floats.to_path_buf()])? {
        quantize(&matchmark, floats, positions, &integers)?;
    }
    let (policy, chain) = (folder.join("answer.toml"), folder.join("answer"));
    let memory = words(&[&"--max-memory", &options.max_memory]);
    let key = folder.join(format!("answer-{positions}-{}.vk", options.max_memory));
    // What deriving it took is kept beside it.
    let report = key.with_extension("json");
    if !is_younger(&report, &[program, integers.clone()])? {
        let keygen = words(&[&"keygen", &"--model", &integers, &"--to", &key]);
        let keygen = succeeded(matchmark.json([keygen, memory.clone()].concat())?)?.json;
        std::fs::write(&report, keygen.to_string()).context(report.display())?;
    }
    let keygen = std::fs::read_to_string(&report).context(report.display())?;
    let keygen: Value = serde_json::from_str(&keygen).context(report.display())?;

    let tokens = options.tokens.to_string();
    let stop = if options.no_stop {
        &["--no-stop"][..]
    } else {
        &[]
    };
    let asked = words(&[
        &"--chat",
        &options.question,
        &"--tokens",
        &tokens,
        &"--key",
        &key,
    ]);
    let asked = [asked, stop.iter().map(AsRef::as_ref).collect()].concat();
    // The tokenizer is that of the model's file: a verifier has no integers.
    let write = words(&[&"policy", &"--tokenizer", &floats, &"--to", &policy]);
    succeeded(matchmark.json([write, asked.clone()].concat())?)?;
    if chain.exists() {
        std::fs::remove_dir_all(&chain).context(chain.display())?;
    }
    let prove = words(&[&"prove", &"--model", &integers, &"--out", &chain]);
    let prove = succeeded(matchmark.json([prove, asked, memory].concat())?)?.json;
    let mut verify = words(&[&"verify", &chain, &"--policy", &policy, &"--key", &key]);
    verify.extend(words(&[
        &"--tokenizer",
        &floats,
        &"--chat",
        &options.question,
    ]));
    verify.extend(stop.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    let verify = succeeded(matchmark.json(verify)?)?.json;
    println!("{}", figures(&options.question, &keygen, &prove, &verify)?);
    Ok(())
}

/// What the proofs are worth.
fn security(verify: &Value) -> Result<String, Failure> {
    let [proven, conjectured] = ["proven", "conjectured"].map(|regime| {
        let bits = number(verify, &format!("/security/{regime}/bits"))?;
        Ok::<_, Failure>(format!("{bits:.1} bits {regime}"))
    });
    Ok(format!("{}, {}", proven?, conjectured?))
}

/// The answer, and what it took beside what it is meant to take.
fn figures(
    question: &str,
    keygen: &Value,
    prove: &Value,
    verify: &Value,
) -> Result<String, Failure> {
    let steps = number(prove, "/steps")?;
    let cpu = number(prove, "/prove_cpu_ms")? / 1e3 / steps;
    let bytes = number(prove, "/proof_bytes")? / steps;
    let [of_key, of_proof] = [keygen, prove].map(|report| number(report, "/peak_rss_bytes"));
    let (of_key, of_proof) = (of_key?, of_proof?);
    let (ms, of_verifying) = (
        number(verify, "/verify_ms")?,
        number(verify, "/peak_rss_bytes")?,
    );
    let text = verify["text"].as_str();
    let text = text.ok_or_else(|| Failure::failed("matchmark verify has printed no text"))?;
    Ok(format!(
        "{question}\n{text}\n\n\
         accepted: {} steps in {} parts, {} committed cells, finish reason {}\n\
         deriving the key      {:.1} CPU-s, {:.2} GiB (at most {} GiB: {})\n\
         proving               {cpu:.3} CPU-s a step (at most {CPU_SECONDS}: {})\n\
         memory of it          {:.2} GiB (at most {} GiB: {})\n\
         bytes of proof        {bytes:.0} a step (at most {BYTES}: {})\n\
         verifying             {ms:.1} ms (at most {VERIFY_MS}: {}), {:.0} MB (at most {:.0} MB: {})\n\
         security              {}",
        prove["steps"],
        prove["parts"],
        prove["committed_cells"],
        verify["finish_reason"],
        number(keygen, "/keygen_cpu_ms")? / 1e3,
        of_key / GIB,
        PEAK_BYTES / GIB,
        held(of_key <= PEAK_BYTES),
        held(cpu <= CPU_SECONDS),
        of_proof / GIB,
        PEAK_BYTES / GIB,
        held(of_proof <= PEAK_BYTES),
        held(bytes <= BYTES),
        held(ms <= VERIFY_MS),
        of_verifying / 1e6,
        VERIFY_PEAK_BYTES / 1e6,
        held(of_verifying <= VERIFY_PEAK_BYTES),
        security(verify)?,
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reports() -> [Value; 3] {
        [
            json!({ "keygen_cpu_ms": 400_000, "peak_rss_bytes": 3_u64 << 30 }),
            json!({
                "steps": 100, "parts": 10, "committed_cells": 7, "prove_cpu_ms": 90_000,
                "proof_bytes": 4_000_000, "peak_rss_bytes": 7_u64 << 30,
            }),
            json!({
                "text": "Paris.", "finish_reason": "stop", "verify_ms": 140.0, "peak_rss_bytes": 40_000_000,
                "security": { "proven": { "bits": 100.2 }, "conjectured": { "bits": 104.0 } },
            }),
        ]
    }

    #[test]
    fn figures_stand_beside_their_bounds() {
        let [keygen, prove, verify] = reports();
        let text = figures("Where?", &keygen, &prove, &verify).unwrap();
        assert!(text.starts_with("Where?\nParis.\n"), "{text}");
        for part in [
            "0.900 CPU-s a step (at most 1: held)",
            "40000 a step (at most 40000: held)",
            "7.00 GiB (at most 8 GiB: held)",
            "140.0 ms (at most 150: held), 40 MB (at most 300 MB: held)",
            "100.2 bits proven, 104.0 bits conjectured",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let mut dearer = prove;
        dearer["prove_cpu_ms"] = json!(101_000);
        dearer["proof_bytes"] = json!(4_000_100);
        let text = figures("Where?", &keygen, &dearer, &verify).unwrap();
        assert_eq!(text.matches("NOT HELD").count(), 2, "{text}");
    }

    #[test]
    fn a_missing_figure_is_named() {
        let [keygen, prove, mut verify] = reports();
        verify["verify_ms"] = Value::Null;
        let message = figures("Where?", &keygen, &prove, &verify)
            .unwrap_err()
            .message;
        assert!(message.unwrap().contains("/verify_ms"));
    }
}
