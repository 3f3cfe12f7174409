//! Running the decoder's cases and collecting what the measuring program reports.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{json, Value};

use super::super::measure::{field, Bench, Repetitions};
use super::cases::{self, Case};
use super::command::{self, Command};
use super::fidelity::{self, Fidelity, Files};
use crate::statistics::{largest, median};
use crate::{machine, run};
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::Matchmark;
use matchmark_tools::workspace;

const MODEL: &str = "fixtures/models/stories-2m";
const CALIBRATE: &str = "fixtures/models/calibrate.txt";
const TEXT: &str = "fixtures/models/eval.txt";

/// What was measured of one case: a value for each proof, or for each verification.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    /// Bytes of the proofs.
    pub proof_bytes: Vec<f64>,
    /// Processor time of execution, of committing the cache afterwards and of proving, in seconds.
    pub cpu_seconds: Vec<f64>,
    /// Of it that of the system.
    pub system_seconds: Vec<f64>,
    /// Time on the clock meanwhile.
    pub wall_seconds: Vec<f64>,
    /// Largest resident memory, in bytes.
    pub peak_bytes: Vec<f64>,
    /// Reading, decoding and verifying, in milliseconds.
    pub verify_ms: Vec<f64>,
    /// Processor time of committing the model, in seconds.
    pub model_seconds: Vec<f64>,
    /// Everything that the program reports, of each proof.
    pub reports: Vec<Value>,
}

/// The segments of the trained model, at `proven-100` where no other level is named.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Trained {
    /// 64 tokens, balanced.
    pub balanced: Measured,
    /// 64 tokens, compact.
    pub compact: Measured,
    /// 64 tokens, compact, at `conjectured-100`.
    pub conjectured: Measured,
    /// 64 tokens, fast.
    pub fast: Measured,
    /// 64 tokens, fastest.
    pub fastest: Measured,
    /// 128 tokens, balanced.
    pub double: Measured,
    /// One decoded token with 64 in the cache, balanced.
    pub single: Measured,
}

/// Everything about decoders.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Decoder {
    /// How close the integers are to their floats; none of random weights.
    pub fidelity: Option<Fidelity>,
    /// A text through the command; none of random weights.
    pub command: Option<Command>,
    /// The trained model's segments.
    pub trained: Trained,
    /// What larger models would cost; none where too little was measured for it.
    pub larger: Option<Larger>,
}

/// The cost model at work.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Larger {
    /// What it was fitted to: name and profile of the case, and its costs.
    pub fitted_to: Vec<(String, String, Measured)>,
    /// Fitted costs of these, and predicted ones of larger models, as the program prints them.
    pub predictions: Value,
    /// The first of the predicted segments as measured, if the machine has the memory for it.
    pub check: Option<Measured>,
}

/// Runs everything. What larger models cost is asked only where more than a first impression is wanted.
pub fn all(bench: &Bench, evaluator: Option<&Matchmark>) -> Result<Decoder, Failure> {
    let root = workspace::root();
    let model = bench.scratch.join("stories-2m.mm");
    let text = root.join(TEXT);
    let files = Files {
        folder: &root.join(MODEL),
        calibrate: &root.join(CALIBRATE),
        text: &text,
    };
    let fidelity = evaluator
        .map(|matchmark| fidelity::measure(matchmark, &files, &model))
        .transpose()?;
    let command = fidelity
        .map(|_| command::measure(bench, &model))
        .transpose()?;
    let source = match fidelity {
        Some(_) => json!({ "file": { "path": model, "text": text } }),
        None => json!({ "synthetic": { "shape": cases::STORIES_2M.shape(256) } }),
    };
    let runner = Runner {
        stem: bench.scratch.join("decoder"),
        cores: machine::cores(),
    };
    let cases = cases::trained(&source, bench.repetitions);
    let [balanced, compact, conjectured, fast, fastest, double, single] =
        runner.in_turns(&cases)?;
    let trained = Trained {
        balanced,
        compact,
        conjectured,
        fast,
        fastest,
        double,
        single,
    };
    let larger = if bench.repetitions.domains >= Repetitions::FULL.domains {
        Some(runner.larger(&cases, &trained, bench.repetitions)?)
    } else {
        None
    };
    Ok(Decoder {
        command,
        fidelity,
        trained,
        larger,
    })
}

/// Where segments are written, and how many threads prove them.
struct Runner {
    stem: PathBuf,
    cores: usize,
}

