//! The choice of shifts and of the units of weights.

use matchmark_quant::{
    LayerArithmetic, MatrixArithmetic, ModelArithmetic, ModelArithmeticParts, ModelBounds,
    ModelShape, NormArithmetic, ResidualArithmetic, Scale, ValueBits, MODULUS, SQUARE_SHIFT,
    WEIGHT_LIMIT,
};
use matchmark_runtime::TableResolution;

use super::calibrate::Ranges;
use super::scales::{score_step, ValueScales};
use super::weights::power_of_two;
use crate::floats::round_to_i32;
use crate::{FloatModel, ModelError, ModelScales};

/// Weights of a down projection have one bit less than others: its inputs have two more.
pub(super) const DOWN_LIMIT: i16 = WEIGHT_LIMIT / 2;

/// Everything that is chosen before weights are rounded.
pub(super) struct Choice {
    /// Without the norms of rows, which are known when the weights are rounded.
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
        ranges: &Ranges,
        bits: ValueBits,
        rotated: bool,
    ) -> Result<Self, ModelError> {
        let shape = &model.shape;
        let scales = ValueScales::new(model, ranges, bits)?;
        let (step, table) = score_step(shape, bits, &scales.layers)?;
        let (mut layers, mut units) = (Vec::new(), Vec::new());
        for layer in 0..shape.layers() {
            let of_layer = OfLayer {
                model,
                scales: &scales,
                bits,
                layer,
            };
            let (nodes, unit) = of_layer.choose();
            layers.push(nodes);
            units.push(unit);
        }
        let last = shape.stages() - 1;
        let head_unit = head_unit(model, bits);
        let arithmetic = ModelArithmetic::new(ModelArithmeticParts {
            value_bits: bits,
            rotation: scales.rotation,
            score_step: step,
            layers,
            final_norm: norm_of_stage(model, &scales, last),
            head_row_norm: 0,
        })?;
        let of_stages = |values: &[f64]| -> Result<Vec<Scale>, ModelError> {
            let scales = values.iter().map(|&it| Scale::new(it));
            Ok(scales.collect::<Result<_, _>>()?)
        };
        Ok(Self {
            arithmetic,
            activation: Scale::new(scales.activation)?,
            table,
            units,
            head_unit,
            scales: ModelScales {
                stream: of_stages(&scales.stream)?,
                normalized: of_stages(&scales.normalized)?,
                rotated,
                gate: Scale::new(scales.gate)?,
                logits: Scale::new(head_unit * scales.normalized[last])?,
                layers: scales.layers,
            },
        })
    }
}

/// The choice for one layer.
struct OfLayer<'a> {
    model: &'a FloatModel,
    scales: &'a ValueScales,
    bits: ValueBits,
    layer: usize,
}

impl OfLayer<'_> {
    /// The nodes, without the norms of rows, and what one unit of the weights stands for.
    fn choose(&self) -> (LayerArithmetic, LayerUnits) {
        let (weights, own) = (
            &self.model.layers[self.layer],
            &self.scales.layers[self.layer],
        );
        let attention = 2 * self.layer;
        let (before, after) = (
            self.scales.normalized[attention],
            self.scales.normalized[attention + 1],
        );
        let value = own.value.get();
        let (query, query_unit) = self.matrix(&weights.query, own.rotary_query.get(), before);
        let (key, key_unit) = self.matrix(&weights.key, own.rotary_key.get(), before);
        let (values, value_unit) = self.matrix(&weights.value, value, before);
        let (gate, gate_unit) = self.matrix(&weights.gate, self.scales.gate, after);
        let (up, up_unit) = self.matrix(&weights.up, own.up.get(), after);
        let largest = f64::from(self.bits.max_value());
        let (output, output_unit) = self.residual(
            &weights.output,
            attention + 1,
            (value, largest, WEIGHT_LIMIT),
        );
        let gated_bits = i32::from(self.bits.get() + ModelArithmetic::GATED_EXTRA_BITS);
        let largest = power_of_two(gated_bits - 1);
        let (down, down_unit) = self.residual(
            &weights.down,
            attention + 2,
            (own.gated.get(), largest, DOWN_LIMIT),
        );
        let nodes = LayerArithmetic {
            attention_norm: norm_of_stage(self.model, self.scales, attention),
            query,
            key,
            value: values,
            output,
            mlp_norm: norm_of_stage(self.model, self.scales, attention + 1),
            gate,
            up,
            gated: self.scales.gated[self.layer],
            down,
        };
        let units = LayerUnits {
            query: query_unit,
            key: key_unit,
            value: value_unit,
            output: output_unit,
            gate: gate_unit,
            up: up_unit,
            down: down_unit,
        };
        (nodes, units)
    }

    /// A matrix from normalized values of scale `from` to values of scale `to`.
    fn matrix(&self, weights: &[f32], to: f64, from: f64) -> (MatrixArithmetic, f64) {
        let fit = Fit {
            rows: Rows::of(weights, self.model.shape.hidden()),
            ratio: to / from,
            limit: WEIGHT_LIMIT,
            largest: f64::from(self.bits.max_value()),
        };
        // What is made up beside the accumulator: a range and an excess.
        let reach = |shift: u8| power_of_two(i32::from(shift)) * power_of_two(16);
        let shift = fit.shift(|_| true, reach);
        (MatrixArithmetic { shift, row_norm: 0 }, fit.unit(shift))
    }

    /// A matrix whose accumulators give the stream at a stage, from values of this scale, largest magnitude and
    /// limit of weights.
    fn residual(
        &self,
        weights: &[f32],
        stage: usize,
        (from, largest, limit): (f64, f64, i16),
    ) -> (ResidualArithmetic, f64) {
        let exponents = &self.scales.stream_exponents;
        let growth = exponents[stage] - exponents[stage - 1];
        let fit = Fit {
            rows: Rows::of(weights, weights.len() / self.model.shape.hidden()),
            ratio: self.scales.stream[stage] / from,
            limit,
            largest,
        };
        let residual = |shift: u8| u8::try_from(i32::from(shift) - growth).ok();
        let allowed =
            |shift: u8| residual(shift).is_some_and(|it| it <= ModelArithmetic::MAX_SHIFT);
        // The stream before, and what is made up: a range and two limbs of an excess.
        let reach = |shift: u8| {
            let before = power_of_two(15 + i32::from(shift) - growth);
            before + power_of_two(i32::from(shift)) * (power_of_two(16) + 1.0) + power_of_two(30)
        };
        let shift = fit.shift(allowed, reach);
        let node = ResidualArithmetic {
            shift,
            residual: residual(shift).unwrap_or(0),
            row_norm: 0,
        };
        (node, fit.unit(shift))
    }
}

