//! From floats to integers.
//!
//! Everything is deterministic: the same folder and the same calibration text give the same model, byte
//! for byte, on every machine.

mod calibrate;
mod choice;
mod prepare;
mod report;
mod scales;
mod weights;

use matchmark_quant::{AccumulatorBounds, ScoreStep, ValueBits};
use matchmark_runtime::{KvCache, TableResolution};
use matchmark_tables::RsqrtTable;

use crate::floats::{activation_table, rotary_table, round_to_i32};
use crate::{
    execute_float, FloatExecution, FloatModel, IntegerModel, ModelError, ModelParts, ModelPrefix,
    ModelTables,
};

pub(crate) use prepare::prepare;
pub use report::{CoarseScale, ExcessReport, QuantizationReport};

use calibrate::Ranges;
use choice::Choice;

/// How a model is quantized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantizeOptions {
    /// Width of values.
    pub value_bits: ValueBits,
    /// Whether the residual stream is rotated, which spreads what a few channels hold over all of them.
    pub rotated: bool,
    /// The tokens before every text, which no step computes. Empty for none.
    pub prefix: Vec<u32>,
}

impl QuantizeOptions {
    /// Values of this width, a rotated stream, no prefix.
    #[must_use]
    pub const fn new(value_bits: ValueBits) -> Self {
        Self {
            value_bits,
            rotated: true,
            prefix: Vec::new(),
        }
    }
}

/// Quantizes a model. `calibration` are sequences of tokens, as they follow the prefix, from which the ranges of
/// all intermediate values are taken.
///
/// # Errors
/// [`ModelError`] for a prefix or a sequence that the model cannot run, and if no scales meet the bounds on
/// accumulators.
pub fn quantize_model(
    model: &FloatModel,
    calibration: &[Vec<u32>],
    options: &QuantizeOptions,
) -> Result<(IntegerModel, QuantizationReport), ModelError> {
    let bits = options.value_bits;
    // Before anything runs: whatever score step comes of it, a cache that is too long stays so.
    AccumulatorBounds::new(
        &model.shape.attention(),
        model.shape.capacity(),
        bits,
        ScoreStep::new(ScoreStep::MIN)?,
        TableResolution::for_bits(bits)?.table()?.bounds(),
    )?;
    let (positions, got) = (model.shape.positions(), options.prefix.len());
    if got >= positions {
        return Err(ModelError::PrefixTooLong { positions, got });
    }
    let model = &prepare(model, options.rotated);
    let mut ranges = Ranges::new(&model.shape);
    for tokens in calibration {
        let tokens = [options.prefix.as_slice(), tokens].concat();
        let run = execute_float(model, &tokens)?;
        ranges.include(&run, options.prefix.len(), tokens.len());
    }
    let choice = Choice::new(model, &ranges, bits, options.rotated)?;
    let integer = assemble(model, &choice, options)?;
    let tokens = calibration.iter().map(Vec::len).sum();
    let report = QuantizationReport::new(&integer, tokens, &ranges, &model.ignored);
    Ok((integer, report))
}

fn assemble(
    model: &FloatModel,
    choice: &Choice,
    options: &QuantizeOptions,
) -> Result<IntegerModel, ModelError> {
    let shape = model.shape;
    let graph = model.graph();
    let chosen = model.matrices.iter().zip(&choice.matrices);
    let mut matrices = Vec::with_capacity(graph.matrices().len());
    for (&(_, node, place), (matrix, fitted)) in graph.matrices().iter().zip(chosen) {
        let outputs = graph.linear(node).matrices()[place].outputs;
        let units = (fitted.unit, fitted.accumulator);
        matrices.push(weights::quantize(matrix, outputs, units, fitted.limit)?);
    }
    let scales = choice.scales.clone();
    let gate_bits = choice.arithmetic.terms().gate_bits();
    let mut parts = ModelParts {
        shape,
        arithmetic: choice.arithmetic.clone(),
        prefix: prefix(model, choice, options)?,
        embedding: weights::quantize_embedding(&model.embedding, scales.stream[0]),
        matrices,
        tables: ModelTables {
            weights: choice.table.table()?,
            rsqrt: RsqrtTable::new(),
            activation: activation_table(
                model.activation,
                gate_bits,
                scales.gate,
                choice.activation,
            )?,
            rotary: rotary_table(&shape, &model.rope)?,
        },
        scales,
        tokenizer: model.tokenizer.clone(),
    };
    parts.state_row_norms()?;
    IntegerModel::new(parts)
}

/// Keys and values of the tokens before every text, rounded like all others.
fn prefix(
    model: &FloatModel,
    choice: &Choice,
    options: &QuantizeOptions,
) -> Result<ModelPrefix, ModelError> {
    let (shape, tokens) = (&model.shape, &options.prefix);
    if tokens.is_empty() {
        return Ok(ModelPrefix::none(shape));
    }
    let FloatExecution { keys, values, .. } = execute_float(model, tokens)?;
    let limit = options.value_bits.max_value();
    let (layers, entries) = (shape.layers(), tokens.len());
    let (width, dim) = (shape.kv_width(), shape.attention().head_dim());
    // From `[L, entries, G d]` to `[L G, entries, d]`.
    let rounded = |tensor: &[f64], scale: &dyn Fn(usize) -> f64| -> Vec<i16> {
        let mut out = Vec::with_capacity(tensor.len());
        for (layer, rows) in tensor.chunks_exact(tensor.len() / layers).enumerate() {
            for head in 0..width / dim {
                for row in rows.chunks_exact(width) {
                    let of_head = &row[head * dim..(head + 1) * dim];
                    out.extend(of_head.iter().map(|x| {
                        let rounded = round_to_i32(x / scale(layer)).clamp(-limit, limit);
                        i16::try_from(rounded).unwrap_or(0)
                    }));
                }
            }
        }
        out
    };
    let scales = &choice.scales.layers;
    let keys = rounded(&keys, &|layer| scales[layer].key.get());
    let values = rounded(&values, &|layer| scales[layer].value.get());
    let attention = shape.all_layers_attention();
    Ok(ModelPrefix {
        tokens: tokens.clone(),
        cache: KvCache::from_tensors(attention, entries, &keys, &values)?,
    })
}
