//! From floats to integers.
//!
//! Everything is deterministic: the same folder and the same calibration text give the same model, byte
//! for byte, on every machine.

mod calibrate;
mod choice;
mod fold;
mod report;
mod scales;
mod weights;

use matchmark_quant::{AccumulatorBounds, ScoreStep, ValueBits};
use matchmark_runtime::TableResolution;
use matchmark_tables::RsqrtTable;

use crate::floats::{activation_table, rotary_table};
use crate::{
    execute_float, FloatModel, IntegerModel, LayerWeights, ModelError, ModelParts, ModelTables,
};

pub use report::{ExcessReport, QuantizationReport};

use calibrate::Ranges;
use choice::Choice;
use fold::FoldedModel;

/// Quantizes a model. `calibration` are sequences of tokens from which the ranges of all intermediate
/// values are taken.
///
/// # Errors
/// [`ModelError`] for a sequence that the model cannot run, and if no scales meet the bounds on
/// accumulators.
pub fn quantize_model(
    model: &FloatModel,
    calibration: &[Vec<u32>],
    bits: ValueBits,
) -> Result<(IntegerModel, QuantizationReport), ModelError> {
    // Before anything runs: whatever score step comes of it, a cache that is too long stays so.
    AccumulatorBounds::new(
        &model.shape.attention(),
        model.shape.capacity(),
        bits,
        ScoreStep::new(ScoreStep::MIN)?,
        TableResolution::for_bits(bits)?.table()?.bounds(),
    )?;
    let mut ranges = Ranges::new(&model.shape);
    for tokens in calibration {
        ranges.include(&model.shape, &execute_float(model, tokens)?);
    }
    let folded = FoldedModel::new(model);
    let choice = Choice::new(model, &folded, &ranges, bits)?;
    let integer = assemble(model, &folded, &choice)?;
    let tokens = calibration.iter().map(Vec::len).sum();
    let report = QuantizationReport::new(&integer, tokens, &model.ignored);
    Ok((integer, report))
}

fn assemble(
    model: &FloatModel,
    folded: &FoldedModel,
    choice: &Choice,
) -> Result<IntegerModel, ModelError> {
    let shape = model.shape;
    let (hidden, mlp) = (shape.hidden(), shape.mlp());
    let (query, kv) = (shape.query_width(), shape.kv_width());
    let mut layers = Vec::with_capacity(shape.layers());
    for (weights, units) in folded.layers.iter().zip(&choice.units) {
        layers.push(LayerWeights {
            query: weights::quantize(&weights.query, query, hidden, units.query)?,
            key: weights::quantize(&weights.key, kv, hidden, units.key)?,
            value: weights::quantize(&weights.value, kv, hidden, units.value)?,
            output: weights::quantize(&weights.output, hidden, query, units.output)?,
            gate: weights::quantize(&weights.gate, mlp, hidden, units.gate)?,
            up: weights::quantize(&weights.up, mlp, hidden, units.up)?,
            down: weights::quantize(&weights.down, hidden, mlp, units.down)?,
        });
    }
    let vocabulary = shape.vocabulary();
    let head = weights::quantize(&folded.head, vocabulary, hidden, choice.head_unit)?;
    let scales = choice.scales.clone();
    let bits = choice.arithmetic.value_bits();
    IntegerModel::new(ModelParts {
        shape,
        arithmetic: choice.arithmetic,
        embedding: weights::quantize_embedding(&model.embedding, scales.embedding),
        layers,
        head,
        tables: ModelTables {
            weights: choice.table.table()?,
            rsqrt: RsqrtTable::new(),
            activation: activation_table(model.activation, bits, scales.gate, choice.activation)?,
            rotary: rotary_table(&shape, model.rope_theta)?,
        },
        scales,
        tokenizer: model.tokenizer.clone(),
    })
}
