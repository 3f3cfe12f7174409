//! Where an integer model leaves its floats, by layer and operation.

use std::collections::BTreeMap;

use matchmark_graph::{MatrixName, Projection};
use serde::Serialize;

use crate::float_run::{add, attention, multiply, normalized, rotate, weighted};
use crate::{FloatExecution, FloatModel, IntegerModel, ModelExecution, Operation};

/// How far the results of one operation are from the floats: the Euclidean norm of the difference by that
/// of the float results, over a whole text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OperationError {
    /// The layer, where the operation belongs to one.
    pub layer: Option<usize>,
    /// The operation.
    pub operation: Operation,
    /// Against the float pass: everything that went wrong up to here.
    pub accumulated: f64,
    /// Against the float operation on the integers that went in: what goes wrong here.
    pub own: f64,
}

/// Squares of differences and of results.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Squares {
    difference: f64,
    result: f64,
}

impl Squares {
    fn include(&mut self, got: &[f64], expected: &[f64]) {
        for (got, expected) in got.iter().zip(expected) {
            self.difference += (got - expected) * (got - expected);
            self.result += expected * expected;
        }
    }

    fn relative(self) -> f64 {
        if self.result > 0.0 {
            libm::sqrt(self.difference / self.result)
        } else {
            libm::sqrt(self.difference)
        }
    }
}

/// Errors so far, in the order of the computation: by layer, those without a layer at the ends.
#[derive(Debug, Default)]
pub(super) struct ErrorTally(BTreeMap<(usize, Operation), (Squares, Squares)>);

/// One sequence of an integer model as floats, with the floats that belong to it.
struct Compared<'a> {
    tally: &'a mut ErrorTally,
    /// The integers, dequantized.
    got: &'a FloatExecution,
    /// The float pass.
    float: &'a FloatExecution,
    /// Number of tokens, and how many of them are the prefix: those count nowhere.
    tokens: usize,
    prefix: usize,
}

impl ErrorTally {
    pub(super) fn finish(self) -> Vec<OperationError> {
        let errors = self.0.into_iter();
        errors
            .map(|((layer, operation), (accumulated, own))| OperationError {
                layer: (1..=LAST).contains(&layer).then(|| layer - 1),
                operation,
                accumulated: accumulated.relative(),
                own: own.relative(),
            })
            .collect()
    }

    /// Adds one sequence.
    pub(super) fn include(
        &mut self,
        model: &IntegerModel,
        floats: &FloatModel,
        execution: &ModelExecution,
        float: &FloatExecution,
    ) {
        let prefix = model.prefix().tokens.len();
        let tokens = prefix + execution.tokens.len();
        let got = after_prefix(dequantize(model, execution), float, prefix, tokens);
        let mut compared = Compared {
            tally: self,
            got: &got,
            float,
            tokens,
            prefix,
        };
        compared.all(floats);
    }
}

/// Layers have the numbers 1 to this in the order of the tally; what has none stands before or after.
const LAST: usize = 1 << 20;

