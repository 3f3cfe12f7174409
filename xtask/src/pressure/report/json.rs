//! The report for machines: a summary of every configuration, the figures and the predictions.

use serde_json::{json, Value};

use crate::pressure::data::{Measurement, NamedSizes, ProofSizes, Report};
use crate::pressure::report::analysis::{figures, Medians};

/// Version of the object's form.
const FORMAT: u32 = 1;

/// Everything but single samples.
pub fn summary(report: &Report) -> Value {
    let figures: Vec<Value> = figures(report)
        .iter()
        .map(|figure| {
            // What was not measured is null, as JSON has no NaN.
            let values = figure.values.iter();
            json!({
                "name": figure.name,
                "values": values.map(|(of, value)| json!({"of": of, "value": value})).collect::<Vec<_>>(),
                "bound": figure.bound,
                "verdict": figure.verdict().name(),
                "reason": figure.reason,
            })
        })
        .collect();
    let rows: Vec<Value> = report.measurements.iter().map(row).collect();
    json!({
        "format": FORMAT,
        "version": report.version,
        "relation_digest": report.relation_digest,
        "machine": report.machine,
        "proofs_asked_for": report.proofs,
        "quick": report.quick,
        "figures": figures,
        "rows": rows,
        "predictions": {
            "calibrated": report.calibrated,
            "rows": report.predictions,
        },
    })
}

/// A configuration: counts, and medians over its samples.
fn row(measurement: &Measurement) -> Value {
    let mut object = json!({ "configuration": measurement.configuration });
    if let Some(reason) = &measurement.refused {
        object["refused"] = json!(reason);
    }
    let Some(it) = Medians::of(measurement) else {
        return object;
    };
    let bytes = measurement.samples.iter().map(|sample| sample.proof_bytes);
    object["counts"] = json!(it.counts);
    object["proofs"] = json!(it.proofs);
    object["median"] = json!({
        "bytes": it.bytes,
        "json_bytes": it.json_bytes,
        "cpu_seconds": it.cpu_seconds,
        "memory_bytes": it.memory_bytes,
        "verify_ms": it.verify_ms,
    });
    object["bytes_range"] = json!([bytes.clone().min(), bytes.max()]);
    object["spread"] = json!(it.spread);
    // The proofs of the sample with the median bytes.
    let proofs = it.typical().proofs.iter();
    object["typical"] = proofs.map(proof).collect();
    object
}

fn proof(it: &ProofSizes) -> Value {
    let by_name = |list: &[NamedSizes]| -> Vec<Value> {
        let sizes = list.iter();
        sizes
            .map(|it| {
                json!([
                    it.name,
                    it.columns,
                    it.samples,
                    it.queried_values,
                    it.merkle_paths
                ])
            })
            .collect()
    };
    json!({
        "part": it.part,
        "bytes": it.bytes,
        "samples": it.samples,
        "queried_values": it.queried_values,
        "merkle_paths": it.merkle_paths,
        "low_degree": it.low_degree,
        "rest": it.rest,
        "queries": it.queries,
        "log_domain": it.log_domain,
        // Name, columns, then bytes: samples, queried values, Merkle paths.
        "trees": by_name(&it.trees),
        "components": by_name(&it.components),
    })
}
