//! The cost model: processor time and memory of proving, time of verifying.

use serde::{Deserialize, Serialize};

use crate::fit::non_negative;
use crate::work::{ChainWork, MEMORY_FEATURES, PROVE_FEATURES, VERIFY_FEATURES};

/// What a chain costs, predicted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// Processor time of the proving process, in seconds.
    pub cpu_seconds: f64,
    /// Largest resident set of the proving process, in bytes.
    pub memory_bytes: f64,
    /// Time that the verifying process reports, in milliseconds.
    pub verify_ms: f64,
}

/// Costs as sums of features with coefficients that are not negative. The features are those of
/// [`ChainWork`], in its order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostModel {
    /// Cores of the machine: segments that it proves at a time, or threads for one.
    pub cores: u32,
    /// Seconds of processor time for each feature of [`ChainWork::prove`].
    pub prove: [f64; PROVE_FEATURES],
    /// Bytes for each feature of [`ChainWork::memory`].
    pub memory: [f64; MEMORY_FEATURES],
    /// Milliseconds for each feature of [`ChainWork::verify`].
    pub verify: [f64; VERIFY_FEATURES],
}

fn sum<const N: usize>(coefficients: &[f64; N], features: &[f64; N]) -> f64 {
    let products = coefficients.iter().zip(features).map(|(a, b)| a * b);
    products.sum()
}

impl CostModel {
    /// The model that explains measured costs best, on a machine with so many cores.
    #[must_use]
    pub fn fit(measured: &[(ChainWork, Costs)], cores: u32) -> Self {
        fn rows<const N: usize>(
            measured: &[(ChainWork, Costs)],
            features: impl Fn(&ChainWork) -> [f64; N],
            cost: fn(&Costs) -> f64,
        ) -> Vec<([f64; N], f64)> {
            let rows = measured.iter();
            rows.map(|(work, costs)| (features(work), cost(costs)))
                .collect()
        }
        Self {
            cores,
            prove: non_negative(&rows(measured, |w| w.prove(cores), |c| c.cpu_seconds)),
            memory: non_negative(&rows(measured, |w| w.memory(cores), |c| c.memory_bytes)),
            verify: non_negative(&rows(measured, ChainWork::verify, |c| c.verify_ms)),
        }
    }

    /// What a chain will cost. Memory is that of a machine that has enough: where it runs short, fewer
    /// segments are proven at a time, in less memory and more time.
    #[must_use]
    pub fn predict(&self, work: &ChainWork) -> Costs {
        Costs {
            cpu_seconds: sum(&self.prove, &work.prove(self.cores)),
            memory_bytes: sum(&self.memory, &work.memory(self.cores)),
            verify_ms: sum(&self.verify, &work.verify()),
        }
    }

    /// Whether every number can be a coefficient: finite and not negative.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let Self {
            cores,
            prove,
            memory,
            verify,
        } = self;
        let mut all = prove.iter().chain(memory).chain(verify);
        *cores > 0 && all.all(|number| number.is_finite() && *number >= 0.0)
    }
}
