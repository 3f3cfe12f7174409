//! The choice of scales and shifts.

use matchmark_quant::{
    exact_table_delta, score_step_from, HeadDim, ModelArithmetic, ModelShape, ModelShifts, Scale,
    Scales, ValueBits, ACCUMULATOR_LIMIT, EXPONENT_LIMIT, MANTISSA_LIMIT, ROTARY_BITS,
    ROTARY_SCALE_LOG, RSQRT_SCALE_LOG, SQUARE_SHIFT, STREAM_BITS,
};
use matchmark_runtime::TableResolution;
use matchmark_tables::{Rational, SiluTable};

use super::calibrate::{largest, LayerRanges, Ranges};
use super::fold::{FoldedLayer, FoldedModel};
use super::weights::power_of_two;
use crate::{FloatModel, LayerScales, ModelError, ModelScales};

/// Values of the stream have room to this many times what calibration saw.
const STREAM_ROOM: f64 = 1.0;
/// The share of what calibration saw that normalized values have to reach; a clamp of the few beyond it
/// costs less than a bit of all.
const NORMALIZED_SHARE: f64 = 0.75;

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
    pub(super) fn new(
        model: &FloatModel,
        folded: &FoldedModel,
        ranges: &Ranges,
        bits: ValueBits,
    ) -> Result<Self, ModelError> {
        let shape = &model.shape;
        let limit = f64::from(bits.max_value());
        let stream = largest([&ranges.stream]) * STREAM_ROOM / power_of_two(STREAM_BITS - 1);

        let norm = norm_shift(
            shape,
            largest([&ranges.normalized]) * NORMALIZED_SHARE,
            limit,
        );
        let normalized = normalized_scale(shape, norm);
        let rotation = (2 * ROTARY_SCALE_LOG + 1 - bits.get()).min(ModelArithmetic::MAX_SHIFT);
        let gate = largest(ranges.layers.iter().flat_map(|layer| &layer.gate)) / limit;
        let activation = gate / f64::from(SiluTable::ENTRY_FACTOR);
        let (gated, ups) = gated_scales(ranges, activation, limit);
        let products = attention_scales(ranges, rotation, limit);

        let layers: Vec<LayerScales> = ranges
            .layers
            .iter()
            .zip(products.into_iter().zip(ups))
            .map(|(layer, ((query, key), up))| {
                let rotary = power_of_two(rotation) / power_of_two(ROTARY_SCALE_LOG);
                Ok(LayerScales {
                    rotary_query: Scale::new(query / rotary)?,
                    rotary_key: Scale::new(key / rotary)?,
                    query: Scale::new(query)?,
                    key: Scale::new(key)?,
                    value: Scale::new(largest(&layer.value) / limit)?,
                    up: Scale::new(up)?,
                    gated: Scale::new(activation * up * power_of_two(gated))?,
                })
            })
            .collect::<Result<_, ModelError>>()?;

        let exponent = weight_exponent(shape, bits.max_value());
        let fitting = Fitting {
            limit: bits.max_value(),
            exponent,
            layers: &folded.layers,
            scales: &layers,
        };
        let (hidden, mlp) = (shape.hidden(), shape.mlp());
        let n = |_: &LayerScales| normalized;
        let rotary_input = fitting.shift(
            hidden,
            &[
                (|w| &w.query, &n, &|s| s.rotary_query.get()),
                (|w| &w.key, &n, &|s| s.rotary_key.get()),
            ],
            false,
        );
        let value = fitting.shift(hidden, &[(|w| &w.value, &n, &|s| s.value.get())], false);
        let gate_shift = fitting.shift(hidden, &[(|w| &w.gate, &n, &|_| gate)], false);
        let up = fitting.shift(hidden, &[(|w| &w.up, &n, &|s| s.up.get())], false);
        let stream_shift = fitting
            .shift(
                shape.query_width(),
                &[(|w| &w.output, &|s| s.value.get(), &|_| stream)],
                true,
            )
            .min(fitting.shift(mlp, &[(|w| &w.down, &|s| s.gated.get(), &|_| stream)], true));
        let units = layers
            .iter()
            .map(|s| LayerUnits {
                query: s.rotary_query.get() / power_of_two(rotary_input) / normalized,
                key: s.rotary_key.get() / power_of_two(rotary_input) / normalized,
                value: s.value.get() / power_of_two(value) / normalized,
                output: stream / power_of_two(stream_shift) / s.value.get(),
                gate: gate / power_of_two(gate_shift) / normalized,
                up: s.up.get() / power_of_two(up) / normalized,
                down: stream / power_of_two(stream_shift) / s.gated.get(),
            })
            .collect();
        let head_unit =
            largest(&folded.head) / (f64::from(MANTISSA_LIMIT) * power_of_two(exponent));

        // The finest unit of the embedding, among those that the stream's is a power of two of, in which
        // all of it fits.
        let room = stream * power_of_two(STREAM_BITS - 1)
            / largest(
                model
                    .embedding
                    .iter()
                    .map(|&x| f64::from(x))
                    .collect::<Vec<f64>>()
                    .iter(),
            );
        let finer = (0..=stream_shift)
            .rev()
            .find(|&finer| power_of_two(finer) <= room)
            .unwrap_or(0);
        let embedding = stream / power_of_two(finer);
        // Epsilon in units of the scaled sum of squares.
        let epsilon = |scale: f64| {
            let epsilon = shape.hidden() as f64 * model.norm_epsilon
                / (scale * scale * power_of_two(SQUARE_SHIFT));
            crate::floats::round_to_i32(epsilon).max(0).unsigned_abs()
        };
        let (score_step, table) = score_step(shape, bits, &layers)?;
        let shifts = ModelShifts {
            rotary_input,
            value,
            stream: stream_shift,
            embedding: stream_shift - finer,
            gate: gate_shift,
            up,
            gated,
            rotation,
            norm,
        };
        Ok(Self {
            arithmetic: ModelArithmetic::new(
                bits,
                shifts,
                epsilon(stream),
                epsilon(embedding),
                score_step,
                exponent,
            )?,
            scales: ModelScales {
                embedding: Scale::new(embedding)?,
                stream: Scale::new(stream)?,
                normalized: Scale::new(normalized)?,
                gate: Scale::new(gate)?,
                logits: Scale::new(head_unit * normalized)?,
                layers,
            },
            activation: Scale::new(activation)?,
            table,
            units,
            head_unit,
        })
    }
}

