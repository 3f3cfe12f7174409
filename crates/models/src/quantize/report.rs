//! What a quantization chose.

use std::fmt;

use matchmark_quant::{ModelArithmetic, ModelShape, NORM_PRODUCT_BITS, ROTARY_BITS, STREAM_BITS};

use serde::Serialize;

use crate::{IntegerModel, LayerWeights, Matrix, ModelId};

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
    /// Entries of the folder's `config.json` that were passed over: they do not change what the model
    /// computes.
    pub ignored: Vec<String>,
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
    pub(super) fn new(model: &IntegerModel, calibration_tokens: usize, ignored: &[String]) -> Self {
        Self {
            shape: *model.shape(),
            arithmetic: *model.arithmetic(),
            calibration_tokens,
            identity: model.identity(),
            excess: model.excess_report(),
            ignored: ignored.to_vec(),
        }
    }
}

impl IntegerModel {
    /// For each kind of rescaling, whether the weights and tables allow an excess that a proof cannot carry,
    /// in any layer and for any tokens. Where none of them does, no prompt ends in an error.
    #[must_use]
    pub fn excess_report(&self) -> Vec<ExcessReport> {
        let arithmetic = self.arithmetic();
        let max_value = arithmetic.value_bits().max_value();
        let stream = 1u64 << (STREAM_BITS - 1 + arithmetic.stream().shift());
        let matrices = |names: &[&str], bound: &dyn Fn(&Matrix) -> u64| {
            let matrices = self.layers().iter().flat_map(LayerWeights::named);
            let of_kind = matrices.filter(|(name, _)| names.contains(name));
            of_kind.map(|(_, matrix)| bound(matrix)).max().unwrap_or(0)
        };
        let norm = normalized_norm(self.shape(), arithmetic);
        let of_normalized = |matrix: &Matrix| {
            let by_norm = matrix.bound_by_norm(norm);
            by_norm.min(matrix.bound_by_weights(max_value))
        };
        let of_values = |matrix: &Matrix| matrix.bound_by_weights(max_value) + stream;
        let tables = self.tables();
        // Cosine, then sine.
        let turned = tables.rotary.entries().chunks_exact(2);
        let turned = turned.map(|angle| angle.iter().map(|x| x.unsigned_abs()).sum::<u32>());
        let turned = u64::from(turned.max().unwrap_or(0)) << (ROTARY_BITS - 1);
        let activated = tables.activation.entries().iter().map(|x| x.unsigned_abs());
        let product = u64::from(activated.max().unwrap_or(0)) * u64::from(max_value.unsigned_abs());
        let largest_exponent = arithmetic.max_norm_exponent(self.shape().hidden());
        [
            // The same for all exponents: the excess that fits and the largest quotient shrink alike.
            (
                "normalization",
                arithmetic.norm(largest_exponent),
                1 << NORM_PRODUCT_BITS,
            ),
            (
                "rotary input",
                arithmetic.rotary_input(),
                matrices(&["query", "key"], &of_normalized),
            ),
            ("rotation", arithmetic.rotation(), turned),
            (
                "value",
                arithmetic.value(),
                matrices(&["value"], &of_normalized),
            ),
            (
                "stream",
                arithmetic.stream(),
                matrices(&["output", "down"], &of_values),
            ),
            (
                "gate",
                arithmetic.gate(),
                matrices(&["gate"], &of_normalized),
            ),
            ("up", arithmetic.up(), matrices(&["up"], &of_normalized)),
            ("gated product", arithmetic.gated(), product),
        ]
        .map(|(kind, rescale, bound)| ExcessReport {
            kind,
            bound,
            carried: rescale.carries(i64::try_from(bound).unwrap_or(i64::MAX)),
        })
        .to_vec()
    }
}

/// No normalized vector has a larger Euclidean norm.
///
/// Before rounding it is `|h| R / 2^(norm + e)`, at most `2^(24 - norm) sqrt(17 / 16)`: with a mantissa `m`,
/// `|h|^2 < 2^14 4^e (m + 1)` and `R^2 <= 2^34 / m`, which is largest for the smallest mantissas, and those
/// below 16 have a root of less than `2^15`. Rounding adds at most half a unit to each channel, clamping
/// nothing.
fn normalized_norm(shape: &ModelShape, arithmetic: &ModelArithmetic) -> u64 {
    // 33 / 32 is more than the root of 17 / 16.
    let before = 33 << (24 - 5 - arithmetic.shifts().norm);
    let root = (shape.hidden() as u64).isqrt() + 1;
    before + root.div_ceil(2)
}

impl fmt::Display for QuantizationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shifts = self.arithmetic.shifts();
        writeln!(f, "shape          {}", self.shape)?;
        writeln!(f, "parameters     {}", self.shape.weights())?;
        writeln!(f, "calibration    {} tokens", self.calibration_tokens)?;
        writeln!(f, "value bits     {}", self.arithmetic.value_bits())?;
        writeln!(
            f,
            "shifts         rotary input {}, rotation {}, value {}, stream {}, gate {}, up {}, gated {}, norm {}",
            shifts.rotary_input,
            shifts.rotation,
            shifts.value,
            shifts.stream,
            shifts.gate,
            shifts.up,
            shifts.gated,
            shifts.norm
        )?;
        writeln!(
            f,
            "weights        mantissas of 8 bits, exponents at most {}",
            self.arithmetic.weight_exponent()
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
