//! The choice of shifts and of the units of weights.

use matchmark_quant::{
    ModelArithmetic, ModelBounds, ModelShape, ModelShifts, Scale, ValueBits, EXPONENT_LIMIT,
    MANTISSA_LIMIT, SQUARE_SHIFT, STREAM_BITS,
};
use matchmark_runtime::TableResolution;

use super::calibrate::{largest, root_mean_square, Ranges};
use super::fold::{FoldedLayer, FoldedModel};
use super::scales::{score_step, ValueScales};
use super::weights::power_of_two;
use crate::floats::round_to_i32;
use crate::{FloatModel, LayerScales, ModelError, ModelScales};

/// Everything that is chosen before weights are rounded.
pub(super) struct Choice {
    pub(super) arithmetic: ModelArithmetic,
    pub(super) scales: ModelScales,
    /// Scale of the activation's table.
    pub(super) activation: Scale,
    pub(super) table: TableResolution,
    /// What one unit of a weight stands for.
    pub(super) units: Vec<LayerUnits>,
    pub(super) head_unit: f64,
}

/// What one unit of a weight stands for in each matrix of a layer.
pub(super) struct LayerUnits {
    pub(super) query: f64,
    pub(super) key: f64,
    pub(super) value: f64,
    pub(super) output: f64,
    pub(super) gate: f64,
    pub(super) up: f64,
    pub(super) down: f64,
}

impl Choice {
    /// The choice with the largest exponents of weights, hence the finest units, that the bounds on all
    /// intermediate values allow.
    pub(super) fn new(
        model: &FloatModel,
        folded: &FoldedModel,
        ranges: &Ranges,
        bits: ValueBits,
    ) -> Result<Self, ModelError> {
        for exponent in (1..=EXPONENT_LIMIT).rev() {
            let choice = Self::with_exponent(model, folded, ranges, bits, exponent)?;
            if ModelBounds::new(&model.shape, &choice.arithmetic).is_ok() {
                return Ok(choice);
            }
        }
        // If this one is refused as well, the model is when it is put together.
        Self::with_exponent(model, folded, ranges, bits, 0)
    }

    fn with_exponent(
        model: &FloatModel,
        folded: &FoldedModel,
        ranges: &Ranges,
        bits: ValueBits,
        exponent: u8,
    ) -> Result<Self, ModelError> {
        let shape = &model.shape;
        let no_room = vec![1.0; shape.layers()];
        let scales = ValueScales::new(shape, ranges, model.activation, bits, &no_room)?;
        let stream_shift = Fitting::new(folded, &scales, exponent).stream();
        let room = value_room(folded, ranges, &scales, stream_shift);
        let scales = ValueScales::new(shape, ranges, model.activation, bits, &room)?;
        let fitting = Fitting::new(folded, &scales, exponent);
        let stream_shift = fitting.stream().min(stream_shift);

        let (normalized, stream) = (scales.normalized, scales.stream);
        let finer = finer_embedding(model, stream, stream_shift);
        let shifts = ModelShifts {
            rotary_input: fitting.rotary_input(),
            value: fitting.shift(|w, s| (&w.value, s.value.get() / normalized)),
            stream: stream_shift,
            embedding: stream_shift - finer,
            gate: fitting.shift(|w, _| (&w.gate, scales.gate / normalized)),
            up: fitting.shift(|w, s| (&w.up, s.up.get() / normalized)),
            gated: scales.gated,
            rotation: scales.rotation,
            norm: scales.norm,
        };
        let embedding = stream / power_of_two(finer);
        let (step, table) = score_step(shape, bits, &scales.layers)?;
        let arithmetic = ModelArithmetic::new(
            bits,
            shifts,
            scaled_epsilon(shape, model.norm_epsilon, stream),
            scaled_epsilon(shape, model.norm_epsilon, embedding),
            step,
            exponent,
        )?;
        let head_unit =
            largest(&folded.head) / (f64::from(MANTISSA_LIMIT) * power_of_two(exponent));
        Ok(Self {
            arithmetic,
            activation: Scale::new(scales.activation)?,
            table,
            units: units(&scales, &shifts),
            head_unit,
            scales: ModelScales {
                embedding: Scale::new(embedding)?,
                stream: Scale::new(stream)?,
                normalized: Scale::new(normalized)?,
                gate: Scale::new(scales.gate)?,
                logits: Scale::new(head_unit * normalized)?,
                layers: scales.layers,
            },
        })
    }
}

