//! Traces of any shape without a model behind them, for measuring.

use matchmark_quant::{AttentionShape, QuantError, ScoreStep, StepRange, ValueBits};

use crate::{AttentionTrace, AttentionTraceParts, TraceMetadata};

/// Score steps are those of real traces at 8 bits and `d = 64`, 264 units, and grow with the standard
/// deviation of a score: `33 sqrt(d)` at 8 bits.
const SCORE_STEP_OF_ONE: u64 = 33;

/// The score step of synthetic traces: `33 sqrt(d)` at 8 bits, and at other widths as much more or less
/// as scores are, that is by the square of the largest value.
///
/// # Errors
/// [`QuantError`] if it leaves the range of score steps.
pub fn synthetic_score_step(
    shape: AttentionShape,
    value_bits: ValueBits,
) -> Result<ScoreStep, QuantError> {
    let limit = u64::from(value_bits.max_value().unsigned_abs());
    let dim = shape.head_dim() as u64;
    let square = u128::from(SCORE_STEP_OF_ONE.pow(2) * dim) * u128::from(limit.pow(4));
    let step = (square / 127_u128.pow(4)).isqrt().max(1);
    ScoreStep::new(u32::try_from(step).unwrap_or(u32::MAX))
}

/// A trace whose values are drawn from a bell-shaped distribution by a fixed generator: equal
/// arguments make equal traces, on every machine.
///
/// Every value is the sum of four uniform draws, with a standard deviation of about a quarter of the
/// range, so that scores, gaps and clips are spread as those of real traces are.
///
/// # Errors
/// [`QuantError`] if the score step that belongs to the shape leaves its range.
pub fn synthetic_trace(
    shape: AttentionShape,
    value_bits: ValueBits,
    steps: StepRange,
    seed: u64,
) -> Result<AttentionTrace, QuantError> {
    let limit = u64::from(value_bits.max_value().unsigned_abs());
    let score_step = synthetic_score_step(shape, value_bits)?;
    let generator = &mut Generator(seed);
    let mut tensor = |heads: usize, rows: usize| -> Vec<i16> {
        (0..heads * rows * shape.head_dim())
            .map(|_| generator.value(limit))
            .collect()
    };
    let (heads, kv_heads) = (shape.query_heads(), shape.kv_heads());
    let parts = AttentionTraceParts {
        shape,
        value_bits,
        steps,
        q: tensor(heads, steps.steps()),
        k: tensor(kv_heads, steps.steps()),
        v: tensor(kv_heads, steps.steps()),
        prefix_k: tensor(kv_heads, steps.entries_before()),
        prefix_v: tensor(kv_heads, steps.entries_before()),
        metadata: TraceMetadata {
            score_step: Some(score_step),
            ..TraceMetadata::default()
        },
    };
    match AttentionTrace::new(parts) {
        Ok(trace) => Ok(trace),
        // Lengths follow from the shape and values from the range.
        Err(error) => unreachable!("a synthetic trace is one: {error}"),
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A value in `[-limit, limit]`: four draws of 16 bits, their sum scaled to the range.
    fn value(&mut self, limit: u64) -> i16 {
        let word = self.next();
        let sum: u64 = (0..4).map(|part| (word >> (16 * part)) & 0xffff).sum();
        let scaled = sum * (2 * limit + 1) / (4 * 0xffff + 1);
        // At most 2^12 in size, so that nothing is cut.
        i16::try_from(scaled).unwrap_or_default() - i16::try_from(limit).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{execute_segment, KvCache};
    use matchmark_quant::{HeadDim, KvHeads, QueryHeads, Rounding};

    fn shape(dim: u32) -> AttentionShape {
        let (heads, kv_heads) = (QueryHeads::new(4).unwrap(), KvHeads::new(2).unwrap());
        AttentionShape::new(heads, kv_heads, HeadDim::new(dim).unwrap()).unwrap()
    }

    #[test]
    fn equal_arguments_make_equal_traces_and_other_seeds_others() {
        let make = |seed| {
            let steps = StepRange::new(3, 5).unwrap();
            synthetic_trace(shape(8), ValueBits::DEFAULT, steps, seed).unwrap()
        };
        assert_eq!(make(1), make(1));
        assert_ne!(make(1).q(), make(2).q());
        let trace = make(1);
        assert_eq!(trace.k().len(), 2 * 5 * 8);
        assert_eq!(trace.prefix_v().len(), 2 * 3 * 8);
        // The parts are as checked as any.
        AttentionTrace::new(trace.into_parts()).unwrap();
    }

    #[test]
    fn values_fill_their_range_and_gaps_do_not_all_clip() {
        for bits in [8, 12] {
            let bits = ValueBits::new(bits).unwrap();
            let steps = StepRange::new(2, 64).unwrap();
            let trace = synthetic_trace(shape(64), bits, steps, 7).unwrap();
            let limit = i64::from(bits.max_value());
            let mean: i64 = trace.q().iter().map(|x| i64::from(*x)).sum();
            assert!(mean.abs() / (trace.q().len() as i64) < limit / 50);
            let largest = trace.q().iter().map(|x| i64::from(*x).abs()).max().unwrap();
            assert!(largest > limit * 3 / 4 && largest <= limit);
            let rules = trace.rules(Rounding::NearestTiesUp, None, None).unwrap();
            let inputs = trace.segment(steps).unwrap();
            let (execution, _) =
                execute_segment(&KvCache::from_prefix(&trace), &inputs, &rules).unwrap();
            let last = u32::try_from(rules.table.len()).unwrap() - 1;
            let scores = execution.scores;
            let clipped = scores.iter().filter(|c| c.index == last).count();
            assert!(clipped * 4 < scores.len(), "{clipped}");
            assert!(scores.iter().any(|c| c.index > last / 4));
        }
    }
}
