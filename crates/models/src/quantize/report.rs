//! What a quantization chose.

use std::fmt;

use matchmark_graph::{
    EdgeKind, MatrixName, ModelArithmetic, ModelShape, NodeArithmetic, Operation, Projection,
    ROTARY_BITS, STREAM_BITS,
};
use matchmark_quant::{Rescale, NORM_PRODUCT_BITS};
use serde::Serialize;

use super::calibrate::{Range, Ranges};
use super::scales::normalized_norm;
use crate::{IntegerModel, ModelId};

/// What a quantization chose, and what could leave its range.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuantizationReport {
    /// Sizes.
    pub shape: ModelShape,
    /// Widths and shifts.
    pub arithmetic: ModelArithmetic,
    /// Tokens of the calibration text.
    pub calibration_tokens: usize,
    /// The model's identity.
    pub identity: ModelId,
    /// Whether a rescaling could have an excess that a proof cannot carry.
    pub excess: Vec<ExcessReport>,
    /// Values that are small beside their own unit: the root of their mean square in the calibration text is
    /// below one unit, so that little is left of them.
    pub coarse: Vec<CoarseScale>,
    /// Entries of the folder's `config.json` that were passed over: they do not change what the model
    /// computes.
    pub ignored: Vec<String>,
}

/// A kind of value of which little is left, because its scale has to hold others that are much larger.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CoarseScale {
    /// The kind of value.
    pub kind: &'static str,
    /// The stage of the stream, or the layer.
    pub at: usize,
    /// What one unit stands for.
    pub unit: f64,
    /// The root of the mean square of the values.
    pub root_mean_square: f64,
}

/// Whether the rescalings of one kind could meet an excess that a proof cannot carry, for any tokens at all:
/// the execution would then stop with an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExcessReport {
    /// The kind of rescaling.
    pub kind: &'static str,
    /// The largest number that weights and tables allow to be rescaled, in any layer.
    pub bound: u64,
    /// Whether every number up to that bound can be rescaled.
    pub carried: bool,
}

impl QuantizationReport {
    pub(super) fn new(
        model: &IntegerModel,
        calibration_tokens: usize,
        ranges: &Ranges,
        ignored: &[String],
    ) -> Self {
        Self {
            shape: *model.shape(),
            arithmetic: model.arithmetic().clone(),
            calibration_tokens,
            identity: model.identity(),
            excess: model.excess_report(),
            coarse: coarse_scales(model, ranges),
            ignored: ignored.to_vec(),
        }
    }
}

/// All values of which little is left.
fn coarse_scales(model: &IntegerModel, ranges: &Ranges) -> Vec<CoarseScale> {
    let scales = model.scales();
    let mut coarse = Vec::new();
    let mut check = |kind, at, unit: f64, range: Range| {
        let root_mean_square = range.root_mean_square();
        if unit > root_mean_square {
            coarse.push(CoarseScale {
                kind,
                at,
                unit,
                root_mean_square,
            });
        }
    };
    let stages = ranges.stream.iter().zip(&scales.stream).enumerate();
    for (stage, (range, scale)) in stages {
        check("stream", stage, scale.get(), *range);
    }
    for (layer, (ranges, scales)) in ranges.layers.iter().zip(&scales.layers).enumerate() {
        for (kind, scale, range) in [
            ("query", scales.query, ranges.query),
            ("key", scales.key, ranges.key),
            ("value", scales.value, ranges.value),
            ("attention", scales.value, ranges.attention),
            ("gate", model.scales().gate, ranges.gate),
            ("up", scales.up, ranges.up),
            ("gated", scales.gated, ranges.gated),
        ] {
            check(kind, layer, scale.get(), range);
        }
    }
    coarse
}

