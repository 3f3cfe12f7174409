//! Where cells and processor time are, by component.

use matchmark_air::describe::describe_segment;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::trees::Tree;
use serde_json::{json, Value};

use super::phases::{Phase, CONSTRAINTS, EXTENSION};

/// Rows, cells by tree (those of the preprocessed tree apart, which components share) and the time of
/// evaluating its constraints, for every component.
pub fn components(layout: &SegmentLayout, entries_before: usize, phases: &[Phase]) -> Value {
    let seconds = of_constraints(phases);
    let descriptions = describe_segment(layout, entries_before);
    // The library evaluates one component after the other.
    let timed = seconds.len() == descriptions.len();
    let rows = descriptions.iter().enumerate().map(|(index, component)| {
        let trees = component.columns.iter();
        let cells: Vec<Value> = trees
            .filter(|(tree, _)| *tree != Tree::Preprocessed)
            .map(|(tree, columns)| {
                json!({
                    "tree": tree.name(),
                    "columns": columns,
                    "cells": (*columns as u64) << component.log_rows,
                })
            })
            .collect();
        json!({
            "component": component.name,
            "log_rows": component.log_rows,
            "constraints": component.constraints.len(),
            "trees": cells,
            "constraint_seconds": timed.then(|| seconds[index]),
        })
    });
    Value::Array(rows.collect())
}

/// Seconds of the constraints of each component, the extension of its columns included.
fn of_constraints(phases: &[Phase]) -> Vec<f64> {
    let mut seconds = vec![];
    let mut extension = 0.0;
    for phase in phases {
        if phase.name == EXTENSION {
            extension += phase.seconds;
        } else if phase.name == CONSTRAINTS {
            seconds.push(phase.seconds + extension);
            extension = 0.0;
        }
    }
    seconds
}
