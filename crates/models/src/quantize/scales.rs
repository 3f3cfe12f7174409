//! The choice of scales: what one unit of each kind of integer stands for.

use matchmark_graph::{
    MatrixName, ModelArithmetic, ModelShape, Projection, ROTARY_BITS, SQUARE_SHIFT, STREAM_BITS,
};
use matchmark_quant::{
    exact_table_delta, score_step_from, HeadDim, Scale, Scales, ScoreStep, ValueBits, EXCESS_BITS,
    ROTARY_SCALE_LOG, RSQRT_SCALE_LOG,
};
use matchmark_runtime::TableResolution;
use matchmark_tables::{ActivationTable, Rational};

use super::calibrate::{LayerRanges, Range, Ranges};
use super::weights::power_of_two;
use crate::{FloatModel, LayerScales, ModelError};

/// Ranges are this much larger than what calibration saw: a clamp costs more than a third of a bit.
const MARGIN: f64 = 1.25;

/// The scales of all values, and the shifts that follow from ranges alone.
pub(super) struct ValueScales {
    /// By stage: the scale of the first by powers of two.
    pub(super) stream: Vec<f64>,
    /// The exponents of those powers.
    pub(super) stream_exponents: Vec<i32>,
    /// By stage.
    pub(super) normalized: Vec<f64>,
    /// The shifts of normalization that belong to those.
    pub(super) norms: Vec<u8>,
    pub(super) gate: f64,
    /// Of the entries of the activation's table.
    pub(super) activation: f64,
    pub(super) layers: Vec<LayerScales>,
    pub(super) rotation: u8,
    /// By layer.
    pub(super) gated: Vec<u8>,
}

impl ValueScales {
    /// The scales with which all that calibration saw fits, and with which no prompt at all stops a prover.
    pub(super) fn new(
        model: &FloatModel,
        ranges: &Ranges,
        bits: ValueBits,
    ) -> Result<Self, ModelError> {
        let (shape, function) = (&model.shape, model.activation);
        let limit = f64::from(bits.max_value());
        let norms: Vec<u8> = ranges
            .normalized
            .iter()
            .map(|range| norm_shift(shape, range.largest(), limit))
            .collect();
        let least: Vec<LeastScales> = (0..shape.layers())
            .map(|layer| LeastScales::new(model, layer, [norms[2 * layer], norms[2 * layer + 1]]))
            .collect();
        let gate_limit = f64::from(bits.one_more().max_value());
        let rotation = (2 * ROTARY_SCALE_LOG + 1 - bits.get()).min(ModelArithmetic::MAX_SHIFT);
        let gates = ranges.layers.iter().zip(&least);
        let gates = gates.map(|(layer, least)| (wide(layer.gate) / gate_limit).max(least.gate));
        let gate = gates.fold(0.0, f64::max);
        let activation = gate * function.slope / f64::from(ActivationTable::ENTRY_FACTOR);
        let rotary = power_of_two(i32::from(rotation) - i32::from(ROTARY_SCALE_LOG));
        let products = attention_scales(ranges, &least, rotation, limit);
        let mut layers = Vec::with_capacity(ranges.layers.len());
        let mut gated = Vec::with_capacity(ranges.layers.len());
        let own = ranges.layers.iter().zip(&least).zip(products);
        for ((layer, least), (query, key)) in own {
            let up = (wide(layer.up) / limit).max(least.up);
            let shift = gated_shift(layer, activation * up, bits);
            gated.push(shift);
            layers.push(LayerScales {
                rotary_query: Scale::new(query / rotary)?,
                rotary_key: Scale::new(key / rotary)?,
                query: Scale::new(query)?,
                key: Scale::new(key)?,
                value: Scale::new((wide(layer.value) / limit).max(least.value))?,
                up: Scale::new(up)?,
                gated: Scale::new(activation * up * power_of_two(shift.into()))?,
            });
        }
        // The first stage is the embedding, all of which is known: tokens that the text lacks as well.
        let largest = model
            .embedding
            .iter()
            .fold(0.0, |it: f32, x| it.max(x.abs()));
        let largest = f64::from(if largest > 0.0 { largest } else { 1.0 });
        let stream_exponents = stream_exponents(largest, &ranges.stream[1..]);
        let first = largest / (power_of_two(STREAM_LOG) - 1.0);
        let stream = stream_exponents.iter().map(|&it| first * power_of_two(it));
        Ok(Self {
            stream: stream.collect(),
            stream_exponents,
            normalized: norms
                .iter()
                .map(|&shift| normalized_scale(shape, shift))
                .collect(),
            norms,
            gate,
            activation,
            layers,
            rotation,
            gated,
        })
    }
}

