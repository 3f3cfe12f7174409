//! The float forward pass: what a model computed before it was quantized.
//!
//! Everything is `f64`, sums are taken in a fixed order, and functions are those of the `libm` crate:
//! the same input gives the same bits on every machine.

use matchmark_graph::{EdgeId, Graph, Linear, Node, NodeId, Operation};

use crate::floats::rotary_angle;
use crate::{FloatMatrix, FloatModel, ModelError};

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

/// Runs a sequence of tokens from position 0 on: a walk over the nodes of the graph.
///
/// # Errors
/// [`ModelError::NoTokens`], [`ModelError::UnknownToken`] and [`ModelError::PositionLimit`].
pub fn execute_float(model: &FloatModel, tokens: &[u32]) -> Result<FloatExecution, ModelError> {
    run(model, tokens, true)
}

/// The logits `[S, V]` of a sequence of tokens from position 0 on, the same as [`execute_float`] gives, in a
/// fraction of its memory: nothing else is kept.
///
/// # Errors
/// As [`execute_float`].
pub fn float_logits(model: &FloatModel, tokens: &[u32]) -> Result<Vec<f64>, ModelError> {
    Ok(run(model, tokens, false)?.logits)
}

fn run(
    model: &FloatModel,
    tokens: &[u32],
    is_recording: bool,
) -> Result<FloatExecution, ModelError> {
    let shape = &model.shape;
    crate::parts::check_tokens(shape, tokens)?;
    if tokens.len() > shape.positions() {
        return Err(ModelError::PositionLimit {
            limit: shape.positions(),
            position: 0,
            tokens: tokens.len(),
        });
    }
    let graph = model.graph();
    let mut run = FloatRun {
        model,
        graph: &graph,
        tokens,
        is_recording,
        edges: vec![Vec::new(); graph.edges().len()],
        execution: FloatExecution {
            stages: shape.stages(),
            ..FloatExecution::default()
        },
    };
    for id in graph.ids() {
        run.visit(id);
    }
    Ok(run.execution)
}

/// A run through the graph.
struct FloatRun<'a> {
    model: &'a FloatModel,
    graph: &'a Graph,
    tokens: &'a [u32],
    /// Whether everything that happens is kept.
    is_recording: bool,
    /// What edges carry, `[S, width]`: stacked matrices give a tensor each, the others one.
    edges: Vec<Vec<Vec<f64>>>,
    execution: FloatExecution,
}

