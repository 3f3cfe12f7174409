//! Running the cases and collecting what `matchmark` reports of itself.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::run::{self, Run};
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::{words, Matchmark, Outcome};
use matchmark_tools::workspace;
use serde::{Deserialize, Serialize};

const FLOAT_FIXTURE: &str = "fixtures/attention-layer0.safetensors";
const FIXTURE: &str = "fixtures/attention-layer0-8bit.safetensors";
const FIXTURE_12: &str = "fixtures/attention-layer0-12bit.safetensors";
const PREFIX: &str = "2";
/// The shape of the fixture, with four times as many steps.
const LONG: &str = "--heads 4 --kv-heads 4 --head-dim 64 --prefix 2 --steps 256 --seed 1";

/// How often each case is measured.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Repetitions {
    /// Proofs, each for a domain of its own: the transcript, and with it the bytes, differ.
    pub domains: usize,
    /// Verifications at least, over all proofs of a case.
    pub verifications: usize,
}

impl Repetitions {
    /// What the figures in the documents rest on.
    pub const FULL: Self = Self {
        domains: 5,
        verifications: 21,
    };
    /// A first impression.
    pub const QUICK: Self = Self {
        domains: 1,
        verifications: 3,
    };
}

/// What all measurements need.
pub struct Bench {
    /// The command.
    pub matchmark: Matchmark,
    /// An empty directory.
    pub scratch: PathBuf,
    /// How often.
    pub repetitions: Repetitions,
}

/// A way to prove a trace.
struct Case {
    name: &'static str,
    trace: PathBuf,
    security: &'static str,
    profile: &'static str,
    segment_steps: Option<u32>,
    domains: usize,
    verifications: usize,
}

/// A chain to be verified.
struct Proven {
    chain: PathBuf,
    policy: PathBuf,
}

/// What was measured of one case: a value for each proof, or for each verification.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// Bytes of the binary proofs.
    pub proof_bytes: Vec<f64>,
    /// Bytes of the public values.
    pub public_bytes: Vec<f64>,
    /// Processor time of proving, in seconds, as the command reports it: from the creation of the prover on.
    pub cpu_seconds: Vec<f64>,
    /// Processor time of the whole process in user mode, in seconds.
    pub user_seconds: Vec<f64>,
    /// Processor time of the system on its behalf, in seconds.
    pub system_seconds: Vec<f64>,
    /// Largest resident memory while proving, in bytes.
    pub peak_bytes: Vec<f64>,
    /// Reading, decoding and verifying the whole chain, in milliseconds.
    pub verify_ms: Vec<f64>,
    /// Milliseconds that verifying the first segment took, its public values apart.
    pub proof_ms: Vec<f64>,
    /// Uses of the weight table.
    pub lookup_claims: f64,
}

/// All cases.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Measurements {
    /// The fixture as one segment, at the default level and profile.
    pub proven: Measured,
    /// The same by unique decoding.
    pub unique: Measured,
    /// The same against the best known attack.
    pub conjectured: Measured,
    /// The same at the level of the published rows.
    pub insecure: Measured,
    /// 256 steps as one segment.
    pub long: Measured,
    /// The fixture as 64 segments of one step, in the fast profile.
    pub steps: Measured,
    /// The fixture at 12 bits.
    pub wide: Measured,
    /// Relative L2 distance at 12 bits of the dequantized from the float output.
    pub wide_distance: f64,
}

