//! An answer of the model: its key derived, the answer proven, and verified from key, policy and question alone.

use std::path::Path;

use clap::Args;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark};
use serde_json::Value;

use super::{folder, held, number, quantized, succeeded};

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
        default_value = "What is the capital of France?",
        conflicts_with_all = ["fetch", "eval"]
    )]
    question: String,
    /// Most tokens of the answer
    #[arg(long, value_name = "N", default_value_t = 64, conflicts_with_all = ["fetch", "eval"])]
    tokens: u32,
    /// Most memory for deriving the key and for proving, as `matchmark prove` takes it
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["fetch", "eval"])]
    max_memory: Option<String>,
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
    let integers = quantized(&matchmark, floats, positions)?;
    let named = |name: &str| folder.join(name);
    let (key, policy, chain) = (named("smollm2.vk"), named("answer.toml"), named("answer"));
    let memory = match &options.max_memory {
        None => vec![],
        Some(bytes) => words(&[&"--max-memory", bytes]),
    };
    let keygen = words(&[&"keygen", &"--model", &integers, &"--to", &key]);
    let keygen = succeeded(matchmark.json([keygen, memory.clone()].concat())?)?.json;

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
    let write = words(&[&"policy", &"--tokenizer", &integers, &"--to", &policy]);
    succeeded(matchmark.json([write, asked.clone()].concat())?)?;
    if chain.exists() {
        std::fs::remove_dir_all(&chain).context(chain.display())?;
    }
    let prove = words(&[&"prove", &"--model", &integers, &"--out", &chain]);
    let prove = succeeded(matchmark.json([prove, asked, memory].concat())?)?.json;
    let mut verify = words(&[&"verify", &chain, &"--policy", &policy, &"--key", &key]);
    verify.extend(words(&[
        &"--tokenizer",
        &integers,
        &"--chat",
        &options.question,
    ]));
    verify.extend(stop.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    let verify = succeeded(matchmark.json(verify)?)?.json;
    println!("{}", figures(&options.question, &keygen, &prove, &verify)?);
    Ok(())
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
        verify["security"]["requested"],
    ))
}
