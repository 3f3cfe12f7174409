//! What larger decoders would cost, by the fitted cost model, and what stands in their way.

use std::fmt::Write as _;

use serde_json::Value;

use super::breakdown::{cells, number};
use super::cases::WANTED_STEPS;
use super::measure::{Larger, Measured};
use crate::statistics::{largest, median};
use matchmark_tools::failure::Failure;
use matchmark_tools::table::{thousands, Table};

/// What the tables are.
const INTRODUCTION: &str = "An extrapolation, not a measurement, unless a row says otherwise. The layouts of \
     these shapes are exact: rows, columns and cells follow from the shape, and so do the expected bytes \
     of a proof. Time and memory are those of the cost model of `matchmark plan` (sums of counts of \
     butterflies, evaluations, hashed points and cells, with coefficients that are not negative), fitted \
     to the decoder segments of the first table, whose weights are the trained ones or drawn at random: \
     cost does not depend on values. Nobody trained or evaluated a model of the larger shapes here.";

/// The whole section.
pub fn section(larger: &Larger, machine_bytes: Option<f64>) -> Result<String, Failure> {
    let mut text = format!("{INTRODUCTION}\n\n");
    text.push_str(&fit(larger)?.to_markdown());
    let _ = write!(text, "\n{}\n\n", per_weight(larger)?);
    text.push_str(&predicted(larger)?.to_markdown());
    let _ = write!(
        text,
        "\nWhat stands in the way:\n\n{}",
        obstacles(larger, machine_bytes)?
    );
    Ok(text)
}

fn fit(larger: &Larger) -> Result<Table, Failure> {
    let mut table = Table::new(&[
        "segment",
        "profile",
        "weights",
        "cells",
        "time",
        "fitted",
        "memory",
        "fitted",
        "verifying",
        "fitted",
    ]);
    let fitted = larger.predictions["fitted"].as_array();
    let fitted = fitted.ok_or_else(|| Failure::failed("no fitted costs"))?;
    for ((name, profile, measured), fitted) in larger.fitted_to.iter().zip(fitted) {
        table.row(vec![
            name.clone(),
            profile.clone(),
            thousands(whole(number(measured.report(), "weights")?)),
            thousands(cells(measured.report(), None)?),
            seconds(measured.model_cpu()?),
            seconds(number(fitted, "cpu_seconds")?),
            gibibytes(largest(&measured.peak_bytes)),
            gibibytes(number(fitted, "memory_bytes")?),
            milliseconds(median(&measured.verify_ms)),
            milliseconds(number(fitted, "verify_ms")?),
        ]);
    }
    Ok(table)
}

/// What a weight costs where there are the most of them.
fn per_weight(larger: &Larger) -> Result<String, Failure> {
    let of = |measured: &Measured| number(measured.report(), "weights");
    let mut most: Option<(f64, &str, &Measured)> = None;
    for (name, _, measured) in &larger.fitted_to {
        let weights = of(measured)?;
        if most.is_none_or(|(so_far, ..)| weights > so_far) {
            most = Some((weights, name, measured));
        }
    }
    let (weights, name, measured) = most.ok_or_else(|| Failure::failed("nothing was measured"))?;
    let model = cells(measured.report(), Some("model"))?;
    let all = cells(measured.report(), None)?;
    #[allow(clippy::cast_precision_loss, reason = "cells are far below 2^52")]
    let (model, all) = (model as f64, all as f64);
    Ok(format!(
        "In the largest of them ({name}) the model's tree has {:.2} cells a weight, committing it once \
         takes {:.2} µs a weight, and a proof {:.2} µs a weight or {:.2} µs a cell of all trees. The time \
         is that of both caches' commitments and the proof.",
        model / weights,
        1e6 * median(&measured.model_seconds) / weights,
        1e6 * measured.model_cpu()? / weights,
        1e6 * measured.model_cpu()? / all,
    ))
}