impl Compared<'_> {
    fn all(&mut self, floats: &FloatModel) {
        let stages = floats.shape.stages();
        let tensor = |run: &FloatExecution| run.stream.len() / stages;
        let block = tensor(self.got);
        let token: Vec<f64> = self.float.stream[..block].to_vec();
        self.record(
            (0, Operation::Embedding),
            |run| &run.stream,
            0,
            stages,
            &token,
        );
        for layer in 0..floats.shape.layers() {
            self.layer(floats, layer);
        }
        let last = part(&self.got.stream, stages - 1, stages);
        let n = normalized(floats, last);
        let at = (LAST + 1, Operation::FinalNorm);
        self.record(at, |run| &run.normalized, stages - 1, stages, &n);
        let n = part(&self.got.normalized, stages - 1, stages);
        let input = weighted(n, &floats.norms[stages - 1]);
        let head = floats.matrix(MatrixName::HEAD);
        let logits = multiply(head, &input, floats.shape.vocabulary());
        let at = (LAST + 1, Operation::Logits);
        self.record(at, |run| &run.logits, 0, 1, &logits);
    }

    fn layer(&mut self, floats: &FloatModel, l: usize) {
        let shape = &floats.shape;
        let matrix = |projection| floats.matrix(MatrixName::of_layer(projection, l));
        let (layers, stages) = (shape.layers(), shape.stages());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        let at = |operation| (l + 1, operation);
        let got = self.got;
        let of_layer = |tensor| part(tensor, l, layers);
        let stage = |tensor, stage| part(tensor, stage, stages);

        let n = normalized(floats, stage(&got.stream, 2 * l));
        self.record(
            at(Operation::AttentionNorm),
            |run| &run.normalized,
            2 * l,
            stages,
            &n,
        );
        let input = weighted(stage(&got.normalized, 2 * l), &floats.norms[2 * l]);
        let q = multiply(matrix(Projection::Query), &input, query);
        self.record(
            at(Operation::Query),
            |run| &run.rotary_queries,
            l,
            layers,
            &q,
        );
        let k = multiply(matrix(Projection::Key), &input, kv);
        self.record(at(Operation::Key), |run| &run.rotary_keys, l, layers, &k);
        let v = multiply(matrix(Projection::Value), &input, kv);
        self.record(at(Operation::Value), |run| &run.values, l, layers, &v);
        let q = rotate(floats, of_layer(&got.rotary_queries), query);
        self.record(
            at(Operation::RotatedQuery),
            |run| &run.queries,
            l,
            layers,
            &q,
        );
        let k = rotate(floats, of_layer(&got.rotary_keys), kv);
        self.record(at(Operation::RotatedKey), |run| &run.keys, l, layers, &k);
        let (q, k, v) = (&got.queries, &got.keys, &got.values);
        let out = attention(floats, of_layer(q), of_layer(k), of_layer(v));
        self.record(
            at(Operation::Attention),
            |run| &run.attention,
            l,
            layers,
            &out,
        );
        let mut h = stage(&got.stream, 2 * l).to_vec();
        add(
            &mut h,
            &multiply(
                matrix(Projection::Output),
                of_layer(&got.attention),
                shape.hidden(),
            ),
        );
        self.record(
            at(Operation::AttentionOutput),
            |run| &run.stream,
            2 * l + 1,
            stages,
            &h,
        );

        let n = normalized(floats, stage(&got.stream, 2 * l + 1));
        self.record(
            at(Operation::MlpNorm),
            |run| &run.normalized,
            2 * l + 1,
            stages,
            &n,
        );
        let input = weighted(stage(&got.normalized, 2 * l + 1), &floats.norms[2 * l + 1]);
        let gates = multiply(matrix(Projection::Gate), &input, shape.mlp());
        self.record(at(Operation::Gate), |run| &run.gates, l, layers, &gates);
        let ups = multiply(matrix(Projection::Up), &input, shape.mlp());
        self.record(at(Operation::Up), |run| &run.ups, l, layers, &ups);
        let activation = floats.activation;
        let activated: Vec<f64> = of_layer(&got.gates)
            .iter()
            .map(|&g| activation.at(g))
            .collect();
        self.record(
            at(Operation::Activation),
            |run| &run.activated,
            l,
            layers,
            &activated,
        );
        let products = of_layer(&got.activated).iter().zip(of_layer(&got.ups));
        let gated: Vec<f64> = products.map(|(s, u)| s * u).collect();
        self.record(at(Operation::Gated), |run| &run.gated, l, layers, &gated);
        let mut h = stage(&got.stream, 2 * l + 1).to_vec();
        add(
            &mut h,
            &multiply(
                matrix(Projection::Down),
                of_layer(&got.gated),
                shape.hidden(),
            ),
        );
        self.record(
            at(Operation::MlpOutput),
            |run| &run.stream,
            2 * l + 2,
            stages,
            &h,
        );
    }

    /// Compares part `index` of `count` of a tensor with the float pass and with what the float operation
    /// makes of the integers that went in.
    fn record(
        &mut self,
        at: (usize, Operation),
        tensor: fn(&FloatExecution) -> &Vec<f64>,
        index: usize,
        count: usize,
        own: &[f64],
    ) {
        let got = part(tensor(self.got), index, count);
        let float = part(tensor(self.float), index, count);
        let skip = self.prefix * (got.len() / self.tokens);
        let (accumulated, here) = self.tally.0.entry(at).or_default();
        accumulated.include(&got[skip..], &float[skip..]);
        here.include(&got[skip..], &own[skip..]);
    }
}

