//! The choice of shifts and of the units of weights.

use matchmark_graph::{
    EdgeId, GatedArithmetic, Graph, Kind, LinearArithmetic, MatrixArithmetic, MatrixName,
    ModelArithmetic, ModelArithmeticParts, ModelBounds, ModelShape, NoConstants, Node,
    NodeArithmetic, NodeId, NormArithmetic, Operation, Projection, RotaryArithmetic,
    StreamArithmetic, ValuesArithmetic, SQUARE_SHIFT, WEIGHT_LIMIT,
};
use matchmark_quant::{Scale, ValueBits, MODULUS};
use matchmark_runtime::TableResolution;

use super::calibrate::Ranges;
use super::scales::{score_step, ValueScales};
use super::weights::power_of_two;
use crate::floats::round_to_i32;
use crate::{FloatMatrix, FloatModel, LayerScales, ModelError, ModelScales};

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
    /// What is chosen for every matrix, in the order of the graph's list.
    pub(super) matrices: Vec<Fitted>,
}

/// What is chosen for a matrix.
#[derive(Clone, Copy)]
pub(super) struct Fitted {
    /// Of its accumulators; not of those of the output head.
    shift: u8,
    /// Of the stream before, where its accumulators are added to it.
    before: u8,
    /// What one unit of a weight stands for.
    pub(super) unit: f64,
    /// What one unit of an accumulator stands for.
    pub(super) accumulator: f64,
    /// No weight is larger.
    pub(super) limit: i16,
}

impl Choice {
    pub(super) fn new(
        model: &FloatModel,
        ranges: &Ranges,
        bits: ValueBits,
        rotated: bool,
    ) -> Result<Self, ModelError> {
        let shape = &model.shape;
        let graph = model.graph();
        let scales = ValueScales::new(model, ranges, bits)?;
        let (step, table) = score_step(shape, bits, &scales.layers)?;
        let fits = Fits {
            model,
            graph: &graph,
            scales: &scales,
            bits,
        };
        let matrices = graph.matrices().iter().zip(&model.matrices);
        let matrices: Vec<Fitted> = matrices
            .map(|(&(name, node, _), weights)| fits.fit(name, node, weights))
            .collect();
        let common = (bits, scales.rotation, step);
        let nodes = ModelArithmeticParts::of_graph(&graph, common, |node| {
            constants(model, &graph, &scales, &matrices, node)
        });
        let arithmetic = ModelArithmetic::new(nodes)?;
        let of_stages = |values: &[f64]| -> Result<Vec<Scale>, ModelError> {
            let scales = values.iter().map(|&it| Scale::new(it));
            Ok(scales.collect::<Result<_, _>>()?)
        };
        let head = matrices[graph.matrix(MatrixName::HEAD)];
        Ok(Self {
            arithmetic,
            activation: Scale::new(scales.activation)?,
            table,
            scales: ModelScales {
                stream: of_stages(&scales.stream)?,
                normalized: of_stages(&scales.normalized)?,
                rotated,
                gate: Scale::new(scales.gate)?,
                logits: Scale::new(head.accumulator)?,
                layers: scales.layers,
            },
            matrices,
        })
    }
}

/// The constants of a node, without the norms of rows.
fn constants(
    model: &FloatModel,
    graph: &Graph,
    scales: &ValueScales,
    matrices: &[Fitted],
    node: &Node,
) -> NodeArithmetic {
    let of = |projection| matrices[graph.matrix(MatrixName::new(projection, node.layer()))];
    match node.operation() {
        Operation::Linear(linear) => {
            let unknown = MatrixArithmetic::default();
            NodeArithmetic::Linear(LinearArithmetic::uniform(linear, unknown))
        }
        Operation::Stream(stream) => {
            let norm = norm_of_stage(model, scales, node.rank());
            let before = graph.edge(node.inputs()[0]).from();
            // Accumulators come from a matrix.
            let mut names = before.into_iter().flat_map(|id| graph.names_of(id));
            let added = names.next().filter(|_| !stream.first);
            NodeArithmetic::Stream(match added {
                None => StreamArithmetic::first(norm),
                Some(name) => {
                    let Fitted { shift, before, .. } = matrices[graph.matrix(name)];
                    StreamArithmetic {
                        shift,
                        before: Some(before),
                        norm,
                    }
                }
            })
        }
        Operation::Rotary(_) => NodeArithmetic::Rotary(RotaryArithmetic {
            query: of(Projection::Query).shift,
            key: of(Projection::Key).shift,
        }),
        Operation::Values(_) => NodeArithmetic::Values(ValuesArithmetic {
            shift: of(Projection::Value).shift,
        }),
        Operation::Attention(_) => NodeArithmetic::Attention(NoConstants {}),
        Operation::Gated(_) => NodeArithmetic::Gated(GatedArithmetic {
            gate: of(Projection::Gate).shift,
            up: of(Projection::Up).shift,
            product: scales.gated[node.rank()],
        }),
        Operation::Argmax(_) => NodeArithmetic::Argmax(NoConstants {}),
        Operation::StreamIn(_) => NodeArithmetic::StreamIn(NoConstants {}),
        Operation::StreamOut(_) => NodeArithmetic::StreamOut(NoConstants {}),
    }
}

/// The choice for each matrix.
struct Fits<'a> {
    model: &'a FloatModel,
    graph: &'a Graph,
    scales: &'a ValueScales,
    bits: ValueBits,
}

