//! The report for machines, `docs/pressure.json`: medians of every configuration. Table and plots are made
//! from it alone.

use serde::{Deserialize, Serialize};

use crate::pressure::data::{Configuration, Counts, Measurement, ProofSizes, Sample};
use crate::statistics::median;

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Version of the object's form.
    pub format: u32,
    /// What `matchmark --version` says.
    pub version: String,
    /// Digest of the relation that was proven.
    pub relation_digest: String,
    /// Processor's name, and its number of cores.
    pub machine: String,
    /// Proofs that were asked for of each configuration.
    pub proofs: usize,
    /// Whether the predictions used a calibration of this machine.
    pub calibrated: bool,
    /// One entry a configuration.
    pub rows: Vec<Row>,
}

/// A configuration and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What was proven.
    pub configuration: Configuration,
    /// What it cost; none where the relation does not carry it.
    pub costs: Option<Costs>,
    /// What the planner said of it, if it was not fitted to it.
    pub predicted: Option<Prediction>,
    /// Why the relation does not carry it: the command's own message.
    pub refused: Option<String>,
}

/// Medians over all proofs of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// What does not depend on the domain.
    pub counts: Counts,
    /// How many proofs, or chains.
    pub proofs: usize,
    /// Bytes of all proofs of the chain.
    pub bytes: f64,
    /// Largest less smallest bytes, over the median.
    pub spread: f64,
    /// Length of the same proofs as the library's JSON.
    pub json_bytes: f64,
    /// CPU-seconds of proving, user and system.
    pub cpu_seconds: f64,
    /// Of them those of the system. Not known of what was measured before they were kept apart.
    pub system_seconds: Option<f64>,
    /// Peak memory, in bytes.
    pub memory_bytes: f64,
    /// Milliseconds of verifying.
    pub verify_ms: f64,
    /// The parts of the proofs with the median bytes.
    pub parts: Vec<ProofSizes>,
}

/// The planner's prediction for a configuration that its cost model was not fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// Bytes of all proofs.
    pub bytes: f64,
    /// CPU-seconds of proving.
    pub cpu_seconds: f64,
    /// Peak memory.
    pub memory_bytes: f64,
    /// Milliseconds of verifying.
    pub verify_ms: f64,
}

impl Summary {
    /// Version of the object's form.
    pub const FORMAT: u32 = 2;

    /// The costs of a configuration, if it was measured.
    pub fn costs(&self, configuration: &Configuration) -> Option<&Costs> {
        let row = self
            .rows
            .iter()
            .find(|row| row.configuration == *configuration)?;
        row.costs.as_ref()
    }
}

impl Row {
    /// The medians of a measurement, beside what was predicted.
    pub fn of(measurement: Measurement, predicted: Option<Prediction>) -> Self {
        let Measurement {
            configuration,
            counts,
            samples,
            refused,
        } = measurement;
        Self {
            configuration,
            costs: counts.and_then(|counts| Costs::of(counts, samples)),
            predicted,
            refused,
        }
    }
}

impl Costs {
    fn of(counts: Counts, mut samples: Vec<Sample>) -> Option<Self> {
        samples.sort_by_key(|sample| sample.proof_bytes);
        let of =
            |value: &dyn Fn(&Sample) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
        let bytes = of(&|it| float(it.proof_bytes));
        let (first, last) = (samples.first()?, samples.last()?);
        Some(Self {
            counts,
            proofs: samples.len(),
            bytes,
            spread: float(last.proof_bytes - first.proof_bytes) / bytes,
            json_bytes: of(&|it| float(it.json_bytes)),
            cpu_seconds: of(&Sample::cpu_seconds),
            system_seconds: Some(of(&|it| it.system_seconds)),
            memory_bytes: of(&|it| it.peak_memory_bytes),
            verify_ms: of(&|it| it.verify_ms),
            parts: samples[(samples.len() - 1) / 2].proofs.clone(),
        })
    }
}

/// A count as a float.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pressure::data::{Cut, Level};
    use crate::pressure::rows::{configuration, BASE};

    fn sample(bytes: u64, user: f64) -> Sample {
        Sample {
            nonce: "01".to_owned(),
            relation_digest: "ab".to_owned(),
            user_seconds: user,
            system_seconds: 0.5,
            wall_seconds: user,
            peak_memory_bytes: 7.0,
            verify_ms: 2.0,
            proof_bytes: bytes,
            json_bytes: 3 * bytes,
            proofs: vec![ProofSizes {
                part: "whole".to_owned(),
                bytes,
                samples: 1,
                queried_values: 1,
                merkle_paths: 1,
                low_degree: 1,
                rest: bytes - 4,
            }],
        }
    }

    #[test]
    fn medians_and_the_proof_that_has_them() {
        let measurement = Measurement {
            configuration: configuration(BASE, Level::Conjectured100, Cut::Fused),
            counts: Some(Counts {
                lookup_claims: 1,
                trace_rows: 2,
                committed_cells: 3,
                opened_columns: 4,
                trees: 5,
            }),
            samples: vec![sample(120, 1.0), sample(100, 2.0), sample(110, 4.0)],
            refused: None,
        };
        let row = Row::of(measurement.clone(), None);
        let costs = row.costs.unwrap();
        assert_eq!((costs.bytes, costs.json_bytes), (110.0, 330.0));
        assert_eq!((costs.cpu_seconds, costs.system_seconds), (2.5, Some(0.5)));
        assert_eq!(costs.spread, 20.0 / 110.0);
        assert_eq!(costs.parts[0].bytes, 110);
        let none = Measurement {
            samples: vec![],
            ..measurement
        };
        assert_eq!(Row::of(none, None).costs, None);
    }
}
