//! One measurement: a trace is made, proven, measured and verified, each by a process of its own.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::pressure::data::{Configuration, Counts, Cut, Level, ProofSizes, Rules, Sample};
use crate::run::{self, Run};
use crate::statistics::median;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark};

/// Verifications of a chain; the median counts.
const VERIFICATIONS: usize = 3;
/// Exit code of `matchmark` for what it cannot do, and says why.
const REFUSED: u8 = 2;

/// What proving a configuration once came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It was proven and verified.
    Measured {
        /// What does not depend on the domain.
        counts: Counts,
        /// What does.
        sample: Sample,
    },
    /// The relation does not carry it; the command's message.
    Refused(String),
}

impl Level {
    /// Its name in the command's options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conjectured100 => "conjectured-100",
            Self::Proven100 => "proven-100",
            Self::Insecure13 => "insecure-13",
        }
    }
}

impl Cut {
    /// Its name in the command's options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Split => "split",
        }
    }

    /// The names of the proofs of a segment.
    fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Fused => &["whole"],
            Self::Split => &["arithmetic", "lookup"],
        }
    }
}

impl Rules {
    /// What `prove` has to be told.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Default => &[],
            Self::Essay => &[
                "--table",
                "essay9",
                "--rounding",
                "floor",
                "--score-step",
                "1",
            ],
        }
    }
}

/// The nonce of a sample, from 0.
pub fn nonce(sample: usize) -> String {
    format!("{:032x}", sample + 1)
}

/// Measures a configuration once, for the domain with this nonce, in an empty directory.
///
/// # Errors
/// A run that fails, a proof that is not accepted, or a report that contradicts itself.
pub fn measure(
    matchmark: &Matchmark,
    configuration: &Configuration,
    nonce: &str,
    scratch: &Path,
) -> Result<Outcome, Failure> {
    let trace = scratch.join("trace.safetensors");
    let (chain, policy) = (scratch.join("chain"), scratch.join("policy.toml"));
    let shape = &configuration.shape;
    let [heads, kv_heads, head_dim, prefix, steps, segment_steps] = [
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
        shape.prefix,
        shape.steps,
        shape.segment_steps,
    ]
    .map(|number| number.to_string());
    let workload = [
        ["--heads", &heads],
        ["--kv-heads", &kv_heads],
        ["--head-dim", &head_dim],
        ["--prefix", &prefix],
        ["--steps", &steps],
        ["--seed", "1"],
    ];
    let mut synthesize = words(&[&"synthesize", &"--to", &trace]);
    synthesize.extend(workload.iter().flatten().map(std::ffi::OsStr::new));
    if let Err(reason) = run(matchmark, &synthesize)? {
        return Ok(Outcome::Refused(reason));
    }
    let (cut, level) = (configuration.cut.name(), configuration.level.name());
    let mut prove = words(&[
        &"prove",
        &"--trace",
        &trace,
        &"--out",
        &chain,
        &"--segment-steps",
        &segment_steps,
        &"--cut",
        &cut,
        &"--security",
        &level,
        &"--profile",
        &"compact",
        &"--domain",
        &"pressure",
        &"--nonce",
        &nonce,
    ]);
    let rules = configuration.shape.rules.options();
    prove.extend(rules.iter().map(std::ffi::OsStr::new));
    let proven = run::measured(matchmark.program(), &prove, true)?;
    if proven.code == REFUSED {
        return Ok(Outcome::Refused(message(&proven.json)));
    }
    let proven = proven.checked()?;
    let inspected = accepted(matchmark, &words(&[&"inspect", &chain, &"--sizes"]))?;
    accepted(matchmark, &words(&[&"policy", &chain, &"--to", &policy]))?;
    let mut verify_ms = Vec::with_capacity(VERIFICATIONS);
    for _ in 0..VERIFICATIONS {
        let verify = words(&[&"verify", &chain, &"--policy", &policy]);
        verify_ms.push(number(&accepted(matchmark, &verify)?, "verify_ms")?);
    }
    for path in [&trace, &policy] {
        fs::remove_file(path).context(path.display())?;
    }
    fs::remove_dir_all(&chain).context(chain.display())?;
    outcome(
        configuration,
        nonce,
        &proven,
        &inspected,
        median(&verify_ms),
    )
}

/// The object of a run, or the reason why it cannot be done.
fn run(
    matchmark: &Matchmark,
    arguments: &[&std::ffi::OsStr],
) -> Result<Result<Value, String>, Failure> {
    let outcome = matchmark.json(arguments)?;
    match outcome.code {
        0 => Ok(Ok(outcome.json)),
        REFUSED => Ok(Err(message(&outcome.json))),
        code => Err(Failure {
            code,
            message: Some(format!("{arguments:?}: {}", message(&outcome.json))),
        }),
    }
}

