//! The semantics written down a second time, as plainly as possible.

use matchmark_quant::Rounding;

use crate::{AttentionTrace, DecodeRules, RuntimeError};

/// Decodes a whole trace: the outputs `[H, S, d]`.
///
/// A deliberately naive implementation that follows the definition sentence by sentence and shares
/// no code with [`execute_segment`](crate::execute_segment); the tests hold the two against each
/// other.
///
/// # Errors
/// [`RuntimeError::BitsMismatch`] if the rules are for another width, and
/// [`RuntimeError::Quantity`] if an intermediate value could leave its range.
pub fn decode(trace: &AttentionTrace, rules: &DecodeRules) -> Result<Vec<i16>, RuntimeError> {
    let (shape, range) = (trace.shape(), trace.step_range());
    if trace.value_bits() != rules.value_bits {
        return Err(RuntimeError::BitsMismatch {
            expected: rules.value_bits,
            got: trace.value_bits(),
        });
    }
    rules.bounds(&shape, range.entries_after())?;

    let (p, s, d) = (range.entries_before(), range.steps(), shape.head_dim());
    // Element c of entry j of the cache of key/value head g.
    let entry = |prefix: &[i16], new: &[i16], g: usize, j: usize, c: usize| -> i128 {
        i128::from(if j < p {
            prefix[(g * p + j) * d + c]
        } else {
            new[(g * s + j - p) * d + c]
        })
    };
    let step = i128::from(rules.score_step.get());
    let last = i128::from(rules.table.bounds().len) - 1;

    let mut out = Vec::new();
    for h in 0..shape.query_heads() {
        let g = shape.kv_head_of(h);
        for t in 0..s {
            let n = p + t + 1;
            let mut scores = Vec::new();
            for j in 0..n {
                let mut score = 0;
                for c in 0..d {
                    let q = i128::from(trace.q()[(h * s + t) * d + c]);
                    score += q * entry(trace.prefix_k(), trace.k(), g, j, c);
                }
                scores.push(score);
            }
            let Some(maximum) = scores.iter().copied().max() else {
                continue;
            };
            let mut weights = Vec::new();
            for score in scores {
                let index = ((maximum - score) / step).min(last);
                let weight = usize::try_from(index).ok().and_then(|i| rules.table.get(i));
                weights.push(i128::from(weight.unwrap_or(0)));
            }
            let denominator: i128 = weights.iter().sum();
            for c in 0..d {
                let mut numerator = 0;
                for (j, weight) in weights.iter().enumerate() {
                    numerator += weight * entry(trace.prefix_v(), trace.v(), g, j, c);
                }
                let output = match rules.rounding {
                    Rounding::Floor => numerator.div_euclid(denominator),
                    Rounding::NearestTiesUp => {
                        (2 * numerator + denominator).div_euclid(2 * denominator)
                    }
                };
                out.push(i16::try_from(output).unwrap_or(i16::MAX));
            }
        }
    }
    Ok(out)
}
