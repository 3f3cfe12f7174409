//! What is measured to fit the cost model to a machine, and the form in which the result is kept.

use std::fmt;
use std::fs;
use std::thread;

use matchmark_statement::{Cut, Profile, RelationDigest, SecurityLevel};
use serde::{Deserialize, Serialize};

use crate::cost::CostModel;
use crate::error::PlannerError;
use crate::reference;

/// Version of the calibration's form: another one when features are added or change.
pub const FORMAT: u32 = 3;
/// Name of the file in the cache folder.
pub const FILE_NAME: &str = "calibration.toml";

/// A chain of a synthetic trace that is proven and verified to measure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Query heads.
    pub query_heads: u32,
    /// Key/value heads.
    pub kv_heads: u32,
    /// Head dimension.
    pub head_dim: u32,
    /// Entries before the first step.
    pub prefix: u32,
    /// Steps of the chain.
    pub steps: u32,
    /// Steps of a segment.
    pub segment_steps: u32,
    /// Security level.
    pub level: SecurityLevel,
    /// Profile.
    pub profile: Profile,
    /// Whether a segment is one proof or two.
    pub cut: Cut,
}

const fn case(
    [query_heads, kv_heads, head_dim]: [u32; 3],
    [prefix, steps, segment_steps]: [u32; 3],
    level: SecurityLevel,
    profile: Profile,
    cut: Cut,
) -> Case {
    Case {
        query_heads,
        kv_heads,
        head_dim,
        prefix,
        steps,
        segment_steps,
        level,
        profile,
        cut,
    }
}

/// What is measured: about a minute on two slow cores. Heights from the smallest to 2^15 rows, all
/// blowups; the proof of work is random, and single proofs of `insecure-13`, which has next to none, and
/// chains of many proofs keep it apart from the rest.
pub const CASES: [Case; 17] = {
    use Cut::{Fused, Split};
    use Profile::{Compact, Fast};
    use SecurityLevel::{Conjectured100, Insecure13, Proven100};
    [
        case([4, 4, 8], [0, 8, 8], Insecure13, Compact, Fused),
        case([4, 4, 64], [2, 64, 64], Proven100, Compact, Fused),
        case([4, 4, 64], [2, 64, 64], Conjectured100, Fast, Fused),
        case([4, 4, 64], [2, 64, 64], Insecure13, Compact, Fused),
        case([4, 4, 64], [0, 128, 128], Conjectured100, Compact, Fused),
        case([4, 4, 64], [0, 128, 128], Proven100, Fast, Fused),
        case([4, 4, 64], [0, 128, 128], Insecure13, Compact, Fused),
        case([4, 4, 16], [0, 128, 128], Proven100, Compact, Fused),
        case([4, 4, 16], [0, 128, 128], Conjectured100, Fast, Fused),
        case([8, 2, 64], [16, 32, 32], Proven100, Compact, Fused),
        case([4, 4, 64], [0, 16, 1], Conjectured100, Fast, Fused),
        case([4, 4, 8], [0, 24, 1], Proven100, Compact, Fused),
        case([4, 4, 32], [0, 64, 8], Conjectured100, Compact, Fused),
        case([4, 4, 16], [0, 32, 1], Insecure13, Compact, Fused),
        case([4, 4, 64], [2, 64, 64], Proven100, Compact, Split),
        case([4, 4, 16], [0, 128, 128], Insecure13, Compact, Split),
        case([4, 4, 32], [0, 16, 1], Conjectured100, Compact, Split),
    ]
};

/// A cost model that was fitted to a machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Version of this form, [`FORMAT`].
    pub format: u32,
    /// Version of the program that was measured.
    pub version: String,
    /// The relation that was proven.
    pub relation: RelationDigest,
    /// The processor, as far as the system says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The model.
    pub model: CostModel,
}

/// What of a calibration has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// What it is: `"format"`, `"version"`, `"relation"`, `"processor"` or `"cores"`.
    pub what: &'static str,
    /// As it is now.
    pub expected: String,
    /// As it was measured.
    pub got: String,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            expected,
            got,
        } = self;
        write!(f, "it was made for {what} {got}, expected {expected}")
    }
}

/// Whether predictions of times and memory are those of this machine.
#[derive(Clone, Debug, PartialEq)]
pub enum CalibrationState {
    /// They are.
    Calibrated(Calibration),
    /// There is a calibration of something else, which is not used.
    Stale(Stale),
    /// There is none.
    Missing,
}

impl CalibrationState {
    /// The model to predict by: the calibration's, or else that of the reference machine with the cores
    /// of this one, on which it depends how many segments are in memory at a time.
    #[must_use]
    pub fn model(&self) -> CostModel {
        match self {
            Self::Calibrated(calibration) => calibration.model,
            Self::Stale(_) | Self::Missing => CostModel {
                cores: cores(),
                ..reference::MODEL
            },
        }
    }

    /// Whether the model was fitted to this machine.
    #[must_use]
    pub fn is_calibrated(&self) -> bool {
        matches!(self, Self::Calibrated(_))
    }
}

