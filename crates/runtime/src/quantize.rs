//! From a file of float tensors to an integer trace.

use std::path::Path;

use matchmark_quant::{
    exact_table_delta, quantize_tensor, score_step_from, AttentionShape, HeadDim, KvHeads,
    QueryHeads, Rounding, Scales, StepRange, ValueBits,
};
use matchmark_tables::Rational;

use crate::container::{Container, Tensor};
use crate::dimension::to_u32;
use crate::fidelity::{exact_attention, FidelityReport, OutputDistance};
use crate::{
    execute_segment, AttentionTrace, AttentionTraceParts, KvCache, TableResolution, TraceError,
    TraceMetadata,
};

/// Quantizes a file of float tensors.
///
/// Reads tensors `q`, `k`, `v` of F16, BF16, F32 or F64 and of shape `[heads, tokens, d]` (`k` and `v` may have fewer heads);
/// the first `prefix` tokens become the cache before the first step, the others the steps. Each
/// tensor is quantized symmetrically with one scale, taken over what the trace holds of it (for `q`
/// the steps alone). The score step is `D = max(1, round(delta * sqrt(d) / (scale_q * scale_k)))`
/// with the delta of [`TableResolution::for_bits`], 1/16 up to 8 bits; the exact delta of the
/// rounded `D` goes into the trace's metadata, and so does the table's length.
///
/// The report says how far the dequantized outputs (the trace's table, rounded to nearest) are from
/// attention computed from the floats, and from the file's tensor `output [heads, tokens, d]`,
/// where there is one.
///
/// # Errors
/// [`TraceError`] for a file that cannot be read, a missing tensor, a wrong type or shape, numbers that
/// nothing can be computed with ([`FloatError`](crate::FloatError)), a prefix that leaves no step, scales
/// that make no score step, and a shape whose intermediate values could leave their range.
pub fn quantize_file(
    float: &Path,
    prefix: usize,
    bits: ValueBits,
) -> Result<(AttentionTrace, FidelityReport), TraceError> {
    quantize_file_with(float, prefix, bits, TableResolution::for_bits(bits)?)
}

/// Quantizes a file of float tensors as [`quantize_file`] does, aiming at a table of another
/// resolution: `D` is rounded from its delta, and the table keeps its length.
///
/// # Errors
/// As [`quantize_file`].
pub fn quantize_file_with(
    float: &Path,
    prefix: usize,
    bits: ValueBits,
    aim: TableResolution,
) -> Result<(AttentionTrace, FidelityReport), TraceError> {
    quantize_container(&Container::read(float)?, prefix, bits, aim)
}

/// Quantizes the bytes of a file of float tensors as [`quantize_file`] does. They may come from
/// anywhere.
///
/// # Errors
/// As [`quantize_file`], but for those of the file system.
pub fn quantize_bytes(
    float: Vec<u8>,
    prefix: usize,
    bits: ValueBits,
) -> Result<(AttentionTrace, FidelityReport), TraceError> {
    let aim = TableResolution::for_bits(bits)?;
    quantize_container(&Container::parse(float)?, prefix, bits, aim)
}