/// `s_out 2^-k / s_in` for each matrix.
fn units(scales: &ValueScales, shifts: &ModelShifts) -> Vec<LayerUnits> {
    let (normalized, stream) = (scales.normalized, scales.stream);
    let layers = scales.layers.iter();
    layers
        .map(|s| LayerUnits {
            query: s.rotary_query.get() / power_of_two(shifts.rotary_input) / normalized,
            key: s.rotary_key.get() / power_of_two(shifts.rotary_input) / normalized,
            value: s.value.get() / power_of_two(shifts.value) / normalized,
            output: stream / power_of_two(shifts.stream) / s.value.get(),
            gate: scales.gate / power_of_two(shifts.gate) / normalized,
            up: s.up.get() / power_of_two(shifts.up) / normalized,
            down: stream / power_of_two(shifts.stream) / s.gated.get(),
        })
        .collect()
}

/// By how much the unit of the embedding can be finer than that of the stream, as a power of two: so that
/// all of it fits, and the first attention can be added to it.
fn finer_embedding(model: &FloatModel, stream: f64, stream_shift: u8) -> u8 {
    let entries: Vec<f64> = model.embedding.iter().map(|&x| f64::from(x)).collect();
    let room = stream * (power_of_two(STREAM_BITS - 1) - 1.0) / largest(&entries);
    (0..=stream_shift)
        .rev()
        .find(|&finer| power_of_two(finer) <= room)
        .unwrap_or(0)
}

/// Epsilon in units of the scaled sum of squares of a stream of this scale.
fn scaled_epsilon(shape: &ModelShape, epsilon: f64, scale: f64) -> u32 {
    let unit = scale * scale * power_of_two(SQUARE_SHIFT);
    round_to_i32(shape.hidden() as f64 * epsilon / unit)
        .max(0)
        .unsigned_abs()
}

/// By how much the scale of each layer's values should exceed what their range needs.
///
/// Output and down projections share a shift, which the larger weights, mostly those of the down projection,
/// keep small. The unit of the output projection's weights is `s_stream 2^-k / s_value`: a coarser value
/// makes finer weights. Rounding a value errs by `s_value / rms(value)`, rounding a weight by
/// `unit / rms(weight)`, both times the same constant; the product of both is fixed, and the sum of their
/// squares the least where they are equal.
fn value_room(
    folded: &FoldedModel,
    ranges: &Ranges,
    scales: &ValueScales,
    stream_shift: u8,
) -> Vec<f64> {
    let accumulator = scales.stream / power_of_two(stream_shift);
    let layers = folded.layers.iter().zip(&ranges.layers).zip(&scales.layers);
    layers
        .map(|((weights, ranges), scales)| {
            let weight = root_mean_square(&weights.output);
            let balanced = libm::sqrt(accumulator * ranges.attention() / weight);
            (balanced / scales.value.get()).max(1.0)
        })
        .collect()
}

/// Finds the shift of each kind of rescaling.
struct Fitting<'a> {
    layers: &'a [FoldedLayer],
    scales: &'a ValueScales,
    /// The largest weight in units.
    reach: f64,
}

impl<'a> Fitting<'a> {
    fn new(folded: &'a FoldedModel, scales: &'a ValueScales, exponent: u8) -> Self {
        Self {
            layers: &folded.layers,
            scales,
            reach: (f64::from(MANTISSA_LIMIT) + 0.49) * power_of_two(exponent),
        }
    }

    fn rotary_input(&self) -> u8 {
        let normalized = self.scales.normalized;
        let query = self.shift(|w, s| (&w.query, s.rotary_query.get() / normalized));
        query.min(self.shift(|w, s| (&w.key, s.rotary_key.get() / normalized)))
    }

    fn stream(&self) -> u8 {
        let stream = self.scales.stream;
        let output = self.shift(|w, s| (&w.output, stream / s.value.get()));
        output.min(self.shift(|w, s| (&w.down, stream / s.gated.get())))
    }

    /// The largest shift, hence the finest unit, at which the weights of a matrix fit in every layer. The
    /// matrix comes with the scale of its output by that of its input.
    fn shift(&self, of: impl Fn(&'a FoldedLayer, &LayerScales) -> (&'a Vec<f64>, f64)) -> u8 {
        let fits = |shift: u8| {
            let layers = self.layers.iter().zip(&self.scales.layers);
            layers
                .map(|(layer, scales)| of(layer, scales))
                .all(|(matrix, ratio)| largest(matrix) <= ratio / power_of_two(shift) * self.reach)
        };
        (1..=ModelArithmetic::MAX_SHIFT)
            .rev()
            .find(|&shift| fits(shift))
            .unwrap_or(1)
    }
}
