//! What the planner says of configurations, asked through the command.

use serde_json::Value;

use crate::failure::Failure;
use crate::matchmark::{words, Matchmark};
use crate::pressure::command::number;
use crate::pressure::data::{Configuration, Prediction};

/// Predictions, and whether they are from a calibration of this machine.
///
/// # Errors
/// A plan that fails, or that does not have the configuration among its candidates.
pub fn all(
    matchmark: &Matchmark,
    configurations: &[Configuration],
) -> Result<(Vec<Prediction>, bool), Failure> {
    let mut predictions = Vec::with_capacity(configurations.len());
    let mut calibrated = !configurations.is_empty();
    for configuration in configurations {
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
        predictions.push(of(&outcome.json, configuration)?);
        calibrated &= outcome.json["calibrated"] == true;
    }
    Ok((predictions, calibrated))
}

/// The candidate that is the configuration.
fn of(plan: &Value, configuration: &Configuration) -> Result<Prediction, Failure> {
    let candidates = plan["candidates"].as_array();
    let candidate = candidates.and_then(|candidates| {
        candidates.iter().find(|one| {
            one["boundary"] == configuration.boundary.name()
                && one["segment_steps"] == configuration.shape.segment_steps
                && one["profile"] == "compact"
        })
    });
    let Some(candidate) = candidate else {
        return Err(Failure::failed(format!(
            "expected a plan with {configuration:?} among its candidates, got none"
        )));
    };
    Ok(Prediction {
        configuration: configuration.clone(),
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
    use crate::pressure::data::{Boundary, Level};
    use crate::pressure::rows::{configuration, BASE};

    #[test]
    fn the_candidate_that_was_measured_is_taken() {
        let candidate = |boundary: &str, steps: u32, profile: &str, bytes: u64| {
            json!({"boundary": boundary, "segment_steps": steps, "profile": profile, "bytes": bytes,
                "cpu_seconds": 1.5, "memory_bytes": 7, "verify_ms": 2})
        };
        let plan = json!({"candidates": [
            candidate("fused", 64, "fast", 1),
            candidate("split", 64, "compact", 2),
            candidate("fused", 32, "compact", 3),
            candidate("fused", 64, "compact", 4),
        ]});
        let it = configuration(BASE, Level::Conjectured100, Boundary::Fused);
        let prediction = of(&plan, &it).unwrap();
        assert_eq!((prediction.bytes, prediction.cpu_seconds), (4.0, 1.5));
        let mut other = it;
        other.shape.segment_steps = 16;
        assert!(of(&plan, &other).is_err());
        assert!(of(&json!({}), &other).is_err());
    }
}