fn predicted(larger: &Larger) -> Result<Table, Failure> {
    let mut table = Table::new(&[
        "decoder",
        "profile",
        "cache",
        "weights",
        "cells",
        "model's cells",
        "log rows",
        "proof",
        "time",
        "memory",
        "verifying",
        "",
    ]);
    for (index, (row, wanted)) in rows(larger)?.iter().zip(super::cases::WANTED).enumerate() {
        let (name, _, capacity, profile) = wanted;
        let mut line = vec![
            name.to_owned(),
            profile.to_owned(),
            capacity.to_string(),
            thousands(whole(number(row, "weights")?)),
        ];
        if let Some(refused) = row["refused"].as_str() {
            line.extend(std::iter::repeat_n(String::from("-"), 7));
            line.push(format!("refused: {refused}"));
            table.row(line);
            continue;
        }
        let counts = [
            thousands(cells(row, None)?),
            thousands(cells(row, Some("model"))?),
            number(row, "log_rows")?.to_string(),
        ];
        line.extend(counts.clone());
        line.extend(costs(
            number(row, "proof_bytes")?,
            number(row, "cpu_seconds")?,
            number(row, "memory_bytes")?,
            number(row, "verify_ms")?,
        ));
        line.push("predicted".to_owned());
        let head = line[..4].to_vec();
        table.row(line);
        if let (0, Some(check)) = (index, &larger.check) {
            let mut line = head;
            line.extend(counts);
            line.extend(costs(
                median(&check.proof_bytes),
                check.model_cpu()?,
                largest(&check.peak_bytes),
                median(&check.verify_ms),
            ));
            line.push("measured, not in the fit".to_owned());
            table.row(line);
        }
    }
    Ok(table)
}

fn costs(bytes: f64, cpu: f64, memory: f64, verify: f64) -> [String; 4] {
    [
        format!("{} bytes", thousands(whole(bytes))),
        seconds(cpu),
        gibibytes(memory),
        milliseconds(verify),
    ]
}

/// For every shape once: what its bounds leave.
fn obstacles(larger: &Larger, machine_bytes: Option<f64>) -> Result<String, Failure> {
    let mut text = String::new();
    let mut last = Value::Null;
    for row in rows(larger)? {
        let name = row["name"].as_str().unwrap_or_default();
        if row["shape"] == last {
            continue;
        }
        last = row["shape"].clone();
        let _ = writeln!(
            text,
            "- {name}, tokens in a segment: {}.",
            most(&row["most_steps"])
        );
        let _ = writeln!(
            text,
            "- {name}, tokens in the cache, in segments of {WANTED_STEPS}: {}.",
            most(&row["most_capacity"])
        );
        if let (Ok(memory), Some(machine)) = (number(row, "memory_bytes"), machine_bytes) {
            let _ = writeln!(
                text,
                "- {name}, memory in the first of its rows: {:.1} times that of the machine ({}).",
                memory / machine,
                gibibytes(machine),
            );
        }
    }
    text.push_str(
        "- Tokens in the cache are bounded by the attention's rounded numerators, which grow with them and \
         with the largest weight of the attention's table: a longer context needs a table with smaller \
         weights, hence coarser ones, or values of fewer bits, or numerators in two limbs.\n\
         - In all of them embedding and head are two matrices in the relation. A model that ties them \
         pays for one of them twice; sharing the cells would need one more use of the same columns.\n\
         - Heights: scores of the attention grow with tokens times cache, choices with tokens times \
         vocabulary, and a component is one table of rows. Past the largest height a segment has to be \
         shorter, or these components have to be cut into several of them.\n\
         - Memory: all columns of all trees are held at the blowup while one segment is proven. What is \
         past a machine's memory needs the profile `fast`, a prover that streams the model's tree from \
         disk, or a proof for each group of layers, joined as split segments are.\n",
    );
    Ok(text)
}

fn most(value: &Value) -> String {
    let most = format!(
        "{} is the largest power of two with a layout",
        value["most"]
    );
    match value["then"].as_str() {
        Some(error) => format!("{most}; the next one is refused: \"{error}\""),
        None => most,
    }
}

fn rows(larger: &Larger) -> Result<&Vec<Value>, Failure> {
    let rows = larger.predictions["predicted"].as_array();
    rows.ok_or_else(|| Failure::failed("no predicted costs"))
}

fn seconds(number: f64) -> String {
    format!("{number:.2} s")
}

fn milliseconds(number: f64) -> String {
    format!("{number:.1} ms")
}

fn gibibytes(bytes: f64) -> String {
    format!("{:.2} GiB", bytes / f64::from(1u32 << 30))
}