impl FloatRun<'_> {
    fn visit(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let outputs = match node.operation() {
            Operation::Linear(linear) => vec![self.multiply(id, linear)],
            Operation::Stream(_) => self.add_to_stream(node),
            Operation::Rotary(_) => vec![self.rotate(node)],
            Operation::Values(_) => {
                let values = self.take(node.inputs()[0]);
                self.record(|it| &mut it.values, &values[0]);
                vec![values]
            }
            Operation::Attention(_) => vec![self.attend(node)],
            Operation::Gated(_) => vec![self.gate(node)],
            Operation::Argmax(_) => {
                self.execution.logits = self.take(node.inputs()[0]).remove(0);
                vec![]
            }
            Operation::StreamIn(_) | Operation::StreamOut(_) => {
                unreachable!("floats are computed of all layers")
            }
        };
        for (edge, tensors) in node.outputs().iter().zip(outputs) {
            self.edges[edge.index()] = tensors;
        }
        // What no node behind this one takes in is not kept.
        for edge in node.inputs() {
            if self.graph.edge(*edge).to().last() == Some(&id) {
                self.edges[edge.index()].clear();
            }
        }
    }

    /// Keeps what happens, if that is wanted.
    fn record(&mut self, to: fn(&mut FloatExecution) -> &mut Vec<f64>, values: &[f64]) {
        if self.is_recording {
            to(&mut self.execution).extend_from_slice(values);
        }
    }

    /// What an edge carries to the one node that it goes to.
    fn take(&mut self, edge: EdgeId) -> Vec<Vec<f64>> {
        std::mem::take(&mut self.edges[edge.index()])
    }

    fn multiply(&self, id: NodeId, linear: &Linear) -> Vec<Vec<f64>> {
        let hidden = self.model.shape.hidden();
        if !linear.is_summing() {
            let mut stream = Vec::with_capacity(self.tokens.len() * hidden);
            for &token in self.tokens {
                // Tokens were checked against the vocabulary.
                let row = usize::try_from(token).unwrap_or(usize::MAX) * hidden;
                stream.extend(widen(&self.model.embedding[row..row + hidden]));
            }
            return vec![stream];
        }
        let input = &self.edges[self.graph.node(id).inputs()[0].index()][0];
        let names = self.graph.names_of(id).zip(linear.matrices());
        names
            .map(|(name, matrix)| {
                let weights = &self.model.matrices[self.graph.matrix(name)];
                multiply(weights, input, matrix.outputs)
            })
            .collect()
    }

    fn add_to_stream(&mut self, node: &Node) -> Vec<Vec<Vec<f64>>> {
        let mut stream = self.take(node.inputs()[0]).remove(0);
        if let Some(edge) = node.inputs().get(1) {
            let mut sum = self.take(*edge).remove(0);
            add(&mut sum, &stream);
            stream = sum;
        }
        self.record(|it| &mut it.stream, &stream);
        let values = normalized(self.model, &stream);
        let out = weighted(&values, &self.model.norms[node.rank()]);
        self.record(|it| &mut it.normalized, &values);
        vec![vec![stream], vec![out]]
    }

    fn rotate(&mut self, node: &Node) -> Vec<Vec<f64>> {
        let shape = &self.model.shape;
        let accumulators = self.take(node.inputs()[0]);
        let [q, k] = [&accumulators[0], &accumulators[1]];
        let queries = rotate(self.model, q, shape.query_width());
        let keys = rotate(self.model, k, shape.kv_width());
        self.record(|it| &mut it.rotary_queries, q);
        self.record(|it| &mut it.rotary_keys, k);
        self.record(|it| &mut it.queries, &queries);
        self.record(|it| &mut it.keys, &keys);
        vec![queries, keys]
    }

    fn attend(&mut self, node: &Node) -> Vec<Vec<f64>> {
        let [rotated, values] = [0, 1].map(|input| self.take(node.inputs()[input]));
        let out = attention(self.model, &rotated[0], &rotated[1], &values[0]);
        self.record(|it| &mut it.attention, &out);
        vec![out]
    }

    fn gate(&mut self, node: &Node) -> Vec<Vec<f64>> {
        let accumulators = self.take(node.inputs()[0]);
        let [ups, gates] = [&accumulators[0], &accumulators[1]];
        let activation = self.model.activation;
        let activated: Vec<f64> = gates.iter().map(|&g| activation.at(g)).collect();
        let gated: Vec<f64> = activated.iter().zip(ups).map(|(s, u)| s * u).collect();
        self.record(|it| &mut it.gates, gates);
        self.record(|it| &mut it.ups, ups);
        self.record(|it| &mut it.activated, &activated);
        self.record(|it| &mut it.gated, &gated);
        vec![gated]
    }
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

/// `x W^T + b` for `x [S, inputs]` and `W [outputs, inputs]`.
pub(crate) fn multiply(matrix: &FloatMatrix, x: &[f64], outputs: usize) -> Vec<f64> {
    let FloatMatrix { weights, biases } = matrix;
    let inputs = weights.len() / outputs;
    let tokens = x.len() / inputs;
    let mut out = vec![0.0; tokens * outputs];
    for (o, row) in weights.chunks_exact(inputs).enumerate() {
        let row: Vec<f64> = widen(row).collect();
        let bias = biases.get(o).copied().map_or(0.0, f64::from);
        for (t, x) in x.chunks_exact(inputs).enumerate() {
            out[t * outputs + o] = dot(&row, x) + bias;
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
            let angle = rotary_angle(position, j, d, &model.rope);
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