impl Calibration {
    /// A model that was fitted just now, by this program on this machine.
    #[must_use]
    pub fn of_this_machine(model: CostModel) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            relation: matchmark_air::RELATION_DIGEST,
            processor: processor(),
            model,
        }
    }

    /// What is kept, as TOML.
    ///
    /// # Errors
    ///
    /// [`PlannerError::NoCalibration`], for no calibration that is known.
    pub fn to_toml(&self) -> Result<String, PlannerError> {
        toml::to_string(self).map_err(|error| no_calibration(&error))
    }

    /// Reads what was kept, and says whether it is of use here. A calibration of another version of the
    /// form, which may look like anything, is stale and not malformed.
    ///
    /// # Errors
    ///
    /// [`PlannerError::NoCalibration`] if it is malformed, or if a coefficient is not a number that a
    /// coefficient can be.
    pub fn read(text: &str) -> Result<CalibrationState, PlannerError> {
        let table: toml::Table = text.parse().map_err(|error| no_calibration(&error))?;
        let Some(format) = table.get("format").and_then(toml::Value::as_integer) else {
            return Err(no_calibration(&"it has no `format`"));
        };
        if format != i64::from(FORMAT) {
            return Ok(CalibrationState::Stale(Stale {
                what: "format",
                expected: FORMAT.to_string(),
                got: format.to_string(),
            }));
        }
        let calibration: Self = table.try_into().map_err(|error| no_calibration(&error))?;
        if !calibration.model.is_sound() {
            return Err(no_calibration(
                &"a coefficient is negative or not finite, or there are no cores",
            ));
        }
        Ok(
            match calibration.difference(&Self::of_this_machine(calibration.model), cores()) {
                Some(stale) => CalibrationState::Stale(stale),
                None => CalibrationState::Calibrated(calibration),
            },
        )
    }

    /// What is different from a calibration that would be made now, on so many cores.
    fn difference(&self, now: &Self, cores: u32) -> Option<Stale> {
        let Self {
            format: _,
            version,
            relation,
            processor,
            model,
        } = self;
        let shown = |processor: &Option<String>| processor.clone().unwrap_or("unknown".to_owned());
        [
            ("version", now.version.clone(), version.clone()),
            ("relation", now.relation.to_string(), relation.to_string()),
            ("processor", shown(&now.processor), shown(processor)),
            ("cores", cores.to_string(), model.cores.to_string()),
        ]
        .into_iter()
        .find(|(_, expected, got)| expected != got)
        .map(|(what, expected, got)| Stale {
            what,
            expected,
            got,
        })
    }
}

fn no_calibration(error: &dyn fmt::Display) -> PlannerError {
    PlannerError::NoCalibration {
        reason: error.to_string().trim_end().to_owned(),
    }
}

/// Cores of this machine that a process can use.
#[must_use]
pub fn cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    u32::try_from(cores).unwrap_or(u32::MAX)
}

/// The processor's name. `None` where the system does not say.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start().strip_prefix(':')?.trim().to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn now() -> Calibration {
        Calibration::of_this_machine(CostModel {
            cores: cores(),
            ..reference::MODEL
        })
    }

    #[test]
    fn read_gives_back_what_was_written() {
        let text = now().to_toml().unwrap();
        assert_eq!(
            Calibration::read(&text).unwrap(),
            CalibrationState::Calibrated(now())
        );
    }

    #[test]
    fn what_was_made_for_something_else_is_stale() {
        let mut others = vec![];
        let mut other = now();
        other.version = "0.0.0".to_owned();
        others.push(("version", other));
        let mut other = now();
        other.relation = RelationDigest::from_bytes([7; 32]);
        others.push(("relation", other));
        let mut other = now();
        other.processor = Some("an abacus".to_owned());
        others.push(("processor", other));
        let mut other = now();
        other.model.cores += 1;
        others.push(("cores", other));
        for (what, other) in others {
            let state = Calibration::read(&other.to_toml().unwrap()).unwrap();
            let CalibrationState::Stale(stale) = &state else {
                panic!("{what}: {state:?}");
            };
            assert_eq!(stale.what, what);
            assert_eq!(state.model(), now().model);
        }
        // Of another form nothing else is read.
        assert!(matches!(
            Calibration::read("format = 99\nx = 1\n").unwrap(),
            CalibrationState::Stale(Stale { what: "format", .. })
        ));
    }

    #[test]
    fn malformed() {
        let good = now().to_toml().unwrap();
        for bad in [
            "",
            "format",
            "format = \"1\"",
            "format = 3",
            &good[..good.len() / 2],
            &format!("{good}more = 1\n"),
            &good.replace("cores = ", "cores = -"),
            &good.replace("memory = [", "memory = [nan, "),
        ] {
            assert!(
                matches!(
                    Calibration::read(bad),
                    Err(PlannerError::NoCalibration { .. })
                ),
                "{bad}"
            );
        }
        let mut negative = now();
        negative.model.verify[0] = -1.0;
        let text = negative.to_toml().unwrap();
        assert!(Calibration::read(&text).is_err());
        negative.model.verify[0] = f64::NAN;
        assert!(Calibration::read(&negative.to_toml().unwrap()).is_err());
    }
}