/// The least scales of what matrices make of normalized values: with them no accumulator at all leaves what a
/// proof carries as an excess. Of queries and keys, before rotation.
struct LeastScales {
    query: f64,
    key: f64,
    value: f64,
    gate: f64,
    up: f64,
}

impl LeastScales {
    fn new(model: &FloatModel, layer: usize, [attention, mlp]: [u8; 2]) -> Self {
        let (shape, graph) = (&model.shape, model.graph());
        // By the Euclidean norms of a row and of normalized values, with room for the rounding of weights.
        let least = |projection: Projection, shift: u8| {
            let matrix = &model.matrices[graph.matrix(MatrixName::of_layer(projection, layer))];
            let rows = matrix.weights.chunks_exact(shape.hidden());
            let squares = rows.map(|row| row.iter().map(|&w| f64::from(w) * f64::from(w)).sum());
            let row = libm::sqrt(squares.fold(0.0, f64::max));
            let norm = normalized_norm(shape, shift) as f64 * normalized_scale(shape, shift);
            let largest = row * norm + matrix.largest_bias();
            largest * 1.01 * power_of_two(-i32::from(EXCESS_BITS))
        };
        Self {
            query: least(Projection::Query, attention),
            key: least(Projection::Key, attention),
            value: least(Projection::Value, attention),
            gate: least(Projection::Gate, mlp),
            up: least(Projection::Up, mlp),
        }
    }
}

/// No normalized vector has a larger Euclidean norm.
///
/// Before rounding it is `|h| R / 2^(shift + e)`, at most `2^(24.5 - shift) sqrt(17 / 16)`: with a mantissa `m`,
/// `|h|^2 < 2^15 4^e (m + 1)` and `R^2 <= 2^34 / m`, which is largest for the smallest mantissas, and those
/// below 16 have a root of less than `2^15`. Rounding adds at most half a unit to each channel, clamping
/// nothing.
pub(super) fn normalized_norm(shape: &ModelShape, shift: u8) -> u64 {
    // 47 / 64 is more than the root of 17 / 32.
    let before = 47 << (25 - 6 - shift);
    let root = (shape.hidden() as u64).isqrt() + 1;
    before + root.div_ceil(2)
}

/// Log of the largest stream value.
const STREAM_LOG: i32 = STREAM_BITS as i32 - 1;

/// A range with its margin.
fn wide(range: Range) -> f64 {
    range.largest() * MARGIN
}

/// By which power of two the unit of each stage is larger than the embedding's: the smallest with which the
/// stage's range fits. From one stage to the next it can fall, but not by more than a shift can make up.
fn stream_exponents(embedding: f64, later: &[Range]) -> Vec<i32> {
    let mut exponents = vec![0];
    for range in later {
        let mut exponent = exponents[exponents.len() - 1] - 2;
        while embedding * power_of_two(exponent) < wide(*range) {
            exponent += 1;
        }
        exponents.push(exponent);
    }
    exponents
}

/// The smallest shift at which values of this size fit.
fn norm_shift(shape: &ModelShape, range: f64, limit: f64) -> u8 {
    let fits = |shift: u8| normalized_scale(shape, shift) * limit >= range;
    (ModelArithmetic::MIN_NORM_SHIFT..ModelArithmetic::MAX_NORM_SHIFT)
        .find(|&shift| fits(shift))
        .unwrap_or(ModelArithmetic::MAX_NORM_SHIFT)
}

