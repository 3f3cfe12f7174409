//! What a quantization chose.

use std::fmt;

use matchmark_quant::{ModelArithmetic, ModelShape};

use serde::Serialize;

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
    /// Entries of the folder's `config.json` that were passed over: they do not change what the model
    /// computes.
    pub ignored: Vec<String>,
}

/// Whether the rescalings of one kind could meet an excess that a proof cannot carry, for any input at
/// all: the execution would then stop with an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExcessReport {
    /// The kind of rescaling.
    pub kind: &'static str,
    /// The largest accumulator that the weights allow, in any layer.
    pub bound: u64,
    /// Whether every accumulator up to that bound can be rescaled.
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
    /// For each kind of rescaling of a matrix, whether the weights allow an excess that a proof cannot
    /// carry.
    #[must_use]
    pub fn excess_report(&self) -> Vec<ExcessReport> {
        let arithmetic = self.arithmetic();
        let max_value = arithmetic.value_bits().max_value();
        let stream = 1u64 << (matchmark_quant::STREAM_BITS - 1 + arithmetic.stream().shift());
        let kinds = [
            (
                "rotary input",
                arithmetic.rotary_input(),
                ["query", "key"],
                0,
            ),
            ("value", arithmetic.value(), ["value", ""], 0),
            ("stream", arithmetic.stream(), ["output", "down"], stream),
            ("gate", arithmetic.gate(), ["gate", ""], 0),
            ("up", arithmetic.up(), ["up", ""], 0),
        ];
        let report = |(kind, rescale, names, added): (
            &'static str,
            matchmark_quant::Rescale,
            [&str; 2],
            u64,
        )| {
            let matrices = self.layers().iter().flat_map(|layer| layer.named());
            let bound = matrices
                .filter(|(name, _)| names.contains(name))
                .map(|(_, matrix)| matrix.bound_by_weights(max_value))
                .max()
                .unwrap_or(0)
                + added;
            ExcessReport {
                kind,
                bound,
                carried: rescale.carries(i64::try_from(bound).unwrap_or(i64::MAX)),
            }
        };
        kinds.map(report).to_vec()
    }
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
                "refused where it leaves the range of a proof"
            };
            writeln!(f, "{kind:<14} accumulators at most {bound}, {words}")?;
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