fn quantize_container(
    file: &Container,
    prefix: usize,
    bits: ValueBits,
    aim: TableResolution,
) -> Result<(AttentionTrace, FidelityReport), TraceError> {
    let floats = FloatTensors::read(file, prefix)?;
    let FloatTensors {
        shape,
        head_dim,
        steps,
        ..
    } = floats;

    let (q, scale_q) = quantize_tensor(&floats.q, bits)?;
    let (k, scale_k) = quantize_tensor(&floats.k, bits)?;
    let (v, scale_v) = quantize_tensor(&floats.v, bits)?;
    let scales = Scales {
        q: scale_q,
        k: scale_k,
        v: scale_v,
    };
    let delta = aim.delta();
    let no_scores = |reason| TraceError::Scores {
        q: scale_q.get(),
        k: scale_k.get(),
        reason,
    };
    let score_step = score_step_from(delta.numerator(), delta.denominator(), head_dim, &scales)
        .map_err(no_scores)?;
    let (numerator, denominator) =
        exact_table_delta(score_step, head_dim, &scales).map_err(no_scores)?;
    let table = aim.with_delta(Rational::new(numerator, denominator)?)?;

    let (prefix_k, k) = split_tokens(&k, &shape, &steps);
    let (prefix_v, v) = split_tokens(&v, &shape, &steps);
    let trace = AttentionTrace::new(AttentionTraceParts {
        shape,
        value_bits: bits,
        steps,
        q,
        k,
        v,
        prefix_k,
        prefix_v,
        metadata: TraceMetadata {
            scales: Some(scales),
            score_step: Some(score_step),
            table: Some(table),
        },
    })?;

    let rules = trace.rules(Rounding::NearestTiesUp, None, None)?;
    let inputs = trace.segment(steps)?;
    let (execution, _) = execute_segment(&KvCache::from_prefix(&trace), &inputs, &rules)?;
    let exact = exact_attention(&shape, &steps, &floats.q, &floats.k, &floats.v);
    let distance =
        |reference: &[f64]| OutputDistance::measure(&execution.out, scales.v.get(), reference);
    let report = FidelityReport {
        shape,
        steps,
        value_bits: bits,
        scales,
        score_step,
        table,
        largest_quotient: execution
            .scores
            .iter()
            .map(|c| c.quotient)
            .max()
            .unwrap_or(0),
        against_exact: distance(&exact),
        against_output: floats.output.as_deref().map(distance),
    };
    Ok((trace, report))
}

/// The float tensors of a file, cut to what a trace holds of them.
struct FloatTensors {
    shape: AttentionShape,
    head_dim: HeadDim,
    steps: StepRange,
    /// `[H, S, d]`.
    q: Vec<f32>,
    /// `[G, P + S, d]`.
    k: Vec<f32>,
    /// `[G, P + S, d]`.
    v: Vec<f32>,
    /// `[H, S, d]`.
    output: Option<Vec<f64>>,
}

impl FloatTensors {
    fn read(file: &Container, prefix: usize) -> Result<Self, TraceError> {
        let (q, k, v) = (file.tensor("q")?, file.tensor("k")?, file.tensor("v")?);
        let [heads, tokens, dim] = q.dimensions("[heads, tokens, head dimension]")?;
        let kv_words = format!("[key/value heads, {tokens}, {dim}]");
        let [kv_heads, ..] = k.dimensions(&kv_words)?;
        k.expect_shape([kv_heads, tokens, dim])?;
        v.expect_shape([kv_heads, tokens, dim])?;
        let head_dim = HeadDim::new(to_u32(dim))?;
        let shape = AttentionShape::new(
            QueryHeads::new(to_u32(heads))?,
            KvHeads::new(to_u32(kv_heads))?,
            head_dim,
        )?;
        if tokens == 0 {
            return Err(TraceError::NoSteps);
        }
        let steps = match tokens.checked_sub(prefix) {
            None | Some(0) => {
                return Err(TraceError::PrefixTooLong {
                    tokens,
                    got: prefix,
                })
            }
            Some(steps) => StepRange::new(to_u32(prefix), to_u32(steps))?,
        };
        // The last tokens of every head.
        let last = |tensor: &Tensor<'_>| -> Result<Vec<f32>, TraceError> {
            let values = tensor.floats()?;
            let heads = values.chunks_exact(tokens * dim);
            Ok(heads
                .flat_map(|head| &head[prefix * dim..])
                .copied()
                .collect())
        };
        let output = match file.optional("output") {
            None => None,
            Some(tensor) => {
                tensor.expect_shape([heads, tokens, dim])?;
                Some(last(&tensor)?.into_iter().map(f64::from).collect())
            }
        };
        Ok(Self {
            shape,
            head_dim,
            steps,
            q: last(&q)?,
            k: k.floats()?,
            v: v.floats()?,
            output,
        })
    }
}

/// Splits `[G, P + S, d]` into `[G, P, d]` and `[G, S, d]`.
fn split_tokens(values: &[i16], shape: &AttentionShape, steps: &StepRange) -> (Vec<i16>, Vec<i16>) {
    let d = shape.head_dim();
    let cut = steps.entries_before() * d;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for head in values.chunks_exact(steps.entries_after() * d) {
        before.extend_from_slice(&head[..cut]);
        after.extend_from_slice(&head[cut..]);
    }
    (before, after)
}