impl IntegerModel {
    /// For each kind of rescaling, whether the weights and tables allow an excess that a proof cannot carry,
    /// in any layer and for any tokens. Where none of them does, no prompt ends in an error.
    #[must_use]
    pub fn excess_report(&self) -> Vec<ExcessReport> {
        let arithmetic = self.arithmetic();
        let terms = arithmetic.terms();
        let max_value = u64::from(terms.value_bits().max_value().unsigned_abs());
        let max_gated = 1_u64 << (terms.gated_bits() - 1);
        let tables = self.tables();
        // Cosine, then sine.
        let turned = tables.rotary.entries().chunks_exact(2);
        let turned = turned.map(|angle| angle.iter().map(|x| x.unsigned_abs()).sum::<u32>());
        let turned = u64::from(turned.max().unwrap_or(0)) << (ROTARY_BITS - 1);
        let activated = tables.activation.entries().iter().map(|x| x.unsigned_abs());
        let product = u64::from(activated.max().unwrap_or(0)) * max_value;
        let exponent = arithmetic.max_norm_exponent(self.shape().hidden());
        let mut kinds = KINDS.map(|kind| ExcessReport {
            kind,
            bound: 0,
            carried: true,
        });
        let mut include = |kind: &'static str, bound: u64, rescale: Rescale| {
            if let Some(of_kind) = kinds.iter_mut().find(|it| it.kind == kind) {
                of_kind.bound = bound.max(of_kind.bound);
                of_kind.carried &= rescale.carries(i64::try_from(bound).unwrap_or(i64::MAX));
            }
        };
        let graph = self.graph();
        // Accumulators of a matrix, by how many there can be for what it takes in.
        let accumulator = |name: MatrixName| {
            let matrix = self.matrix(name);
            let node = graph.node(graph.node_of(name));
            let before = graph.edge(node.inputs()[0]);
            match (before.kind(), before.from()) {
                (EdgeKind::Gated, _) => matrix.bound(max_gated),
                (EdgeKind::Values, Some(id)) => match graph.node(id).operation() {
                    Operation::Stream(_) => {
                        let shift = arithmetic.stream(id).norm.shift;
                        let norm = normalized_norm(self.shape(), shift);
                        matrix.bound_by_norm(norm).min(matrix.bound(max_value))
                    }
                    Operation::Linear(_)
                    | Operation::Rotary(_)
                    | Operation::Values(_)
                    | Operation::Attention(_)
                    | Operation::Gated(_)
                    | Operation::Argmax(_)
                    | Operation::StreamIn(_)
                    | Operation::StreamOut(_) => matrix.bound(max_value),
                },
                (
                    EdgeKind::Tokens
                    | EdgeKind::One
                    | EdgeKind::Values
                    | EdgeKind::Accumulators
                    | EdgeKind::Stream
                    | EdgeKind::Entries,
                    _,
                ) => unreachable!("such a matrix is not in a graph's list"),
            }
        };
        for id in graph.ids() {
            let node = graph.node(id);
            let of = |projection| accumulator(MatrixName::new(projection, node.layer()));
            match arithmetic.node(id) {
                NodeArithmetic::Stream(constants) => {
                    // The same for all exponents: the excess that fits and the largest quotient shrink alike.
                    let rescale = terms.norm(constants.norm, exponent);
                    include("normalization", 1 << NORM_PRODUCT_BITS, rescale);
                    let added = graph.edge(node.inputs()[0]).from();
                    let mut names = added.into_iter().flat_map(|id| graph.names_of(id));
                    if let (Some(name), Some(shift)) = (names.next(), constants.before) {
                        let bound = accumulator(name) + (1 << (STREAM_BITS - 1 + shift));
                        include("stream", bound, terms.stream(constants.shift));
                    }
                }
                NodeArithmetic::Rotary(constants) => {
                    for (projection, shift) in [
                        (Projection::Query, constants.query),
                        (Projection::Key, constants.key),
                    ] {
                        include("rotary input", of(projection), terms.rotary_input(shift));
                    }
                    include("rotation", turned, terms.rotation());
                }
                NodeArithmetic::Values(constants) => {
                    include("value", of(Projection::Value), terms.value(constants.shift));
                }
                NodeArithmetic::Gated(constants) => {
                    include("gate", of(Projection::Gate), terms.gate(constants.gate));
                    include("up", of(Projection::Up), terms.value(constants.up));
                    include("gated product", product, terms.gated(constants.product));
                }
                // Nothing is rescaled.
                NodeArithmetic::Linear(_)
                | NodeArithmetic::Attention(_)
                | NodeArithmetic::Argmax(_)
                | NodeArithmetic::StreamIn(_)
                | NodeArithmetic::StreamOut(_) => {}
            }
        }
        kinds.to_vec()
    }
}

/// The kinds of rescalings.
const KINDS: [&str; 8] = [
    "normalization",
    "rotary input",
    "rotation",
    "value",
    "stream",
    "gate",
    "up",
    "gated product",
];

impl fmt::Display for QuantizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "shape          {}", self.shape)?;
        writeln!(f, "parameters     {}", self.shape.weights())?;
        writeln!(f, "calibration    {} tokens", self.calibration_tokens)?;
        writeln!(f, "value bits     {}", self.arithmetic.value_bits())?;
        let matrices: Vec<u8> = shifts(&self.arithmetic).collect();
        writeln!(
            f,
            "shifts         {} to {}, rotation {}",
            matrices.iter().min().unwrap_or(&0),
            matrices.iter().max().unwrap_or(&0),
            self.arithmetic.terms().rotation_shift(),
        )?;
        writeln!(f, "score step     {}", self.arithmetic.score_step())?;
        for ExcessReport {
            kind,
            bound,
            carried,
        } in &self.excess
        {
            let words = if *carried {
                "always carried"
            } else {
                "an error where it leaves the range of a proof"
            };
            writeln!(f, "{kind:<14} at most {bound} before rescaling, {words}")?;
        }
        for CoarseScale {
            kind,
            at,
            unit,
            root_mean_square,
        } in &self.coarse
        {
            writeln!(
                f,
                "warning        {kind} {at}: one unit is {unit:.3e}, more than the values' root mean square of {root_mean_square:.3e}"
            )?;
        }
        if !self.ignored.is_empty() {
            writeln!(
                f,
                "ignored        entries of config.json without effect here: {}",
                self.ignored.join(", ")
            )?;
        }
        write!(f, "identity       {}", self.identity)
    }
}

/// The shifts of all matrices and gated products.
fn shifts(arithmetic: &ModelArithmetic) -> impl Iterator<Item = u8> + '_ {
    arithmetic.parts().nodes.iter().flat_map(|node| match node {
        // The shift of the embedding is no choice.
        NodeArithmetic::Stream(stage) => stage.before.map(|_| stage.shift).into_iter().collect(),
        NodeArithmetic::Rotary(constants) => vec![constants.query, constants.key],
        NodeArithmetic::Values(constants) => vec![constants.shift],
        NodeArithmetic::Gated(constants) => {
            vec![constants.gate, constants.up, constants.product]
        }
        NodeArithmetic::Linear(_)
        | NodeArithmetic::Attention(_)
        | NodeArithmetic::Argmax(_)
        | NodeArithmetic::StreamIn(_)
        | NodeArithmetic::StreamOut(_) => vec![],
    })
}
