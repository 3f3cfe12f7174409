//! Where cells and processor time of a segment are.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::measure::field;
use super::measure::Measured;
use crate::statistics::median;
use matchmark_tools::failure::Failure;
use matchmark_tools::table::{thousands, Table};

/// What has to be said beside the tables.
pub const NOTE: &str = "Cells are those of the trace, before the blowup; columns of the preprocessed tree, \
     which components share, are not in the table of components. The time of random linear combinations and lookups \
     includes making their columns; that of constraints the extension of columns where there is one. \
     Each time is the median of its own, so that they need not add up exactly.";

/// Trees that components have columns in, as they are called in reports and here.
const COMPONENT_TREES: [&str; 6] = [
    "model",
    "state before",
    "state after",
    "witness",
    "rlc",
    "lookups",
];

/// Processor time by phase, in the order of proving.
pub fn phases(measured: &Measured) -> Result<Table, Failure> {
    let span = |name| of_span(measured, name);
    let part = |name: &str| measured.median(&format!("/parts/{name}"));
    let constraints = span("Constraint point-wise eval") + span("Constraint Extension");
    let named = [
        ("execution of the integer model", part("execute")?),
        ("commitment of the cache afterwards", part("state after")?),
        ("witness: values of all columns", span("witness")),
        ("commitment of the witness", span("commit witness")),
        (
            "random linear combinations, and their commitment",
            span("commit rlc"),
        ),
        ("lookup sums, and their commitment", span("commit lookups")),
        ("composition: constraints", constraints),
        ("composition: commitment", span("Composition") - constraints),
        (
            "values out of the domain",
            span("Evaluate columns out of domain"),
        ),
        ("quotients", span("Compute FRI quotients")),
        ("proof of work", span("Grind")),
        (
            "low-degree test and openings",
            span("stark")
                - span("Composition")
                - span("Evaluate columns out of domain")
                - span("Compute FRI quotients")
                - span("Grind"),
        ),
    ];
    let all = median(&measured.cpu_seconds);
    let mut table = Table::new(&["phase", "processor time", "of all"]);
    for (name, seconds) in named.into_iter().chain([("all", all)]) {
        table.row(vec![
            name.to_owned(),
            seconds_of(seconds),
            format!("{:.1} %", 100.0 * seconds / all),
        ]);
    }
    Ok(table)
}

/// Columns and cells by commitment tree.
pub fn trees(measured: &Measured) -> Result<Table, Failure> {
    let mut table = Table::new(&["tree", "columns", "cells", "committed"]);
    for tree in list(measured.report(), "trees")? {
        let name = tree["tree"].as_str().unwrap_or_default();
        let committed = match name {
            "preprocessed" => "once for each number of tokens",
            "model" => "once for the model",
            "state before" => "with the segment before",
            _ => "with the segment",
        };
        table.row(vec![
            name.to_owned(),
            count(&tree["columns"]),
            count(&tree["cells"]),
            committed.to_owned(),
        ]);
    }
    Ok(table)
}

