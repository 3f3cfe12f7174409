//! The float forward pass: what a model computed before it was quantized.
//!
//! Everything is `f64`, sums are taken in a fixed order, and functions are those of the `libm` crate:
//! the same input gives the same bits on every machine.

use crate::floats::rotary_angle;
use crate::{FloatModel, ModelError};

/// What a float model computes for a sequence of `S` tokens. Tensors are flattened, last dimension
/// fastest; `stages` is `2 L + 1`. They correspond to those of
/// [`ModelExecution`](crate::ModelExecution).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FloatExecution {
    /// Stages of the stream.
    pub stages: usize,
    /// The residual stream, `[stages, S, C]`.
    pub stream: Vec<f64>,
    /// The normalized stream, before it is multiplied by the weights of a normalization,
    /// `[stages, S, C]`.
    pub normalized: Vec<f64>,
    /// Queries before rotation, `[L, S, H d]`.
    pub rotary_queries: Vec<f64>,
    /// Keys before rotation, `[L, S, G d]`.
    pub rotary_keys: Vec<f64>,
    /// Queries, `[L, S, H d]`.
    pub queries: Vec<f64>,
    /// Keys, `[L, S, G d]`.
    pub keys: Vec<f64>,
    /// Values, `[L, S, G d]`.
    pub values: Vec<f64>,
    /// Outputs of the attention before its output projection, `[L, S, H d]`.
    pub attention: Vec<f64>,
    /// Gates, `[L, S, F]`.
    pub gates: Vec<f64>,
    /// Up projections, `[L, S, F]`.
    pub ups: Vec<f64>,
    /// Activated gates, `[L, S, F]`.
    pub activated: Vec<f64>,
    /// Products of activated gates and up projections, `[L, S, F]`.
    pub gated: Vec<f64>,
    /// Logits, `[S, V]`.
    pub logits: Vec<f64>,
}

/// Runs a sequence of tokens from position 0 on.
///
/// # Errors
/// [`ModelError::NoTokens`], [`ModelError::UnknownToken`] and [`ModelError::PositionLimit`].
pub fn execute_float(model: &FloatModel, tokens: &[u32]) -> Result<FloatExecution, ModelError> {
    let shape = &model.shape;
    crate::parts::check_tokens(shape, tokens)?;
    if tokens.len() > shape.positions() {
        return Err(ModelError::PositionLimit {
            limit: shape.positions(),
            position: 0,
            tokens: tokens.len(),
        });
    }
    let hidden = shape.hidden();
    let mut run = FloatExecution {
        stages: shape.stages(),
        ..FloatExecution::default()
    };
    let mut stream: Vec<f64> = Vec::with_capacity(tokens.len() * hidden);
    for &token in tokens {
        // Tokens were checked against the vocabulary.
        let row = usize::try_from(token).unwrap_or(usize::MAX) * hidden;
        stream.extend(widen(&model.embedding[row..row + hidden]));
    }
    run.stream.extend_from_slice(&stream);
    for layer in &model.layers {
        let input = normalize(model, &stream, &layer.attention_norm, &mut run);
        let attention = attend(model, layer, &input, &mut run);
        add(&mut stream, &multiply(&layer.output, &attention, hidden));
        run.stream.extend_from_slice(&stream);

        let input = normalize(model, &stream, &layer.mlp_norm, &mut run);
        let gates = multiply(&layer.gate, &input, shape.mlp());
        let ups = multiply(&layer.up, &input, shape.mlp());
        let activated: Vec<f64> = gates.iter().map(|&g| model.activation.at(g)).collect();
        let gated: Vec<f64> = activated.iter().zip(&ups).map(|(s, u)| s * u).collect();
        add(&mut stream, &multiply(&layer.down, &gated, hidden));
        run.stream.extend_from_slice(&stream);
        run.gates.extend(gates);
        run.ups.extend(ups);
        run.activated.extend(activated);
        run.gated.extend(gated);
    }
    let input = normalize(model, &stream, &model.final_norm, &mut run);
    run.logits = multiply(&model.head, &input, shape.vocabulary());
    Ok(run)
}

fn widen(values: &[f32]) -> impl Iterator<Item = f64> + '_ {
    values.iter().map(|&x| f64::from(x))
}

pub(crate) fn add(stream: &mut [f64], addend: &[f64]) {
    for (h, x) in stream.iter_mut().zip(addend) {
        *h += x;
    }
}

/// The stream of every token by the root of its mean square.
pub(crate) fn normalized(model: &FloatModel, stream: &[f64]) -> Vec<f64> {
    let hidden = model.shape.hidden();
    let mut out = Vec::with_capacity(stream.len());
    for h in stream.chunks_exact(hidden) {
        let mean = dot(h, h) / hidden as f64;
        let root = libm::sqrt(mean + model.norm_epsilon);
        out.extend(h.iter().map(|x| x / root));
    }
    out
}

