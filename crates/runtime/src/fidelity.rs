//! How far integer outputs are from float outputs.

use std::fmt;

use matchmark_quant::{AttentionShape, Scales, ScoreStep, StepRange, ValueBits};
use serde::Serialize;

use crate::TableResolution;

/// The distance of dequantized outputs from float outputs, over all elements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OutputDistance {
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Mean absolute difference.
    pub mean_abs: f64,
    /// Euclidean norm of the difference by that of the float outputs; the norm of the difference
    /// itself if those are all zero.
    pub relative_l2: f64,
}

impl OutputDistance {
    /// Measures `outputs * scale` against `reference`, element by element.
    pub(crate) fn measure(outputs: &[i16], scale: f64, reference: &[f64]) -> Self {
        let (mut max_abs, mut sum, mut squares, mut norm) = (0.0f64, 0.0, 0.0, 0.0);
        for (&output, &real) in outputs.iter().zip(reference) {
            let difference = (f64::from(output) * scale - real).abs();
            max_abs = max_abs.max(difference);
            sum += difference;
            squares += difference * difference;
            norm += real * real;
        }
        let relative_l2 = if norm > 0.0 {
            (squares / norm).sqrt()
        } else {
            squares.sqrt()
        };
        Self {
            max_abs,
            mean_abs: sum / reference.len().max(1) as f64,
            relative_l2,
        }
    }
}

impl fmt::Display for OutputDistance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "max {:.3e}, mean {:.3e}, relative L2 {:.4} %",
            self.max_abs,
            self.mean_abs,
            self.relative_l2 * 100.0
        )
    }
}

/// How a trace was quantized, and how far its outputs are from those of the floats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FidelityReport {
    /// Heads and head dimension.
    pub shape: AttentionShape,
    /// Prefix and steps.
    pub steps: StepRange,
    /// Width of all values.
    pub value_bits: ValueBits,
    /// What one unit of each tensor stands for.
    pub scales: Scales,
    /// `D`, the units of score that one table index spans.
    pub score_step: ScoreStep,
    /// The exponential table, with the delta that belongs exactly to the score step.
    pub table: TableResolution,
    /// Largest gap quotient `floor(e / D)` that occurs, before clipping.
    pub largest_quotient: i64,
    /// Against attention computed from the float tensors with an exact softmax.
    pub against_exact: OutputDistance,
    /// Against the file's own tensor `output`, where it has one.
    pub against_output: Option<OutputDistance>,
}

impl fmt::Display for FidelityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "shape          {}", self.shape)?;
        writeln!(f, "steps          {}", self.steps)?;
        writeln!(f, "value bits     {}", self.value_bits)?;
        let Scales { q, k, v } = self.scales;
        writeln!(f, "scales         q {q}, k {k}, v {v}")?;
        writeln!(
            f,
            "score step     {}, largest gap quotient {}",
            self.score_step, self.largest_quotient
        )?;
        writeln!(f, "table          {}", self.table)?;
        write!(f, "from floats    {}", self.against_exact)?;
        if let Some(distance) = &self.against_output {
            write!(f, "\nfrom output    {distance}")?;
        }
        Ok(())
    }
}

/// Causal attention in `f64` with an exact softmax: the outputs `[H, S, d]` of the last `S` of
/// `P + S` tokens. `q` is `[H, S, d]`; `k` and `v` are `[G, P + S, d]`.
pub(crate) fn exact_attention(
    shape: &AttentionShape,
    steps: &StepRange,
    q: &[f32],
    k: &[f32],
    v: &[f32],
) -> Vec<f64> {
    let (d, s, tokens) = (shape.head_dim(), steps.steps(), steps.entries_after());
    let scale = 1.0 / (d as f64).sqrt();
    let mut out = Vec::with_capacity(q.len());
    for (row, query) in q.chunks_exact(d).enumerate() {
        let (g, t) = (shape.kv_head_of(row / s), row % s);
        let head = g * tokens * d..(g + 1) * tokens * d;
        let visible = steps.scores(t);
        let scores: Vec<f64> = k[head.clone()]
            .chunks_exact(d)
            .take(visible)
            .map(|key| {
                let products = query
                    .iter()
                    .zip(key)
                    .map(|(&a, &b)| f64::from(a) * f64::from(b));
                products.sum::<f64>() * scale
            })
            .collect();
        let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - maximum).exp()).collect();
        let total: f64 = weights.iter().sum();
        for c in 0..d {
            let column = v[head.clone()].iter().skip(c).step_by(d);
            let sum: f64 = weights
                .iter()
                .zip(column)
                .map(|(w, &x)| w * f64::from(x))
                .sum();
            out.push(sum / total);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let distance = OutputDistance::measure(&[2, -4], 0.5, &[1.0, -1.0]);
        assert_eq!((distance.max_abs, distance.mean_abs), (1.0, 0.5));
        assert!((distance.relative_l2 - 0.5f64.sqrt()).abs() < 1e-15);
        let zero = OutputDistance::measure(&[3], 1.0, &[0.0]);
        assert_eq!(zero.relative_l2, 3.0);
    }
}