fn accepted(matchmark: &Matchmark, arguments: &[&std::ffi::OsStr]) -> Result<Value, Failure> {
    run(matchmark, arguments)?.map_err(|reason| Failure::failed(format!("{arguments:?}: {reason}")))
}

fn message(object: &Value) -> String {
    let message = object["error"]["message"].as_str();
    message.unwrap_or("it printed no reason").to_owned()
}

/// Puts together what the commands reported, and checks that it fits together.
fn outcome(
    configuration: &Configuration,
    nonce: &str,
    proven: &Run,
    inspected: &Value,
    verify_ms: f64,
) -> Result<Outcome, Failure> {
    let segments = inspected["segments"]
        .as_array()
        .ok_or_else(|| Failure::failed("inspect printed no segments"))?;
    let mut proofs: Vec<ProofSizes> = Vec::new();
    let (mut trees, mut json_bytes) = (0, 0);
    for segment in segments {
        let of_segment = segment["proofs"].as_array();
        let of_segment =
            of_segment.ok_or_else(|| Failure::failed("inspect printed no sizes of proofs"))?;
        let sizes: Vec<ProofSizes> = of_segment
            .iter()
            .map(proof_sizes)
            .collect::<Result<_, _>>()?;
        for proof in of_segment {
            json_bytes += whole(proof, "json_bytes")?;
        }
        let parts: Vec<&str> = sizes.iter().map(|proof| proof.part.as_str()).collect();
        if parts != configuration.cut.parts() {
            return Err(Failure::failed(format!(
                "proofs of a segment: expected {:?}, got {parts:?}",
                configuration.cut.parts()
            )));
        }
        if proofs.is_empty() {
            trees = of_segment.iter().map(trees_of).sum::<Result<u64, _>>()?;
            proofs = sizes;
        } else {
            for (sum, proof) in proofs.iter_mut().zip(sizes) {
                add(sum, &proof);
            }
        }
    }
    let relation = inspected["chain"]["relation_digest"]
        .as_str()
        .ok_or_else(|| Failure::failed("inspect printed no relation digest"))?;
    let counts = Counts {
        lookup_claims: whole(&proven.json, "lookup_claims")?,
        trace_rows: whole(&proven.json, "trace_rows")?,
        committed_cells: whole(&proven.json, "committed_cells")?,
        opened_columns: whole(&proven.json, "opened_columns")?,
        trees,
    };
    let sample = Sample {
        nonce: nonce.to_owned(),
        relation_digest: relation.to_owned(),
        user_seconds: proven.user_seconds,
        system_seconds: proven.system_seconds,
        wall_seconds: proven.wall_seconds,
        peak_memory_bytes: proven.peak_bytes,
        verify_ms,
        proof_bytes: whole(&proven.json, "proof_bytes")?,
        json_bytes,
        proofs,
    };
    let claims = configuration.shape.claims();
    let measured: u64 = sample.proofs.iter().map(|proof| proof.bytes).sum();
    for (what, expected, got) in [
        ("lookup claims", claims, counts.lookup_claims),
        ("bytes of all proofs", sample.proof_bytes, measured),
        (
            "segments",
            u64::from(
                configuration
                    .shape
                    .steps
                    .div_ceil(configuration.shape.segment_steps),
            ),
            segments.len() as u64,
        ),
    ] {
        if expected != got {
            return Err(Failure::failed(format!(
                "{what}: expected {expected}, got {got}"
            )));
        }
    }
    Ok(Outcome::Measured { counts, sample })
}

/// Merkle trees of a proof.
fn trees_of(proof: &Value) -> Result<u64, Failure> {
    let trees = proof["trees"].as_array();
    let trees = trees.ok_or_else(|| Failure::failed("a proof has no `trees`"))?;
    Ok(trees.len() as u64)
}

fn proof_sizes(proof: &Value) -> Result<ProofSizes, Failure> {
    let part = proof["part"]
        .as_str()
        .ok_or_else(|| Failure::failed("a proof has no `part`"))?;
    let sizes = ProofSizes {
        part: part.to_owned(),
        bytes: whole(proof, "bytes")?,
        samples: whole(proof, "samples")?,
        queried_values: whole(proof, "queried_values")?,
        merkle_paths: whole(proof, "merkle_paths")?,
        low_degree: whole(proof, "low_degree")?,
        rest: whole(proof, "rest")?,
    };
    let sum = sizes.samples + sizes.queried_values + sizes.merkle_paths + sizes.low_degree;
    if sum + sizes.rest != sizes.bytes {
        return Err(Failure::failed(format!(
            "bytes of the parts of a proof: expected {}, got {}",
            sizes.bytes,
            sum + sizes.rest
        )));
    }
    Ok(sizes)
}

