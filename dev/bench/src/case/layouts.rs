//! What follows from a shape alone: arithmetic, layout and the features of the cost model.

use matchmark_air::layout::{LayoutError, SegmentLayout};
use matchmark_graph::{ArithmeticTerms, ModelArithmetic, ModelShape};
use matchmark_models::synthetic_arithmetic;
use matchmark_planner::work::{ChainWork, PartWork};
use matchmark_quant::{CacheCapacity, Rounding, SegmentSteps, ValueBits};
use matchmark_runtime::TableResolution;
use matchmark_statement::{Security, SegmentShape};
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::BelowLevel;
use serde::Serialize;
use serde_json::{json, Value};

use super::Failure;

/// Arithmetic for a shape at the usual width of values. Norms of rows are those of weights that are not drawn
/// yet: zero.
pub fn arithmetic(shape: &ModelShape) -> Result<ModelArithmetic, Failure> {
    let bits = ValueBits::new(ModelArithmetic::DEFAULT_VALUE_BITS)?;
    Ok(synthetic_arithmetic(*shape, bits)?)
}

/// The layout of a segment of `steps` tokens in a chain of `capacity`, all of whose segments are as long.
pub fn layout(
    shape: &ModelShape,
    arithmetic: ArithmeticTerms,
    capacity: u32,
    steps: u32,
) -> Result<SegmentLayout, Failure> {
    let attention = shape.all_layers_attention();
    let segment = SegmentShape::new(
        attention,
        CacheCapacity::new(capacity)?,
        SegmentSteps::new(steps)?,
    )?;
    let bits = arithmetic.value_bits();
    let table = TableResolution::for_bits(bits)?.table()?;
    let with_decoder = || -> Result<SegmentLayout, LayoutError> {
        SegmentLayout::new(
            segment,
            steps as usize,
            bits,
            arithmetic.score_step(),
            Rounding::NearestTiesUp,
            table.bounds(),
        )?
        .with_decoder(*shape, arithmetic)
    };
    Ok(with_decoder()?)
}

/// The features of the cost model, for one segment within a chain: the trees of model and selectors are
/// there already, both caches are committed.
#[derive(Serialize)]
pub struct Features {
    pub prove: [f64; 6],
    pub memory: [f64; 4],
    pub verify: [f64; 4],
}

/// The features of a segment of this layout.
pub fn features(
    layout: &SegmentLayout,
    security: Security,
    cores: u32,
) -> Result<Features, BelowLevel> {
    let work = ChainWork {
        parts: vec![PartWork {
            count: 1,
            structures: ProofStructure::all(layout, security)?,
            // A decoder's public values are tokens, not columns.
            public_rows: 0,
        }],
        segments: 1,
        lengths: 0,
    };
    Ok(Features {
        prove: work.prove(cores),
        memory: work.memory(cores),
        verify: work.verify(),
    })
}

/// Cells and columns by commitment tree.
pub fn trees(structure: &ProofStructure) -> Value {
    let tallest = structure.lifting_log_size() - structure.parameters().log_blowup;
    let rows = structure.trees().iter().enumerate().map(|(index, tree)| {
        let columns = structure.samples()[index].len();
        // The composition's columns, which no list holds, are as high as the tallest component.
        let cells = match structure.column_log_sizes().get(index) {
            Some(logs) => logs.iter().map(|log| 1_u64 << log).sum(),
            None => (columns as u64) << tallest,
        };
        json!({ "tree": tree.name(), "columns": columns, "cells": cells })
    });
    Value::Array(rows.collect())
}
