//! The choice of scales: what one unit of each kind of integer stands for.

use matchmark_quant::{
    exact_table_delta, score_step_from, HeadDim, ModelArithmetic, ModelShape, Scale, Scales,
    ScoreStep, ValueBits, ROTARY_BITS, ROTARY_SCALE_LOG, RSQRT_SCALE_LOG, SQUARE_SHIFT,
    STREAM_BITS,
};
use matchmark_runtime::TableResolution;
use matchmark_tables::activations::Activation;
use matchmark_tables::{ActivationTable, Rational};

use super::calibrate::{largest, LayerRanges, Ranges};
use super::weights::power_of_two;
use crate::{LayerScales, ModelError};

/// The share of what calibration saw that normalized values have to reach; a clamp of the few beyond it
/// costs less than a bit of all.
const NORMALIZED_SHARE: f64 = 0.75;

/// The scales of all values, and the shifts that follow from ranges alone.
pub(super) struct ValueScales {
    pub(super) stream: f64,
    pub(super) normalized: f64,
    pub(super) gate: f64,
    /// Of the entries of the activation's table.
    pub(super) activation: f64,
    pub(super) layers: Vec<LayerScales>,
    pub(super) rotation: u8,
    pub(super) gated: u8,
    pub(super) norm: u8,
}

impl ValueScales {
    /// The scales with which all that calibration saw fits, or most of it. `value_room` is by how much
    /// larger than needed the scale of each layer's values is.
    pub(super) fn new(
        shape: &ModelShape,
        ranges: &Ranges,
        function: Activation,
        bits: ValueBits,
        value_room: &[f64],
    ) -> Result<Self, ModelError> {
        let limit = f64::from(bits.max_value());
        let norm = norm_shift(
            shape,
            largest([&ranges.normalized]) * NORMALIZED_SHARE,
            limit,
        );
        let rotation = (2 * ROTARY_SCALE_LOG + 1 - bits.get()).min(ModelArithmetic::MAX_SHIFT);
        let gate = largest(ranges.layers.iter().flat_map(|layer| &layer.gate)) / limit;
        let activation = gate * function.slope / f64::from(ActivationTable::ENTRY_FACTOR);
        let (gated, ups) = gated_scales(ranges, activation, limit);
        let products = attention_scales(ranges, rotation, limit);
        let rotary = power_of_two(rotation) / power_of_two(ROTARY_SCALE_LOG);
        let mut layers = Vec::with_capacity(ranges.layers.len());
        let per_layer = products.into_iter().zip(ups).zip(value_room);
        for (layer, (((query, key), up), room)) in ranges.layers.iter().zip(per_layer) {
            layers.push(LayerScales {
                rotary_query: Scale::new(query / rotary)?,
                rotary_key: Scale::new(key / rotary)?,
                query: Scale::new(query)?,
                key: Scale::new(key)?,
                value: Scale::new(largest(&layer.value) / limit * room)?,
                up: Scale::new(up)?,
                gated: Scale::new(activation * up * power_of_two(gated))?,
            });
        }
        Ok(Self {
            stream: largest([&ranges.stream]) / power_of_two(STREAM_BITS - 1),
            normalized: normalized_scale(shape, norm),
            gate,
            activation,
            layers,
            rotation,
            gated,
            norm,
        })
    }
}

/// The smallest shift at which values of this size fit.
fn norm_shift(shape: &ModelShape, range: f64, limit: f64) -> u8 {
    let fits = |shift: u8| normalized_scale(shape, shift) * limit >= range;
    (ModelArithmetic::MIN_NORM_SHIFT..ModelArithmetic::MAX_NORM_SHIFT)
        .find(|&shift| fits(shift))
        .unwrap_or(ModelArithmetic::MAX_NORM_SHIFT)
}

/// What one unit of a normalized value stands for. With `q = sum h^2 / 2^14` and a factor of
/// `2^17 / sqrt(q)`, the value is `h 2^24 / (sqrt(sum h^2) 2^shift)`, and the real one is
/// `h sqrt(C) / sqrt(sum h^2)`.
fn normalized_scale(shape: &ModelShape, shift: u8) -> f64 {
    libm::sqrt(shape.hidden() as f64) * power_of_two(shift)
        / power_of_two(RSQRT_SCALE_LOG + SQUARE_SHIFT / 2)
}

/// The scales of queries and keys of each layer. Their product is the same in all layers, because the
/// score step and the weight table are; a layer of smaller ranges gives up resolution of both alike.
fn attention_scales(ranges: &Ranges, rotation: u8, limit: f64) -> Vec<(f64, f64)> {
    // Values before rotation have 13 bits, and come down by the rotation.
    let rotary =
        power_of_two(ROTARY_BITS - 1) * power_of_two(ROTARY_SCALE_LOG) / power_of_two(rotation);
    let own = |rotated: &[f64], before: &[f64]| {
        (largest(rotated) / limit).max(largest(before) / (rotary - 1.0))
    };
    let layers = ranges.layers.iter();
    let own: Vec<(f64, f64)> = layers
        .map(|layer| {
            (
                own(&layer.query, &layer.rotary_query),
                own(&layer.key, &layer.rotary_key),
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

/// The shift of the gated product, and the scale of each layer's up projection: the smallest shift at which
/// the products of every layer fit.
fn gated_scales(ranges: &Ranges, activation: f64, limit: f64) -> (u8, Vec<f64>) {
    let own = |layer: &LayerRanges| largest(&layer.up) / limit;
    let fits = |shift: u8| {
        let unit = activation * power_of_two(shift);
        let fits = |layer: &LayerRanges| largest(&layer.gated) / (unit * own(layer)) <= limit;
        ranges.layers.iter().all(fits)
    };
    let shift = (1..=ModelArithmetic::MAX_SHIFT)
        .find(|&shift| fits(shift))
        .unwrap_or(ModelArithmetic::MAX_SHIFT);
    let unit = activation * power_of_two(shift);
    let scale = |layer: &LayerRanges| own(layer).max(largest(&layer.gated) / (unit * limit));
    (shift, ranges.layers.iter().map(scale).collect())
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