/// What one unit of a normalized value stands for. With `q = sum h^2 / 2^15` and a factor of
/// `2^17 / sqrt(q)`, the value is `h 2^24.5 / (sqrt(sum h^2) 2^shift)`, and the real one is
/// `h sqrt(C) / sqrt(sum h^2)`.
fn normalized_scale(shape: &ModelShape, shift: u8) -> f64 {
    let unit = libm::sqrt(shape.hidden() as f64 / power_of_two(SQUARE_SHIFT.into()));
    unit * power_of_two(i32::from(shift) - i32::from(RSQRT_SCALE_LOG))
}

/// The scales of queries and keys of each layer. Their product is the same in all layers, because the
/// score step and the weight table are; a layer of smaller ranges gives up resolution of both alike.
fn attention_scales(
    ranges: &Ranges,
    least: &[LeastScales],
    rotation: u8,
    limit: f64,
) -> Vec<(f64, f64)> {
    // Values before rotation have 13 bits, and come down by the rotation.
    let down = power_of_two(i32::from(rotation) - i32::from(ROTARY_SCALE_LOG));
    let rotary = (power_of_two(i32::from(ROTARY_BITS) - 1) - 1.0) / down;
    let own = |rotated: Range, before: Range, least: f64| {
        let seen = (wide(rotated) / limit).max(wide(before) / rotary);
        seen.max(least * down)
    };
    let layers = ranges.layers.iter().zip(least);
    let own: Vec<(f64, f64)> = layers
        .map(|(layer, least)| {
            (
                own(layer.query, layer.rotary_query, least.query),
                own(layer.key, layer.rotary_key, least.key),
            )
        })
        .collect();
    let product = own.iter().map(|(q, k)| q * k).fold(0.0, f64::max);
    own.iter()
        .map(|&(q, k)| {
            let factor = libm::sqrt(product / (q * k));
            (q * factor, product / (q * factor))
        })
        .collect()
}

/// The smallest shift at which the products of a layer fit, and at which no product at all leaves what a proof
/// carries as an excess.
fn gated_shift(layer: &LayerRanges, unit: f64, bits: ValueBits) -> u8 {
    let width = i32::from(bits.get() + ModelArithmetic::GATED_EXTRA_BITS);
    let limit = power_of_two(width - 1) - 1.0;
    let gate = ActivationTable::ENTRY_FACTOR * bits.one_more().max_value();
    let product = f64::from(gate) * f64::from(bits.max_value());
    let fits = |shift: u8| {
        let shift = power_of_two(shift.into());
        let carried = shift * (limit + power_of_two(EXCESS_BITS.into()) - 0.5);
        unit * shift * limit >= wide(layer.gated) && carried > product
    };
    (1..=ModelArithmetic::MAX_SHIFT)
        .find(|&shift| fits(shift))
        .unwrap_or(ModelArithmetic::MAX_SHIFT)
}

/// The score step of all layers, and the table that belongs exactly to it.
pub(super) fn score_step(
    shape: &ModelShape,
    bits: ValueBits,
    layers: &[LayerScales],
) -> Result<(ScoreStep, TableResolution), ModelError> {
    let dim = u32::try_from(shape.attention().head_dim()).unwrap_or(u32::MAX);
    let dim = HeadDim::new(dim)?;
    // A model has at least one layer, and all have the same product.
    let first = layers[0];
    let scales = Scales {
        q: first.query,
        k: first.key,
        v: first.value,
    };
    let aim = TableResolution::for_bits(bits)?;
    let delta = aim.delta();
    let step = score_step_from(delta.numerator(), delta.denominator(), dim, &scales)?;
    let (numerator, denominator) = exact_table_delta(step, dim, &scales)?;
    let table = aim.with_delta(Rational::new(numerator, denominator)?)?;
    Ok((step, table))
}