/// Runs everything.
pub fn all(bench: &Bench) -> Result<Measurements, Failure> {
    let root = workspace::root();
    let fixture = root.join(FIXTURE);
    let long = bench.scratch.join("long.safetensors");
    let mut synthesize = words(&[&"synthesize", &"--to", &long]);
    synthesize.extend(LONG.split(' ').map(OsStr::new));
    bench.json(&synthesize)?;

    let case = |name, trace: &PathBuf, security| Case {
        name,
        trace: trace.clone(),
        security,
        profile: "compact",
        segment_steps: None,
        domains: bench.repetitions.domains,
        verifications: bench.repetitions.verifications,
    };
    let steps = Case {
        profile: "fast",
        segment_steps: Some(1),
        // Sixty-four proofs are enough domains in one run.
        domains: 1,
        ..case("steps", &fixture, "proven-100")
    };
    let cases = [
        case("proven", &fixture, "proven-100"),
        case("conjectured", &fixture, "conjectured-100"),
        case("unique", &fixture, "proven-100-unique"),
        case("insecure", &fixture, "insecure-13"),
        case("long", &long, "proven-100"),
        steps,
        case("wide", &root.join(FIXTURE_12), "proven-100"),
    ];
    let [proven, conjectured, unique, insecure, long, steps, wide] = bench.measure(&cases)?;
    Ok(Measurements {
        proven,
        unique,
        conjectured,
        insecure,
        long,
        steps,
        wide,
        wide_distance: bench.distance("12")?,
    })
}

impl Bench {
    /// Measures cases in turns: one proof of each, then verifications of these in turns, and again. So the
    /// values of two cases with one number belong together, whatever else the machine did meanwhile.
    fn measure<const CASES: usize>(
        &self,
        cases: &[Case; CASES],
    ) -> Result<[Measured; CASES], Failure> {
        let mut measured = std::array::from_fn(|_| Measured::default());
        let rounds = cases.iter().map(|case| case.domains).max().unwrap_or(0);
        for domain in 0..rounds {
            let mut proven = vec![];
            for (case, measured) in cases.iter().zip(&mut measured) {
                if domain < case.domains {
                    proven.push((self.prove(case, domain, measured)?, case, measured));
                }
            }
            let verifications = |case: &Case| case.verifications.div_ceil(case.domains);
            let most = proven.iter().map(|(_, case, _)| verifications(case)).max();
            for turn in 0..most.unwrap_or(0) {
                for (Proven { chain, policy }, case, measured) in &mut proven {
                    if turn < verifications(case) {
                        let verify = words(&[&"verify", chain, &"--policy", policy]);
                        measured.add_verification(&self.json(&verify)?)?;
                    }
                }
            }
            for (Proven { chain, .. }, ..) in proven {
                fs::remove_dir_all(&chain).context(chain.display())?;
            }
        }
        Ok(measured)
    }

    fn prove(
        &self,
        case: &Case,
        domain: usize,
        measured: &mut Measured,
    ) -> Result<Proven, Failure> {
        eprintln!(
            "bench: {}, proof {} of {}",
            case.name,
            domain + 1,
            case.domains
        );
        let chain = self.scratch.join(format!("{}-{domain}", case.name));
        let policy = self.scratch.join(format!("{}-{domain}.toml", case.name));
        let (name, segment_steps) = (format!("bench-{domain}"), case.segment_steps);
        let segment_steps = segment_steps.map(|steps| steps.to_string());
        let mut arguments = words(&[
            &"prove",
            &"--trace",
            &case.trace,
            &"--out",
            &chain,
            &"--security",
            &case.security,
            &"--profile",
            &case.profile,
            &"--domain",
            &name,
        ]);
        if let Some(steps) = &segment_steps {
            arguments.append(&mut words(&[&"--segment-steps", steps]));
        }
        let program = self.matchmark.program();
        measured.add_proof(&run::measured(program, &arguments, false)?.checked()?)?;
        self.json(&words(&[&"policy", &chain, &"--to", &policy]))?;
        Ok(Proven { chain, policy })
    }

    /// How far the fixture's outputs at this width are from the float outputs that it carries.
    fn distance(&self, bits: &str) -> Result<f64, Failure> {
        let float = workspace::root().join(FLOAT_FIXTURE);
        let to = self.scratch.join("quantized.safetensors");
        let report = self.json(&words(&[
            &"quantize",
            &"--float",
            &float,
            &"--prefix",
            &PREFIX,
            &"--bits",
            &bits,
            &"--to",
            &to,
        ]))?;
        field(&report, "/fidelity/against_output/relative_l2")
    }