/// A count out of a report, or the nearest to an expectation.
fn whole(number: f64) -> u64 {
    // The cast saturates, and counts are far below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = number.round() as u64;
    count
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::cases::WANTED;
    use super::*;
    use serde_json::json;

    fn measured(weights: u64) -> Measured {
        let report = json!({
            "weights": weights,
            "parts": { "state before": 0.25, "state after": 0.25, "prove": 1.5 },
            "trees": [
                { "tree": "model", "columns": 2, "cells": 2 * weights },
                { "tree": "witness", "columns": 2, "cells": 3 * weights },
            ],
        });
        Measured {
            proof_bytes: vec![1000.0],
            peak_bytes: vec![f64::from(1u32 << 30)],
            verify_ms: vec![3.0],
            model_seconds: vec![4.0],
            reports: vec![report],
            ..Measured::default()
        }
    }

    fn larger() -> Larger {
        let predicted: Vec<Value> = WANTED
            .iter()
            .map(|(name, sizes, capacity, _)| {
                let mut row = json!({
                    "name": name, "shape": sizes.shape(1024), "weights": 1_000_000,

                    "most_steps": { "most": 64, "then": "too high" },
                    "most_capacity": { "most": 256, "then": null },
                });
                if *capacity > 512 {
                    row["refused"] = "too long".into();
                } else {
                    row["log_rows"] = 21.into();
                    row["trees"] = json!([{ "tree": "model", "columns": 1, "cells": 7 }]);
                    row["proof_bytes"] = 2000.4.into();
                    row["cpu_seconds"] = 10.0.into();
                    row["memory_bytes"] = f64::from(1u32 << 31).into();
                    row["verify_ms"] = 5.0.into();
                }
                row
            })
            .collect();
        Larger {
            fitted_to: vec![
                ("small".to_owned(), "fast".to_owned(), measured(1000)),
                (
                    "large".to_owned(),
                    "balanced".to_owned(),
                    measured(1_000_000),
                ),
            ],
            predictions: json!({
                "fitted": [
                    { "cpu_seconds": 1.0, "memory_bytes": 1.0, "verify_ms": 1.0 },
                    { "cpu_seconds": 2.0, "memory_bytes": 1.0, "verify_ms": 1.0 },
                ],
                "predicted": predicted,
            }),
            check: Some(measured(1_000_000)),
        }
    }

    #[test]
    fn what_was_measured_stands_beside_what_was_predicted() {
        let table = predicted(&larger()).unwrap();
        let rows = table.rows();
        assert_eq!(rows.len(), WANTED.len() + 1);
        let last = |row: usize| rows[row].last().unwrap().as_str();
        assert_eq!(
            (last(0), last(1)),
            ("predicted", "measured, not in the fit")
        );
        assert_eq!(
            rows[0][7..11],
            ["2,000 bytes", "10.00 s", "2.00 GiB", "5.0 ms"]
        );
        assert_eq!(
            rows[1][7..11],
            ["1,000 bytes", "2.00 s", "1.00 GiB", "3.0 ms"]
        );
        assert_eq!(rows[0][..7], rows[1][..7]);
        assert!(rows
            .iter()
            .any(|row| row.last().unwrap() == "refused: too long"));
    }

    #[test]
    fn the_largest_segment_gives_what_a_weight_costs() {
        let text = per_weight(&larger()).unwrap();
        assert!(text.contains("(large)"));
        assert!(text.contains("2.00 cells a weight"));
        assert!(
            text.contains("takes 4.00 µs a weight, and a proof 2.00 µs a weight or 0.40 µs a cell")
        );
    }

    #[test]
    fn every_shape_has_its_obstacles_once() {
        let text = obstacles(&larger(), Some(f64::from(1u32 << 30))).unwrap();
        assert_eq!(text.matches("tokens in a segment").count(), 3);
        assert_eq!(text.matches("refused: \"too high\"").count(), 3);
        assert_eq!(
            text.matches("2.0 times that of the machine (1.00 GiB)")
                .count(),
            3
        );
    }

    #[test]
    fn the_tables_of_the_fit_have_a_row_for_each_segment() {
        assert_eq!(fit(&larger()).unwrap().rows().len(), 2);
        assert!(section(&larger(), None).unwrap().contains("extrapolation"));
    }
}