/// Normalized values multiplied by the weights of a normalization.
pub(crate) fn weighted(normalized: &[f64], weights: &[f32]) -> Vec<f64> {
    let weights = weights.iter().cycle();
    normalized
        .iter()
        .zip(weights)
        .map(|(x, &w)| x * f64::from(w))
        .collect()
}

/// Records the normalized stream and returns it multiplied by the weights.
fn normalize(
    model: &FloatModel,
    stream: &[f64],
    weights: &[f32],
    run: &mut FloatExecution,
) -> Vec<f64> {
    let values = normalized(model, stream);
    let out = weighted(&values, weights);
    run.normalized.extend(values);
    out
}

/// `x W^T` for `x [S, inputs]` and `W [outputs, inputs]`.
pub(crate) fn multiply(weights: &[f32], x: &[f64], outputs: usize) -> Vec<f64> {
    let inputs = weights.len() / outputs;
    let tokens = x.len() / inputs;
    let mut out = vec![0.0; tokens * outputs];
    for (o, row) in weights.chunks_exact(inputs).enumerate() {
        let row: Vec<f64> = widen(row).collect();
        for (t, x) in x.chunks_exact(inputs).enumerate() {
            out[t * outputs + o] = dot(&row, x);
        }
    }
    out
}

/// A dot product in a fixed order: eight sums side by side, added in pairs at the end.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(rest_a.iter().zip(rest_b)) {
        *sum += x * y;
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = sums;
    ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))
}

fn attend(
    model: &FloatModel,
    layer: &crate::FloatLayer,
    input: &[f64],
    run: &mut FloatExecution,
) -> Vec<f64> {
    let shape = &model.shape;
    let (query_width, kv_width) = (shape.query_width(), shape.kv_width());
    let q = multiply(&layer.query, input, query_width);
    let k = multiply(&layer.key, input, kv_width);
    let v = multiply(&layer.value, input, kv_width);
    let (queries, keys) = (rotate(model, &q, query_width), rotate(model, &k, kv_width));
    let out = attention(model, &queries, &keys, &v);
    run.rotary_queries.extend(q);
    run.rotary_keys.extend(k);
    run.queries.extend(queries);
    run.keys.extend(keys);
    run.values.extend(v);
    run.attention.extend_from_slice(&out);
    out
}

/// Rotates `[S, width]` from position 0 on.
pub(crate) fn rotate(model: &FloatModel, values: &[f64], width: usize) -> Vec<f64> {
    let d = model.shape.attention().head_dim();
    let half = d / 2;
    let mut out = vec![0.0; values.len()];
    for (position, (from, to)) in values
        .chunks_exact(width)
        .zip(out.chunks_exact_mut(width))
        .enumerate()
    {
        for j in 0..half {
            let angle = rotary_angle(position, j, d, model.rope_theta);
            let (cos, sin) = (libm::cos(angle), libm::sin(angle));
            for (from, to) in from.chunks_exact(d).zip(to.chunks_exact_mut(d)) {
                let (x, y) = (from[j], from[j + half]);
                to[j] = x * cos - y * sin;
                to[j + half] = y * cos + x * sin;
            }
        }
    }
    out
}

/// Causal attention over the whole sequence, `[S, H d]`.
pub(crate) fn attention(
    model: &FloatModel,
    queries: &[f64],
    keys: &[f64],
    values: &[f64],
) -> Vec<f64> {
    let shape = model.shape.attention();
    let (d, heads) = (shape.head_dim(), shape.query_heads());
    let (query_width, kv_width) = (heads * d, shape.kv_heads() * d);
    let root = libm::sqrt(d as f64);
    let mut out = vec![0.0; queries.len()];
    for (t, query) in queries.chunks_exact(query_width).enumerate() {
        for h in 0..heads {
            let at = shape.kv_head_of(h) * d;
            let q = &query[h * d..(h + 1) * d];
            let entry = |p: usize| p * kv_width + at..p * kv_width + at + d;
            let scores: Vec<f64> = (0..=t).map(|p| dot(q, &keys[entry(p)]) / root).collect();
            let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| libm::exp(s - maximum)).collect();
            let total: f64 = weights.iter().sum();
            let to = &mut out[t * query_width + h * d..t * query_width + (h + 1) * d];
            for (p, weight) in weights.into_iter().enumerate() {
                for (to, v) in to.iter_mut().zip(&values[entry(p)]) {
                    *to += weight * v;
                }
            }
            for to in to {
                *to /= total;
            }
        }
    }
    out
}