/// Part `index` of a tensor of `count` equal parts.
fn part(tensor: &[f64], index: usize, count: usize) -> &[f64] {
    let block = tensor.len() / count;
    &tensor[index * block..(index + 1) * block]
}

/// The integers of an execution times their scales.
fn dequantize(model: &IntegerModel, execution: &ModelExecution) -> FloatExecution {
    let (shape, scales) = (model.shape(), model.scales());
    let layers = &scales.layers;
    let all = |tensor: &[i32], scale_of: &dyn Fn(usize) -> f64, count: usize| -> Vec<f64> {
        let block = tensor.len() / count;
        let blocks = tensor.chunks_exact(block).enumerate();
        blocks
            .flat_map(|(index, block)| {
                let scale = scale_of(index);
                block.iter().map(move |&x| f64::from(x) * scale)
            })
            .collect()
    };
    let (l, stages) = (shape.layers(), shape.stages());
    let activation = model.tables().activation.output_scale().get();
    let attention = &execution.attention;
    let by_token = |tensor: &[i16]| by_token(tensor, l, shape.attention().head_dim(), execution);
    FloatExecution {
        stages,
        stream: all(
            &execution.stream,
            &|stage| scales.stream[stage].get(),
            stages,
        ),
        normalized: all(
            &execution.normalized,
            &|stage| scales.normalized[stage].get(),
            stages,
        ),
        rotary_queries: all(
            &execution.rotary_queries,
            &|i| layers[i].rotary_query.get(),
            l,
        ),
        rotary_keys: all(&execution.rotary_keys, &|i| layers[i].rotary_key.get(), l),
        queries: all(&by_token(&attention.q), &|i| layers[i].query.get(), l),
        keys: all(&by_token(&attention.k), &|i| layers[i].key.get(), l),
        values: all(&by_token(&attention.v), &|i| layers[i].value.get(), l),
        attention: all(&by_token(&attention.out), &|i| layers[i].value.get(), l),
        gates: all(&execution.gates, &|_| scales.gate.get(), l),
        ups: all(&execution.ups, &|i| layers[i].up.get(), l),
        activated: all(&execution.activated, &|_| activation, l),
        gated: all(&execution.gated, &|i| layers[i].gated.get(), l),
        logits: all(&execution.logits, &|_| scales.logits.get(), 1),
    }
}

/// An execution with the values of the float pass for the prefix, which it did not compute.
fn after_prefix(
    got: FloatExecution,
    float: &FloatExecution,
    prefix: usize,
    tokens: usize,
) -> FloatExecution {
    let joined = |got: Vec<f64>, float: &[f64], count: usize| -> Vec<f64> {
        if prefix == 0 {
            return got;
        }
        let block = float.len() / count;
        let first = prefix * (block / tokens);
        let parts = float.chunks_exact(block);
        let parts = parts.zip(got.chunks_exact(block - first));
        parts
            .flat_map(|(float, got)| [&float[..first], got].concat())
            .collect()
    };
    let stages = float.stages;
    let layers = (stages - 1) / 2;
    FloatExecution {
        stages,
        stream: joined(got.stream, &float.stream, stages),
        normalized: joined(got.normalized, &float.normalized, stages),
        rotary_queries: joined(got.rotary_queries, &float.rotary_queries, layers),
        rotary_keys: joined(got.rotary_keys, &float.rotary_keys, layers),
        queries: joined(got.queries, &float.queries, layers),
        keys: joined(got.keys, &float.keys, layers),
        values: joined(got.values, &float.values, layers),
        attention: joined(got.attention, &float.attention, layers),
        gates: joined(got.gates, &float.gates, layers),
        ups: joined(got.ups, &float.ups, layers),
        activated: joined(got.activated, &float.activated, layers),
        gated: joined(got.gated, &float.gated, layers),
        logits: joined(got.logits, &float.logits, 1),
    }
}

/// From `[L heads, S, d]` to `[L, S, heads d]`.
fn by_token(tensor: &[i16], layers: usize, d: usize, execution: &ModelExecution) -> Vec<i32> {
    let s = execution.steps.steps();
    let mut out = Vec::with_capacity(tensor.len());
    for layer in tensor.chunks_exact(tensor.len() / layers) {
        for t in 0..s {
            for head in layer.chunks_exact(s * d) {
                out.extend(head[t * d..(t + 1) * d].iter().map(|&x| i32::from(x)));
            }
        }
    }
    out
}
