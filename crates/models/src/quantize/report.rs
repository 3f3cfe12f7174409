//! What a quantization chose.

use std::fmt;

use matchmark_quant::{
    LayerArithmetic, ModelArithmetic, ModelShape, Rescale, NORM_PRODUCT_BITS, ROTARY_BITS,
    STREAM_BITS,
};

use serde::Serialize;

use super::calibrate::{Range, Ranges};
use super::scales::normalized_norm;
use crate::{IntegerModel, Matrix, ModelId};

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
        // The same for all exponents: the excess that fits and the largest quotient shrink alike.
        for stage in 0..self.shape().stages() {
            let rescale = terms.norm(arithmetic.norm_of_stage(stage), exponent);
            include("normalization", 1 << NORM_PRODUCT_BITS, rescale);
        }
        include("rotation", turned, terms.rotation());
        for (nodes, weights) in arithmetic.layers().iter().zip(self.layers()) {
            let LayerArithmetic {
                attention_norm,
                query,
                key,
                value,
                output,
                mlp_norm,
                gate,
                up,
                gated,
                down,
            } = *nodes;
            let of_normalized = |matrix: &Matrix, shift: u8| {
                let by_norm = matrix.bound_by_norm(normalized_norm(self.shape(), shift));
                by_norm.min(u64::from(matrix.row_norm()) * max_value)
            };
            let attention = |matrix| of_normalized(matrix, attention_norm.shift);
            let mlp = |matrix| of_normalized(matrix, mlp_norm.shift);
            let (rotary, values) = (
                |shift| terms.rotary_input(shift),
                |shift| terms.value(shift),
            );
            include("rotary input", attention(weights.q()), rotary(query.shift));
            include("rotary input", attention(weights.k()), rotary(key.shift));
            include("value", attention(weights.v()), values(value.shift));
            include("gate", mlp(weights.gate()), terms.gate(gate.shift));
            include("up", mlp(weights.up()), values(up.shift));
            include("gated product", product, terms.gated(gated));
            for (node, largest) in [(output, max_value), (down, max_gated)] {
                let before = 1 << (STREAM_BITS - 1 + node.residual);
                let bound = u64::from(node.row_norm) * largest + before;
                include("stream", bound, terms.stream(node.shift));
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
    arithmetic.layers().iter().flat_map(|layer| {
        [
            layer.query.shift,
            layer.key.shift,
            layer.value.shift,
            layer.output.shift,
            layer.gate.shift,
            layer.up.shift,
            layer.gated,
            layer.down.shift,
        ]
    })
}