impl Runner {
    /// Measures cases in turns, so that the values of two cases with one number belong together, whatever
    /// else the machine did meanwhile.
    fn in_turns<const CASES: usize>(
        &self,
        cases: &[Case; CASES],
    ) -> Result<[Measured; CASES], Failure> {
        let mut measured = std::array::from_fn(|_| Measured::default());
        let turns = cases.iter().map(|case| case.proofs).max().unwrap_or(0);
        for turn in 0..turns {
            for (case, measured) in cases.iter().zip(&mut measured) {
                if turn < case.proofs {
                    self.once(case, turn, measured)?;
                }
            }
        }
        Ok(measured)
    }

    fn measure(&self, case: &Case) -> Result<Measured, Failure> {
        let [measured] = self.in_turns(std::array::from_ref(case))?;
        Ok(measured)
    }

    /// One proof, and its share of the verifications.
    fn once(&self, case: &Case, domain: usize, measured: &mut Measured) -> Result<(), Failure> {
        eprintln!(
            "bench: decoder, {}, {} {}, proof {} of {}",
            case.name,
            case.level,
            case.profile,
            domain + 1,
            case.proofs
        );
        let report = run::case(
            "segment",
            &json!({
                "model": case.model,
                "before": case.before,
                "steps": case.steps,
                "decoded": case.decoded,
                "level": case.level,
                "profile": case.profile,
                "domain": domain,
                "cores": self.cores,
                "to": self.stem,
            }),
        )?;
        measured.add_proof(report)?;
        for _ in 0..case.verifications.div_ceil(case.proofs) {
            // One that is not accepted ends the program with an error.
            let report = run::case("verify", &json!({ "from": self.stem }))?;
            measured.verify_ms.push(field(&report, "/verify_ms")?);
        }
        Ok(())
    }

    fn larger(
        &self,
        cases: &[Case; 7],
        trained: &Trained,
        repetitions: Repetitions,
    ) -> Result<Larger, Failure> {
        let Trained {
            balanced,
            compact,
            conjectured,
            fast,
            fastest,
            double,
            single,
        } = trained;
        let measured = [
            balanced,
            compact,
            conjectured,
            fast,
            fastest,
            double,
            single,
        ];
        let named = |case: &Case, measured| (case.name.clone(), case.profile.to_owned(), measured);
        let mut fitted_to: Vec<_> = cases
            .iter()
            .zip(measured)
            .map(|(case, measured)| named(case, measured.clone()))
            .collect();
        for case in cases::synthetic(repetitions) {
            fitted_to.push(named(&case, self.measure(&case)?));
        }
        let rows = fitted_to
            .iter()
            .map(|(_, _, measured)| measured.for_fit())
            .collect::<Result<Vec<_>, _>>()?;
        let request = json!({
            "measured": rows,
            "wanted": cases::wanted(),
            "cores": self.cores,
        });
        let predictions = run::case("predict", &request)?;
        // Half as much again, as the prediction may be off.
        let needed = field(&predictions, "/predicted/0/memory_bytes")? * 1.5;
        let check = if machine::available_bytes().is_some_and(|bytes| bytes > needed) {
            Some(self.measure(&cases::check())?)
        } else {
            None
        };
        Ok(Larger {
            fitted_to,
            predictions,
            check,
        })
    }
}

impl Measured {
    fn add_proof(&mut self, report: Value) -> Result<(), Failure> {
        for (values, pointer) in [
            (&mut self.proof_bytes, "/proof_bytes"),
            (&mut self.cpu_seconds, "/cpu_seconds"),
            (&mut self.system_seconds, "/system_seconds"),
            (&mut self.wall_seconds, "/wall_seconds"),
            (&mut self.peak_bytes, "/peak_rss_bytes"),
            (&mut self.model_seconds, "/setup/model_seconds"),
        ] {
            values.push(field(&report, pointer)?);
        }
        self.reports.push(report);
        Ok(())
    }

    /// The median of a number over all reports.
    pub fn median(&self, pointer: &str) -> Result<f64, Failure> {
        let values = self.reports.iter().map(|report| field(report, pointer));
        Ok(median(&values.collect::<Result<Vec<_>, _>>()?))
    }

    /// The report of the first proof: what does not differ between proofs.
    pub fn report(&self) -> &Value {
        self.reports.first().unwrap_or(&Value::Null)
    }

    /// What the cost model speaks of: both caches committed, and the proof.
    pub fn model_cpu(&self) -> Result<f64, Failure> {
        let parts = ["state before", "state after", "prove"];
        let parts = parts.map(|part| self.median(&format!("/parts/{part}")));
        parts.into_iter().sum()
    }

    fn for_fit(&self) -> Result<Value, Failure> {
        let features = &self.report()["features"];
        Ok(json!({
            "prove": features["prove"],
            "memory": features["memory"],
            "verify": features["verify"],
            "cpu_seconds": self.model_cpu()?,
            "memory_bytes": largest(&self.peak_bytes),
            "verify_ms": median(&self.verify_ms),
        }))
    }
}
