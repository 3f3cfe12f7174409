//! Execution of consecutive steps, with every intermediate value recorded.

use core::ops::{AddAssign, Mul};

use matchmark_quant::{AttentionShape, StepRange};

use crate::{DecodeRules, KvCache, RuntimeError, SegmentInputs};

/// What happens to one score: query head, step and cache entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScoreRecord {
    /// Dot product of query and key.
    pub score: i64,
    /// `floor(e / D)` of the gap `e` between the maximum and the score, before clipping.
    pub quotient: i64,
    /// `e - D * quotient`, `0 .. D`.
    pub remainder: i64,
    /// The quotient clipped to the table's last index.
    pub index: u32,
    /// The table's entry there.
    pub weight: u32,
}

/// What holds for all scores of one query head and step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepRecord {
    /// Largest score.
    pub maximum: i64,
    /// Sum of the weights.
    pub denominator: i64,
}

/// Consecutive steps with their outputs and every intermediate value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentExecution {
    /// Heads and head dimension.
    pub shape: AttentionShape,
    /// Which steps these are.
    pub steps: StepRange,
    /// Queries, `[H, S, d]`.
    pub q: Vec<i16>,
    /// New keys, `[G, S, d]`.
    pub k: Vec<i16>,
    /// New values, `[G, S, d]`.
    pub v: Vec<i16>,
    /// Outputs, `[H, S, d]`.
    pub out: Vec<i16>,
    /// By query head, then step, then cache entry; step `t` has `P + t + 1` of them.
    pub scores: Vec<ScoreRecord>,
    /// By query head, then step.
    pub rows: Vec<StepRecord>,
    /// Remainders of the outputs' divisions, `[H, S, d]`, as
    /// [`Rounding::divide`](matchmark_quant::Rounding::divide) defines them.
    pub remainders: Vec<i64>,
}

impl SegmentExecution {
    /// Position of the first score of query head `h` at step `t` in
    /// [`scores`](Self::scores).
    #[must_use]
    pub fn first_score(&self, h: usize, t: usize) -> usize {
        let (p, s) = (self.steps.entries_before(), self.steps.steps());
        h * (p * s + s * (s + 1) / 2) + p * t + t * (t + 1) / 2
    }

    /// The scores of query head `h` at step `t`, in the order of the cache.
    ///
    /// # Panics
    /// If there is no such head or step.
    #[must_use]
    pub fn scores_of(&self, h: usize, t: usize) -> &[ScoreRecord] {
        &self.scores[self.first_score(h, t)..][..self.steps.scores(t)]
    }
}

/// Executes consecutive steps on a cache. Returns what happened, and the cache afterwards.
///
/// # Errors
/// [`RuntimeError`] if cache, inputs and rules do not fit each other, if a cached value is out of
/// range, or if an intermediate value could leave its range.
pub fn execute_segment(
    cache: &KvCache,
    inputs: &SegmentInputs,
    rules: &DecodeRules,
) -> Result<(SegmentExecution, KvCache), RuntimeError> {
    let (shape, steps) = (inputs.shape(), inputs.steps());
    if shape != cache.shape() {
        return Err(RuntimeError::ShapeMismatch {
            expected: cache.shape(),
            got: shape,
        });
    }
    if steps.entries_before() != cache.entries() {
        return Err(RuntimeError::PositionMismatch {
            expected: cache.entries(),
            got: steps.entries_before(),
        });
    }
    if inputs.bits() != rules.value_bits {
        return Err(RuntimeError::BitsMismatch {
            expected: rules.value_bits,
            got: inputs.bits(),
        });
    }
    // From here on every sum below is known to fit an i32, as all of them stay below 2^30, but for numerators
    // of values in two digits.
    let bounds = rules.bounds(&shape, steps.entries_after())?;
    let sum_values = match bounds.digits() {
        None => weighted_sums::<i32>,
        Some(_) => weighted_sums::<i64>,
    };
    cache.check(rules.value_bits)?;

    let after = append_all(cache, inputs)?;
    let (heads, d) = (shape.query_heads(), shape.head_dim());
    let mut execution = SegmentExecution {
        shape,
        steps,
        q: inputs.q().to_vec(),
        k: inputs.k().to_vec(),
        v: inputs.v().to_vec(),
        out: Vec::with_capacity(heads * steps.steps() * d),
        scores: Vec::new(),
        rows: Vec::with_capacity(heads * steps.steps()),
        remainders: Vec::with_capacity(heads * steps.steps() * d),
    };
    for h in 0..heads {
        let g = shape.kv_head_of(h);
        for t in 0..steps.steps() {
            let query = inputs.vector(inputs.q(), h, t);
            // Causality: the entries up to and including the one that this step appended.
            let visible = steps.scores(t) * d;
            execute_row(
                query,
                &after.keys(g)[..visible],
                &after.values(g)[..visible],
                rules,
                sum_values,
                &mut execution,
            );
        }
    }
    Ok((execution, after))
}