/// Adds the proof of another segment.
fn add(sum: &mut ProofSizes, other: &ProofSizes) {
    for (sum, other) in [
        (&mut sum.bytes, other.bytes),
        (&mut sum.samples, other.samples),
        (&mut sum.queried_values, other.queried_values),
        (&mut sum.merkle_paths, other.merkle_paths),
        (&mut sum.low_degree, other.low_degree),
        (&mut sum.rest, other.rest),
    ] {
        *sum += other;
    }
}

/// A field that is a number.
pub fn number(object: &Value, key: &str) -> Result<f64, Failure> {
    object[key]
        .as_f64()
        .ok_or_else(|| Failure::failed(format!("expected a number for {key}, got {}", object[key])))
}

/// A field that is a whole number.
pub fn whole(object: &Value, key: &str) -> Result<u64, Failure> {
    object[key].as_u64().ok_or_else(|| {
        Failure::failed(format!(
            "expected a whole number for {key}, got {}",
            object[key]
        ))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pressure::rows::{configuration, BASE};

    fn proof(part: &str) -> Value {
        json!({
            "part": part, "bytes": 100, "samples": 10, "queried_values": 20, "merkle_paths": 30,
            "low_degree": 25, "rest": 15, "json_bytes": 400, "trees": [{"tree": "witness"}],
        })
    }

    fn reports(parts: &[&[&str]], bytes: u64) -> (Run, Value) {
        let segments: Vec<Value> = parts
            .iter()
            .map(
                |parts| json!({"proofs": parts.iter().map(|part| proof(part)).collect::<Vec<_>>()}),
            )
            .collect();
        let proven = json!({
            "lookup_claims": 8832, "trace_rows": 5, "committed_cells": 6, "opened_columns": 14,
            "proof_bytes": bytes,
        });
        let proven = Run {
            code: 0,
            json: proven,
            user_seconds: 1.25,
            system_seconds: 0.25,
            wall_seconds: 1.0,
            peak_bytes: 4096.0,
        };
        let chain = json!({"relation_digest": "ab"});
        (proven, json!({"chain": chain, "segments": segments}))
    }

    fn base(cut: Cut, segment_steps: u32) -> Configuration {
        let shape = crate::pressure::data::Shape {
            segment_steps,
            ..BASE
        };
        configuration(shape, Level::Conjectured100, cut)
    }

    #[test]
    fn segments_add_up() {
        let (proven, inspected) = reports(&[&["whole"], &["whole"]], 200);
        let it = base(Cut::Fused, 32);
        let Outcome::Measured { counts, sample } =
            outcome(&it, "01", &proven, &inspected, 2.5).unwrap()
        else {
            panic!("refused");
        };
        assert_eq!((counts.trees, counts.lookup_claims), (1, 8832));
        assert_eq!(sample.cpu_seconds(), 1.5);
        let [fused] = &sample.proofs[..] else {
            panic!("{:?}", sample.proofs);
        };
        assert_eq!((fused.bytes, sample.json_bytes), (200, 800));
    }

    #[test]
    fn reports_that_do_not_fit_are_failures() {
        let failure = |it: &Configuration, parts: &[&[&str]], bytes| {
            let (proven, inspected) = reports(parts, bytes);
            let failure = outcome(it, "01", &proven, &inspected, 1.0).unwrap_err();
            failure.message.unwrap()
        };
        let fused = base(Cut::Fused, 64);
        let split = base(Cut::Split, 64);
        assert!(failure(&split, &[&["whole"]], 100).contains("proofs of a segment"));
        assert!(failure(&fused, &[&["whole"]], 99).contains("bytes of all proofs"));
        assert!(failure(&fused, &[&["whole"], &["whole"]], 200).contains("segments"));
        let mut other = fused.clone();
        other.shape.prefix = 3;
        assert!(failure(&other, &[&["whole"]], 100).contains("lookup claims"));
        let mut broken = proof("whole");
        broken["rest"] = json!(16);
        assert!(proof_sizes(&broken).is_err());
        broken["rest"] = json!("15");
        let message = proof_sizes(&broken).unwrap_err().message.unwrap();
        assert!(message.contains("whole number for rest"));
        let (proven, inspected) = reports(&[&["arithmetic", "lookup"]], 200);
        assert!(outcome(&split, "01", &proven, &inspected, 1.0).is_ok());
    }

    #[test]
    fn nonces_are_different_and_of_the_right_length() {
        assert_eq!(nonce(0).len(), 32);
        assert_ne!(nonce(0), nonce(1));
    }
}
