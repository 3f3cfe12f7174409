//! `commit`: commits a model from its weights, and by its extension from a file: compared with the model, and
//! with the commitment of a key.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use matchmark_prover::{ModelChain, SegmentProver};
use matchmark_quant::{CacheCapacity, SegmentSteps};
use matchmark_statement::{Profile, PromptLength, Security, SecurityLevel, VerifierDomain};
use serde::Deserialize;
use serde_json::{json, Value};

use crate::models::Source;
use crate::phases::Phases;
use crate::process::Clock;
use crate::Failure;

/// The spans of committing a model, by either way.
const NAMES: [&str; 8] = [
    "model columns",
    "interpolate columns",
    "Extension",
    "Merkle",
    "read extension",
    "hash extension",
    "open columns",
    "compare extension",
];

/// Which model, and for which chain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commit {
    model: Source,
    /// Tokens of the chain, and of its only segment.
    steps: u32,
    level: SecurityLevel,
    profile: Profile,
    /// How often it is done by either way. One time more is not counted.
    repetitions: usize,
    /// Where the extension is written; removed afterwards.
    to: PathBuf,
}

/// Processor seconds of every repetition: in all, and by span.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    spans: BTreeMap<&'static str, Vec<f64>>,
}

impl Times {
    fn add(&mut self, seconds: f64, phases: &Phases) {
        self.all.push(seconds);
        for phase in phases.take() {
            self.spans
                .entry(phase.name)
                .or_default()
                .push(phase.seconds);
        }
    }

    fn medians(self) -> Value {
        let spans: BTreeMap<_, _> = self
            .spans
            .into_iter()
            .map(|(name, seconds)| (name, median(seconds)))
            .collect();
        json!({ "cpu_seconds": median(self.all), "spans": spans })
    }
}

/// The median of some numbers.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Commits it by both ways in turn, and says what that took.
pub fn run(request: &Commit) -> Result<Value, Failure> {
    let (model, _) = request.model.load(0)?;
    let model = Arc::new(model);
    let chain = ModelChain {
        domain: VerifierDomain::new("decoder figures", [0; 16])?,
        security: Security::new(request.level, request.profile)?,
        capacity: CacheCapacity::new(request.steps)?,
        segment_steps: SegmentSteps::new(request.steps)?,
        prompt: PromptLength::new(1)?,
    };
    let phases = Phases::listen_to(&NAMES)?;
    let [mut weights, mut compared, mut known] = [(); 3].map(|()| Times::default());
    let mut write = vec![];
    let mut height = 0;
    for repetition in 0..=request.repetitions {
        let clock = Clock::start()?;
        let prover = SegmentProver::for_model(chain.clone(), model.clone())?;
        let seconds = clock.seconds()?;
        if repetition > 0 {
            weights.add(seconds, &phases);
        }
        height = prover.lifting_log_size();
        let committed = prover.model().ok_or("no model")?;
        let commitment = committed.commitment();

        let clock = Clock::start()?;
        let mut file = File::create(&request.to)?;
        for piece in committed.extension().pieces() {
            file.write_all(&piece)?;
        }
        file.sync_all()?;
        write.push(clock.seconds()?);
        drop(prover);
        phases.take();

        for (times, key) in [(&mut compared, None), (&mut known, Some(commitment))] {
            let clock = Clock::start()?;
            let file = &mut File::open(&request.to)?;
            let (chain, model) = (chain.clone(), model.clone());
            let prover = SegmentProver::for_model_with_extension(chain, model, file, key)?;
            let seconds = clock.seconds()?;
            if repetition > 0 {
                times.add(seconds, &phases);
            }
            phases.take();
            if prover.model().map(|it| it.commitment()) != Some(commitment) {
                return Err("another commitment".into());
            }
        }
    }
    let bytes = fs::metadata(&request.to)?.len();
    fs::remove_file(&request.to)?;
    Ok(json!({
        "weights": model.shape().weights(),
        "log_height": height,
        "from_weights": weights.medians(),
        "from_file_compared": compared.medians(),
        "from_file_with_key": known.medians(),
        "write_cpu_seconds": median(write),
        "file_bytes": bytes,
    }))
}