/// The smallest shift at which values of this size fit, or the largest of which the excess is bounded.
fn norm_shift(shape: &ModelShape, range: f64, limit: f64) -> u8 {
    let mut shift = ModelArithmetic::MIN_NORM_SHIFT;
    while shift < ModelArithmetic::MAX_NORM_SHIFT && normalized_scale(shape, shift) * limit < range
    {
        shift += 1;
    }
    shift
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
    let own: Vec<(f64, f64)> = ranges
        .layers
        .iter()
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
fn score_step(
    shape: &ModelShape,
    bits: ValueBits,
    layers: &[LayerScales],
) -> Result<(matchmark_quant::ScoreStep, TableResolution), ModelError> {
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

/// The largest exponent with which every accumulator stays in range by the shape alone: half of it in
/// the output head, where logits are compared, and with room for the stream where it is added.
fn weight_exponent(shape: &ModelShape, max_input: i32) -> u8 {
    let bound = |inputs: usize| {
        inputs as u64
            * u64::from(MANTISSA_LIMIT.unsigned_abs())
            * u64::from(max_input.unsigned_abs())
    };
    let head = 2 * bound(shape.hidden());
    let stream = bound(shape.query_width().max(shape.mlp()));
    let smallest_room = 1 << STREAM_BITS;
    (0..=EXPONENT_LIMIT)
        .rev()
        .find(|&exponent| {
            (head << exponent) < ACCUMULATOR_LIMIT
                && (stream << exponent) + smallest_room < ACCUMULATOR_LIMIT
        })
        .unwrap_or(0)
}

type MatrixOf = fn(&FoldedLayer) -> &Vec<f64>;
type ScaleOf<'a> = &'a dyn Fn(&LayerScales) -> f64;

/// Finds the shift of a kind of rescaling.
struct Fitting<'a> {
    limit: i32,
    exponent: u8,
    layers: &'a [FoldedLayer],
    scales: &'a [LayerScales],
}

impl Fitting<'_> {
    /// The largest shift, hence the finest unit, at which the weights of all matrices fit in every layer.
    /// Each matrix comes with the scales of its input and of its output.
    fn shift(
        &self,
        inputs: usize,
        matrices: &[(MatrixOf, ScaleOf<'_>, ScaleOf<'_>)],
        stream: bool,
    ) -> u8 {
        let fits = |shift: u8| {
            let bound = inputs as u64
                * (u64::from(MANTISSA_LIMIT.unsigned_abs()) << self.exponent)
                * u64::from(self.limit.unsigned_abs());
            if stream && bound + (1 << (STREAM_BITS - 1 + shift)) >= ACCUMULATOR_LIMIT {
                return false;
            }
            let reach = (f64::from(MANTISSA_LIMIT) + 0.49) * power_of_two(self.exponent);
            matrices.iter().all(|(matrix, input, output)| {
                self.layers.iter().zip(self.scales).all(|(layer, scales)| {
                    let unit = output(scales) / power_of_two(shift) / input(scales);
                    largest(matrix(layer)) <= unit * reach
                })
            })
        };
        (1..=ModelArithmetic::MAX_SHIFT)
            .rev()
            .find(|&shift| fits(shift))
            .unwrap_or(1)
    }
}