impl Fits<'_> {
    fn fit(&self, name: MatrixName, node: NodeId, weights: &FloatMatrix) -> Fitted {
        let scales = self.scales;
        let largest = f64::from(self.bits.max_value());
        // The stage of the stream that the matrix takes in, or adds to.
        let stage = |edges: &[EdgeId]| -> usize {
            let graph = self.graph;
            let ends = edges.iter().map(|edge| graph.edge(*edge));
            let ends =
                ends.flat_map(|edge| edge.from().into_iter().chain(edge.to().iter().copied()));
            let mut stages = ends.map(|id| graph.node(id));
            let stage = stages.find(|node| node.operation().kind() == Kind::Stream);
            stage.map_or(0, Node::rank)
        };
        let node = self.graph.node(node);
        let (before, after) = (stage(node.inputs()), stage(node.outputs()));
        let own = name.layer.map(|layer| &scales.layers[layer]);
        let own = |of: fn(&LayerScales) -> Scale| own.map_or(1.0, |own| of(own).get());
        let from = scales.normalized[before];
        match name.projection {
            Projection::Query => self.matrix(weights, own(|it| it.rotary_query), from),
            Projection::Key => self.matrix(weights, own(|it| it.rotary_key), from),
            Projection::Value => self.matrix(weights, own(|it| it.value), from),
            Projection::Gate => self.matrix(weights, scales.gate, from),
            Projection::Up => self.matrix(weights, own(|it| it.up), from),
            Projection::Output => {
                let from = own(|it| it.value);
                self.residual(weights, after, (from, largest, WEIGHT_LIMIT))
            }
            Projection::Down => {
                let bits = i32::from(self.bits.get() + ModelArithmetic::GATED_EXTRA_BITS);
                let largest = power_of_two(bits - 1);
                self.residual(weights, after, (own(|it| it.gated), largest, DOWN_LIMIT))
            }
            Projection::Head => {
                let unit = head_unit(self.model, weights, self.bits);
                Fitted {
                    shift: 0,
                    before: 0,
                    unit,
                    accumulator: unit * from,
                    limit: WEIGHT_LIMIT,
                }
            }
            Projection::Embedding => unreachable!("it is no matrix of a graph's list"),
        }
    }

    /// A matrix from normalized values of scale `from` to values of scale `to`.
    fn matrix(&self, weights: &FloatMatrix, to: f64, from: f64) -> Fitted {
        let fit = Fit {
            rows: Rows::of(&weights.weights, self.model.shape.hidden()),
            ratio: to / from,
            bias: weights.largest_bias() / to,
            limit: WEIGHT_LIMIT,
            largest: f64::from(self.bits.max_value()),
        };
        // What is made up beside the accumulator: a range and an excess.
        let reach = |shift: u8| power_of_two(i32::from(shift)) * power_of_two(16);
        let shift = fit.shift(|_| true, reach);
        fit.fitted(shift, 0, to)
    }

    /// A matrix whose accumulators give the stream at a stage, from values of this scale, largest magnitude and
    /// limit of weights.
    fn residual(
        &self,
        weights: &FloatMatrix,
        stage: usize,
        (from, largest, limit): (f64, f64, i16),
    ) -> Fitted {
        let exponents = &self.scales.stream_exponents;
        let growth = exponents[stage] - exponents[stage - 1];
        let to = self.scales.stream[stage];
        let fit = Fit {
            rows: Rows::of(
                &weights.weights,
                weights.weights.len() / self.model.shape.hidden(),
            ),
            ratio: to / from,
            bias: weights.largest_bias() / to,
            limit,
            largest,
        };
        let before = |shift: u8| u8::try_from(i32::from(shift) - growth).ok();
        let allowed = |shift: u8| before(shift).is_some_and(|it| it <= ModelArithmetic::MAX_SHIFT);
        // The stream before, and what is made up: a range and two limbs of an excess.
        let reach = |shift: u8| {
            let before = power_of_two(15 + i32::from(shift) - growth);
            before + power_of_two(i32::from(shift)) * (power_of_two(16) + 1.0) + power_of_two(30)
        };
        let shift = fit.shift(allowed, reach);
        fit.fitted(shift, before(shift).unwrap_or(0), to)
    }
}

fn norm_of_stage(model: &FloatModel, scales: &ValueScales, stage: usize) -> NormArithmetic {
    NormArithmetic {
        shift: scales.norms[stage],
        epsilon: scaled_epsilon(&model.shape, model.norm_epsilon, scales.stream[stage]),
    }
}

/// What one unit of the output head stands for: the finest that weights and gaps of logits allow.
fn head_unit(model: &FloatModel, head: &FloatMatrix, bits: ValueBits) -> f64 {
    let hidden = model.shape.hidden();
    let rows = Rows::of(&head.weights, hidden);
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
    /// The largest bias by the scale of its outputs.
    bias: f64,
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

    /// The choice of these shifts, for outputs of scale `to`.
    fn fitted(&self, shift: u8, before: u8, to: f64) -> Fitted {
        Fitted {
            shift,
            before,
            unit: self.unit(shift),
            accumulator: to * power_of_two(-i32::from(shift)),
            limit: self.limit,
        }
    }

    /// The largest shift, hence the finest unit, at which the weights fit and no accumulator can leave its
    /// bounds; `reach` is what else its equation makes up.
    fn shift(&self, allowed: impl Fn(u8) -> bool, reach: impl Fn(u8) -> f64) -> u8 {
        let fits = |shift: u8| {
            let unit = self.unit(shift);
            let norm = self.rows.norm / unit + self.rows.inputs as f64 / 2.0;
            let bias = self.bias * power_of_two(shift.into());
            let accumulator = norm * self.largest + bias;
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
