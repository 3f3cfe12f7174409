//! `predict`: fits the cost model to measured segments, and says what larger decoders would cost.

use matchmark_air::layout::SegmentLayout;
use matchmark_graph::ModelShape;
use matchmark_planner::bytes::ProofBytes;
use matchmark_planner::fit::non_negative;
use matchmark_statement::{Profile, Security, SecurityLevel};
use matchmark_verifier::structure::ProofStructure;
use serde::Deserialize;
use serde_json::{json, Value};

use super::layouts::{arithmetic, features, layout, trees};
use super::Failure;

/// What was measured, and what is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Predict {
    measured: Vec<Measured>,
    wanted: Vec<Wanted>,
    cores: u32,
}

/// A measured segment: features as `segment` prints them, and its costs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Measured {
    prove: [f64; 6],
    memory: [f64; 4],
    verify: [f64; 4],
    cpu_seconds: f64,
    memory_bytes: f64,
    verify_ms: f64,
}

/// A segment of a decoder: its cache holds `capacity` tokens at the end of the chain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    name: String,
    shape: ModelShape,
    steps: u32,
    capacity: u32,
    level: SecurityLevel,
    profile: Profile,
}

fn product<const N: usize>(coefficients: &[f64; N], features: &[f64; N]) -> f64 {
    let products = coefficients.iter().zip(features).map(|(a, b)| a * b);
    products.sum()
}

/// Fits and predicts.
pub fn run(request: &Predict) -> Result<Value, Failure> {
    let measured = &request.measured;
    let rows = |cost: fn(&Measured) -> f64| measured.iter().map(cost);
    let fit_prove: Vec<_> = measured.iter().map(|it| it.prove).collect();
    let fit_memory: Vec<_> = measured.iter().map(|it| it.memory).collect();
    let fit_verify: Vec<_> = measured.iter().map(|it| it.verify).collect();
    let prove = non_negative(&zip(fit_prove, rows(|it| it.cpu_seconds)));
    let memory = non_negative(&zip(fit_memory, rows(|it| it.memory_bytes)));
    let verify = non_negative(&zip(fit_verify, rows(|it| it.verify_ms)));
    let fitted: Vec<Value> = measured
        .iter()
        .map(|it| {
            json!({
                "cpu_seconds": product(&prove, &it.prove),
                "memory_bytes": product(&memory, &it.memory),
                "verify_ms": product(&verify, &it.verify),
            })
        })
        .collect();
    let mut predicted = vec![];
    for wanted in &request.wanted {
        let arithmetic = arithmetic(&wanted.shape)?;
        let at = |capacity, steps| layout(&wanted.shape, *arithmetic.terms(), capacity, steps);
        let mut row = json!({
            "name": wanted.name,
            "shape": wanted.shape,
            "weights": wanted.shape.weights(),
            "steps": wanted.steps,
            "capacity": wanted.capacity,
            "most_steps": most(|steps| at(steps.max(wanted.capacity), steps)),
            "most_capacity": most(|capacity| at(capacity.max(wanted.steps), wanted.steps)),
        });
        match at(wanted.capacity, wanted.steps) {
            Err(error) => row["refused"] = error.to_string().into(),
            Ok(layout) => {
                let security = Security::new(wanted.level, wanted.profile)?;
                let structure = ProofStructure::new(&layout, security)?;
                let features = features(&layout, security, request.cores)?;
                row["log_rows"] = layout.max_log_rows().into();
                row["trees"] = trees(&structure);
                row["tuples"] = structure.tuples().into();
                row["proof_bytes"] = ProofBytes::expected(&structure).by_part.total().into();
                row["cpu_seconds"] = product(&prove, &features.prove).into();
                row["memory_bytes"] = product(&memory, &features.memory).into();
                row["verify_ms"] = product(&verify, &features.verify).into();
            }
        }
        predicted.push(row);
    }
    Ok(json!({ "fitted": fitted, "predicted": predicted }))
}

fn zip<const N: usize>(
    features: Vec<[f64; N]>,
    costs: impl Iterator<Item = f64>,
) -> Vec<([f64; N], f64)> {
    features.into_iter().zip(costs).collect()
}

/// The largest power of two for which there is a layout, and what ends it.
fn most(layout: impl Fn(u32) -> Result<SegmentLayout, Failure>) -> Value {
    let mut most = 0;
    for log in 0..=20 {
        match layout(1 << log) {
            Ok(_) => most = 1 << log,
            Err(error) => return json!({ "most": most, "then": error.to_string() }),
        }
    }
    json!({ "most": most, "then": null })
}
