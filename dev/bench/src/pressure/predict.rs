//! What the planner says of configurations, asked through the command.

use serde_json::Value;

use crate::pressure::command::number;
use crate::pressure::data::Configuration;
use crate::pressure::summary::Prediction;
use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::{words, Matchmark};

/// The prediction for a configuration, and whether it is from a calibration of this machine.
///
/// # Errors
/// A plan that fails, or that does not have the configuration among its candidates.
pub fn of(
    matchmark: &Matchmark,
    configuration: &Configuration,
) -> Result<(Prediction, bool), Failure> {
    let shape = &configuration.shape;
    let [heads, kv_heads, head_dim, prefix, steps] = [
        shape.heads,
        shape.kv_heads,
        shape.head_dim,
        shape.prefix,
        shape.steps,
    ]
    .map(|number| number.to_string());
    let outcome = matchmark.json(words(&[
        &"plan",
        &"--heads",
        &heads,
        &"--kv-heads",
        &kv_heads,
        &"--head-dim",
        &head_dim,
        &"--prefix",
        &prefix,
        &"--steps",
        &steps,
        &"--security",
        &configuration.level.name(),
        &"--objective",
        &"bytes",
    ]))?;
    if outcome.code != 0 {
        let message = &outcome.json["error"]["message"];
        return Err(Failure {
            code: outcome.code,
            message: Some(format!("matchmark plan: {message}")),
        });
    }
    let prediction = candidate(&outcome.json, configuration)?;
    Ok((prediction, outcome.json["calibrated"] == true))
}

/// The candidate that is the configuration.
fn candidate(plan: &Value, configuration: &Configuration) -> Result<Prediction, Failure> {
    let candidates = plan["candidates"].as_array();
    let found = candidates.and_then(|candidates| {
        candidates.iter().find(|one| {
            one["cut"] == configuration.cut.name()
                && one["segment_steps"] == configuration.shape.segment_steps
                && one["profile"] == "compact"
        })
    });
    let Some(candidate) = found else {
        return Err(Failure::failed(format!(
            "expected a plan with {configuration:?} among its candidates, got none"
        )));
    };
    Ok(Prediction {
        bytes: number(candidate, "bytes")?,
        cpu_seconds: number(candidate, "cpu_seconds")?,
        memory_bytes: number(candidate, "memory_bytes")?,
        verify_ms: number(candidate, "verify_ms")?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pressure::data::{Cut, Level};
    use crate::pressure::rows::{configuration, BASE};

    #[test]
    fn the_candidate_that_was_measured_is_taken() {
        let listed = |cut: &str, steps: u32, profile: &str, bytes: u64| {
            json!({"cut": cut, "segment_steps": steps, "profile": profile, "bytes": bytes,
                "cpu_seconds": 1.5, "memory_bytes": 7, "verify_ms": 2})
        };
        let plan = json!({"candidates": [
            listed("fused", 64, "fast", 1),
            listed("split", 64, "compact", 2),
            listed("fused", 32, "compact", 3),
            listed("fused", 64, "compact", 4),
        ]});
        let it = configuration(BASE, Level::Conjectured100, Cut::Fused);
        let prediction = candidate(&plan, &it).unwrap();
        assert_eq!((prediction.bytes, prediction.cpu_seconds), (4.0, 1.5));
        let mut other = it;
        other.shape.segment_steps = 16;
        assert!(candidate(&plan, &other).is_err());
        assert!(candidate(&json!({}), &other).is_err());
    }
}