fn norm_of_stage(model: &FloatModel, scales: &ValueScales, stage: usize) -> NormArithmetic {
    NormArithmetic {
        shift: scales.norms[stage],
        epsilon: scaled_epsilon(&model.shape, model.norm_epsilon, scales.stream[stage]),
    }
}

/// What one unit of the output head stands for: the finest that weights and gaps of logits allow.
fn head_unit(model: &FloatModel, bits: ValueBits) -> f64 {
    let hidden = model.shape.hidden();
    let rows = Rows::of(&model.head, hidden);
    let by_weights = rows.largest / f64::from(WEIGHT_LIMIT);
    let limit = ModelBounds::ACCUMULATOR_LIMIT as f64 / (2.0 * f64::from(bits.max_value()));
    // Rounding adds at most half a unit to each weight.
    let by_norm = rows.norm / (limit - hidden as f64);
    by_weights.max(by_norm)
}

/// What is known of the rows of a matrix.
struct Rows {
    inputs: usize,
    /// The largest weight.
    largest: f64,
    /// The largest sum of magnitudes of a row.
    norm: f64,
}

impl Rows {
    fn of(weights: &[f32], inputs: usize) -> Self {
        let (mut largest, mut norm) = (0.0_f64, 0.0_f64);
        for row in weights.chunks_exact(inputs) {
            let mut sum = 0.0;
            for &weight in row {
                let magnitude = f64::from(weight).abs();
                largest = largest.max(magnitude);
                sum += magnitude;
            }
            norm = norm.max(sum);
        }
        // A matrix of zeros has any unit.
        Self {
            inputs,
            largest: if largest > 0.0 { largest } else { 1.0 },
            norm,
        }
    }
}

/// Finds the shift of a matrix.
struct Fit {
    rows: Rows,
    /// The scale of its outputs by that of its inputs.
    ratio: f64,
    /// The largest weight.
    limit: i16,
    /// The largest input.
    largest: f64,
}

impl Fit {
    /// `s_out 2^-k / s_in`.
    fn unit(&self, shift: u8) -> f64 {
        self.ratio * power_of_two(-i32::from(shift))
    }

    /// The largest shift, hence the finest unit, at which the weights fit and no accumulator can leave its
    /// bounds; `reach` is what else its equation makes up.
    fn shift(&self, allowed: impl Fn(u8) -> bool, reach: impl Fn(u8) -> f64) -> u8 {
        let fits = |shift: u8| {
            let unit = self.unit(shift);
            let norm = self.rows.norm / unit + self.rows.inputs as f64 / 2.0;
            let accumulator = norm * self.largest;
            self.rows.largest / unit <= f64::from(self.limit) + 0.49
                && accumulator < ModelBounds::ACCUMULATOR_LIMIT as f64
                && accumulator + reach(shift) < f64::from(MODULUS)
        };
        let shifts = (1..=ModelArithmetic::MAX_SHIFT).rev();
        let mut shifts = shifts.filter(|&shift| allowed(shift));
        // If none fits, the model is refused when it is put together.
        shifts.find(|&shift| fits(shift)).unwrap_or(1)
    }
}

/// Epsilon in units of the scaled sum of squares of a stream of this scale.
fn scaled_epsilon(shape: &ModelShape, epsilon: f64, scale: f64) -> u32 {
    let unit = scale * scale * power_of_two(SQUARE_SHIFT.into());
    let most = ModelArithmetic::NORM_EPSILON_LIMIT - 1;
    let rounded = round_to_i32(shape.hidden() as f64 * epsilon / unit);
    rounded.max(0).unsigned_abs().min(most)
}