    fn json(&self, arguments: &[&OsStr]) -> Result<Value, Failure> {
        checked(self.matchmark.json(arguments)?)
    }
}

impl Measured {
    fn add_proof(&mut self, run: &Run) -> Result<(), Failure> {
        let report = &run.json;
        self.proof_bytes.push(field(report, "/proof_bytes")?);
        self.public_bytes.push(field(report, "/public_bytes")?);
        self.cpu_seconds.push(field(report, "/prove_cpu_ms")? / 1e3);
        self.user_seconds.push(run.user_seconds);
        self.system_seconds.push(run.system_seconds);
        self.peak_bytes.push(run.peak_bytes);
        self.lookup_claims = field(report, "/lookup_claims")?;
        Ok(())
    }

    /// A time counts only if the verifier said yes.
    fn add_verification(&mut self, report: &Value) -> Result<(), Failure> {
        if report["accepted"] != true {
            return Err(Failure::failed(format!(
                "a proof is not accepted: {report}"
            )));
        }
        self.verify_ms.push(field(report, "/verify_ms")?);
        let of_first = |key| field(report, &format!("/per_segment/0/{key}"));
        self.proof_ms
            .push(of_first("verify_ms")? - of_first("public_ms")?);
        Ok(())
    }
}

/// What a run that succeeded printed.
///
/// # Errors
/// A run that failed.
pub fn checked(outcome: Outcome) -> Result<Value, Failure> {
    if outcome.code == 0 {
        return Ok(outcome.json);
    }
    eprintln!("{}", outcome.json);
    Err(Failure::passed_through(outcome.code))
}

/// A number in a report.
///
/// # Errors
/// If there is none at this place.
pub fn field(report: &Value, pointer: &str) -> Result<f64, Failure> {
    report
        .pointer(pointer)
        .and_then(Value::as_f64)
        .ok_or_else(|| Failure::failed(format!("no number at {pointer} in {report}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(json: Value) -> Run {
        Run {
            code: 0,
            json,
            user_seconds: 1.0,
            system_seconds: 0.25,
            wall_seconds: 1.0,
            peak_bytes: 3000.0,
        }
    }

    #[test]
    fn reports_are_collected() {
        let mut measured = Measured::default();
        for (bytes, ms) in [(100, 1000), (300, 3000)] {
            let report = json!({
                "proof_bytes": bytes, "public_bytes": 7, "prove_cpu_ms": ms, "lookup_claims": 12,
            });
            measured.add_proof(&run(report)).unwrap();
        }
        let report = json!({
            "accepted": true, "verify_ms": 2.5,
            "per_segment": [{"verify_ms": 2.0, "public_ms": 0.5}],
        });
        measured.add_verification(&report).unwrap();
        assert_eq!(measured.proof_bytes, [100.0, 300.0]);
        assert_eq!(measured.cpu_seconds, [1.0, 3.0]);
        assert_eq!(measured.system_seconds, [0.25; 2]);
        assert_eq!(measured.peak_bytes, [3000.0; 2]);
        assert_eq!(
            (&measured.verify_ms[..], &measured.proof_ms[..]),
            (&[2.5][..], &[1.5][..])
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let failure = Measured::default().add_proof(&run(json!({"proof_bytes": 1})));
        let message = failure.unwrap_err().message.unwrap();
        assert!(message.starts_with("no number at /public_bytes"));
    }

    #[test]
    fn the_time_of_a_rejection_does_not_count() {
        let mut measured = Measured::default();
        let report = json!({"accepted": false, "verify_ms": 0.1});
        assert_eq!(measured.add_verification(&report).unwrap_err().code, 1);
        assert!(measured.verify_ms.is_empty());
    }
}