/// The cache after all steps. Later entries do not concern earlier steps, which look at a part.
fn append_all(cache: &KvCache, inputs: &SegmentInputs) -> Result<KvCache, RuntimeError> {
    let mut after = cache.clone();
    let heads = inputs.shape().kv_heads();
    for t in 0..inputs.steps().steps() {
        let gather = |tensor: &[i16]| -> Vec<i16> {
            (0..heads)
                .flat_map(|g| inputs.vector(tensor, g, t))
                .copied()
                .collect()
        };
        after.append(&gather(inputs.k()), &gather(inputs.v()))?;
    }
    Ok(after)
}

/// One query against the visible part of one head's cache; appends to `execution`.
fn execute_row(
    query: &[i16],
    keys: &[i16],
    values: &[i16],
    rules: &DecodeRules,
    sum_values: impl Fn(&[u32], &[i16], usize) -> Vec<i64>,
    execution: &mut SegmentExecution,
) {
    let d = query.len();
    let scores: Vec<i32> = keys.chunks_exact(d).map(|key| dot(query, key)).collect();
    let maximum = i64::from(scores.iter().copied().fold(i32::MIN, i32::max));
    let step = i64::from(rules.score_step.get());
    let table = rules.table.entries();

    let mut denominator = 0i64;
    let mut weights = Vec::with_capacity(scores.len());
    for score in scores {
        let score = i64::from(score);
        let gap = maximum - score;
        let (quotient, remainder) = (gap / step, gap % step);
        // A gap is not negative, and a table has at most 16384 entries.
        let index = usize::try_from(quotient)
            .unwrap_or(usize::MAX)
            .min(table.len() - 1);
        let weight = table[index];
        denominator += i64::from(weight);
        weights.push(weight);
        execution.scores.push(ScoreRecord {
            score,
            quotient,
            remainder,
            index: u32::try_from(index).unwrap_or(u32::MAX),
            weight,
        });
    }
    execution.rows.push(StepRecord {
        maximum,
        denominator,
    });
    for numerator in sum_values(&weights, values, d) {
        let (output, remainder) = rules.rounding.divide(numerator, denominator);
        // A weighted mean of values of at most M, rounded: it is itself at most M.
        execution
            .out
            .push(i16::try_from(output).unwrap_or(i16::MAX));
        execution.remainders.push(remainder);
    }
}

fn dot(a: &[i16], b: &[i16]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(&x, &y)| i32::from(x) * i32::from(y))
        .sum()
}

/// Sums of as many values as there are dimensions, each times the weight of its entry, in integers that hold
/// all of them.
fn weighted_sums<T>(weights: &[u32], values: &[i16], d: usize) -> Vec<i64>
where
    T: Copy + Default + AddAssign + Mul<Output = T> + From<i16> + TryFrom<u32> + Into<i64>,
{
    let mut sums = vec![T::default(); d];
    for (&weight, values) in weights.iter().zip(values.chunks_exact(d)) {
        // A weight is below 2^24.
        let weight = T::try_from(weight).unwrap_or_default();
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += weight * T::from(value);
        }
    }
    sums.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All products of two 8-bit integers, -128 included, and of each with every weight of the default
    /// table, as the sums form them; the expected products are sums.
    #[test]
    fn all_products() {
        let table = matchmark_tables::WeightTable::exp256_default();
        let integers = || i16::from(i8::MIN)..=i16::from(i8::MAX);
        for b in integers() {
            let mut expected = -128 * i32::from(b);
            for a in integers() {
                assert_eq!(dot(&[a], &[b]), expected, "{a} * {b}");
                expected += i32::from(b);
            }
            for &weight in table.entries() {
                let expected = vec![i64::from(weight) * i64::from(b)];
                assert_eq!(weighted_sums::<i32>(&[weight], &[b], 1), expected);
                assert_eq!(weighted_sums::<i64>(&[weight], &[b], 1), expected);
            }
        }
    }
}