/// Rows, cells by tree and time of constraints, by component.
pub fn components(measured: &Measured) -> Result<Table, Failure> {
    let mut heading = vec!["component", "rows", "constraints"];
    heading.extend(COMPONENT_TREES);
    heading.extend(["all cells", "time of constraints"]);
    let mut table = Table::new(&heading);
    for (index, component) in list(measured.report(), "components")?.iter().enumerate() {
        let log_rows = component["log_rows"].as_u64().unwrap_or_default();
        let cells: BTreeMap<&str, u64> = list(component, "trees")?
            .iter()
            .map(|tree| {
                let name = tree["tree"].as_str().unwrap_or_default();
                (name, tree["cells"].as_u64().unwrap_or_default())
            })
            .collect();
        let mut row = vec![
            component["component"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            thousands(1 << log_rows),
            count(&component["constraints"]),
        ];
        row.extend(COMPONENT_TREES.iter().map(|tree| match cells.get(tree) {
            Some(cells) => thousands(*cells),
            None => String::new(),
        }));
        row.push(thousands(cells.values().sum()));
        let seconds = measured.median(&format!("/components/{index}/constraint_seconds"));
        row.push(seconds.map_or_else(|_| "-".to_owned(), seconds_of));
        table.row(row);
    }
    Ok(table)
}

/// The median over all proofs of the time in spans of this name.
fn of_span(measured: &Measured, name: &str) -> f64 {
    let sums = measured.reports.iter().map(|report| {
        let phases = report["phases"].as_array().into_iter().flatten();
        let named = phases.filter(|phase| phase["name"] == name);
        named.filter_map(|phase| phase["seconds"].as_f64()).sum()
    });
    median(&sums.collect::<Vec<f64>>())
}

/// All cells of a report's trees, or of one of them.
pub fn cells(report: &Value, only: Option<&str>) -> Result<u64, Failure> {
    let trees = list(report, "trees")?.iter();
    let wanted = trees.filter(|tree| only.is_none_or(|name| tree["tree"] == name));
    Ok(wanted.filter_map(|tree| tree["cells"].as_u64()).sum())
}

fn list<'a>(report: &'a Value, name: &str) -> Result<&'a Vec<Value>, Failure> {
    report[name]
        .as_array()
        .ok_or_else(|| Failure::failed(format!("no list of {name} in {report}")))
}

fn count(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), thousands)
}

fn seconds_of(seconds: f64) -> String {
    if seconds.is_nan() {
        return "-".to_owned();
    }
    // Differences of small numbers may be a hair below zero.
    format!("{:.3} s", seconds.max(0.0))
}

/// A number of a report, as a float.
pub fn number(report: &Value, name: &str) -> Result<f64, Failure> {
    field(report, &format!("/{name}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn measured() -> Measured {
        let report = json!({
            "parts": { "execute": 0.25, "state after": 0.125 },
            "phases": [
                { "name": "witness", "seconds": 0.5 },
                { "name": "Constraint Extension", "seconds": 0.25 },
                { "name": "Constraint point-wise eval", "seconds": 0.25 },
                { "name": "Constraint point-wise eval", "seconds": 0.5 },
                { "name": "Composition", "seconds": 1.5 },
                { "name": "Grind", "seconds": 0.5 },
                { "name": "stark", "seconds": 3.0 },
            ],
            "trees": [
                { "tree": "model", "columns": 3, "cells": 3072 },
                { "tree": "witness", "columns": 2, "cells": 64 },
            ],
            "components": [{
                "component": "linear", "log_rows": 10, "constraints": 4,
                "trees": [{ "tree": "model", "columns": 3, "cells": 3072 }],
                "constraint_seconds": 0.75,
            }],
        });
        Measured {
            cpu_seconds: vec![4.0],
            reports: vec![report],
            ..Measured::default()
        }
    }

    #[test]
    fn what_is_left_of_a_phase_is_shown() {
        let table = phases(&measured()).unwrap();
        let shown = |name| {
            let row = table.rows().iter().find(|row| row[0] == name).unwrap();
            (row[1].clone(), row[2].clone())
        };
        let pair = |seconds: &str, share: &str| (seconds.to_owned(), share.to_owned());
        assert_eq!(shown("composition: constraints"), pair("1.000 s", "25.0 %"));
        assert_eq!(shown("composition: commitment"), pair("0.500 s", "12.5 %"));
        assert_eq!(
            shown("low-degree test and openings"),
            pair("1.000 s", "25.0 %")
        );
        assert_eq!(shown("all"), pair("4.000 s", "100.0 %"));
    }

    #[test]
    fn cells_by_tree_and_component() {
        let measured = measured();
        assert_eq!(cells(measured.report(), None).unwrap(), 3136);
        assert_eq!(cells(measured.report(), Some("witness")).unwrap(), 64);
        assert_eq!(trees(&measured).unwrap().rows().len(), 2);
        let table = components(&measured).unwrap();
        let row = &table.rows()[0];
        assert_eq!(row[..4], ["linear", "1,024", "4", "3,072"]);
        assert_eq!(row[row.len() - 2..], ["3,072", "0.750 s"]);
    }
}
