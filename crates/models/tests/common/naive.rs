//! The semantics of a decoder written down a second time, sentence by sentence, on 128-bit integers,
//! one token after another. It shares no code with the crate's execution.

use matchmark_models::graph::{Kind, MatrixName, NormArithmetic, Projection, StreamArithmetic};
use matchmark_models::{IntegerModel, Matrix};

/// What comes of one token.
#[derive(Debug, PartialEq)]
pub struct NaiveToken {
    pub streams: Vec<Vec<i128>>,
    pub normalized: Vec<Vec<i128>>,
    pub logits: Vec<i128>,
    pub choice: usize,
}

fn clamp_rescale(x: i128, shift: u8, min: i128, max: i128) -> i128 {
    let value = (2 * x + (1 << shift)).div_euclid(2 << shift);
    value.max(min).min(max)
}

fn multiply(matrix: &Matrix, input: &[i128]) -> Vec<i128> {
    (0..matrix.outputs())
        .map(|o| {
            let products = (0..matrix.inputs()).map(|j| i128::from(matrix.weight(o, j)) * input[j]);
            products.sum::<i128>() + i128::from(matrix.bias(o))
        })
        .collect()
}

/// The cache of one layer: keys and values of each entry, `[G d]` each.
type Cache = Vec<(Vec<i128>, Vec<i128>)>;

/// The caches of all layers after the model's prefix.
fn after_prefix(model: &IntegerModel) -> Vec<Cache> {
    let prefix = model.prefix();
    let (g, d) = (
        model.shape().attention().kv_heads(),
        model.shape().attention().head_dim(),
    );
    let of_layer = |layer: usize| {
        (0..prefix.tokens.len()).map(move |entry| {
            let row = |heads: &dyn Fn(usize) -> Vec<i16>| -> Vec<i128> {
                let heads = (layer * g..(layer + 1) * g).map(heads);
                heads
                    .flat_map(|head| head[entry * d..(entry + 1) * d].to_vec())
                    .map(i128::from)
                    .collect()
            };
            (
                row(&|head| prefix.cache.keys(head).to_vec()),
                row(&|head| prefix.cache.values(head).to_vec()),
            )
        })
    };
    let layers = 0..model.shape().layers();
    layers.map(|layer| of_layer(layer).collect()).collect()
}

/// What comes of tokens after the model's prefix.
pub fn run(model: &IntegerModel, tokens: &[u32]) -> Vec<NaiveToken> {
    let (shape, graph, arithmetic) = (model.shape(), model.graph(), model.arithmetic());
    let rotation = arithmetic.parts().rotation;
    let b = arithmetic.value_bits().get();
    let m = (1i128 << (b - 1)) - 1;
    // Gates have one bit more, at most 12.
    let gate_limit = (1i128 << (b.min(11))) - 1;
    let attention = shape.attention();
    let (d, group) = (attention.head_dim(), attention.group_size());
    let value = |x, shift| clamp_rescale(x, shift, -m, m);
    let norm = |h: &[i128], NormArithmetic { shift, epsilon }| -> Vec<i128> {
        let sum: i128 = h.iter().map(|x| x * x).sum();
        let q = sum / 32_768 + i128::from(epsilon);
        let mut e = 0;
        while q >= 16_384 * 4i128.pow(e) {
            e += 1;
        }
        let mantissa = q / 4i128.pow(e);
        // The largest R with R^2 m <= 2^34, at most 2^15 - 1.
        let mut r = 32_767i128;
        while r * r * mantissa.max(1) > 1 << 34 {
            r -= 1;
        }
        h.iter()
            .map(|x| value(x * r, shift + u8::try_from(e).unwrap()))
            .collect()
    };
    let rotary = |x: i128, y: i128, position: usize, j: usize| {
        let (cos, sin) = model.tables().rotary.get(position, j).unwrap();
        let (cos, sin) = (i128::from(cos), i128::from(sin));
        (
            value(x * cos - y * sin, rotation),
            value(y * cos + x * sin, rotation),
        )
    };
    let rotate = |all: &[i128], position: usize| -> Vec<i128> {
        let mut out = all.to_vec();
        for head in 0..all.len() / d {
            for j in 0..d / 2 {
                let (a, b) = (head * d + j, head * d + j + d / 2);
                (out[a], out[b]) = rotary(all[a], all[b], position, j);
            }
        }
        out
    };
    let weights = model.tables().weights.entries();
    let step = i128::from(arithmetic.score_step().get());
    let stage = |stage| arithmetic.stream(graph.nth(Kind::Stream, stage));
    let mut cache = after_prefix(model);
    let first = model.prefix().tokens.len();
    let mut out = Vec::new();
    for (position, &token) in (first..).zip(tokens) {
        let row = token as usize * shape.hidden();
        let mut h: Vec<i128> = model.embedding()[row..row + shape.hidden()]
            .iter()
            .map(|&x| i128::from(x))
            .collect();
        let (mut streams, mut normalized) = (vec![h.clone()], Vec::new());
        for (layer, cache) in cache.iter_mut().enumerate() {
            let matrix = |projection| model.matrix(MatrixName::of_layer(projection, layer));
            let rotary = arithmetic.rotary(graph.nth(Kind::Rotary, layer));
            let gating = arithmetic.gated(graph.nth(Kind::Gated, layer));
            let n = norm(&h, stage(2 * layer).norm);
            let before = |accumulators: Vec<i128>, shift: u8| -> Vec<i128> {
                let all = accumulators.into_iter();
                all.map(|x| clamp_rescale(x, shift, -4096, 4095)).collect()
            };
            let q = before(multiply(matrix(Projection::Query), &n), rotary.query);
            let k = before(multiply(matrix(Projection::Key), &n), rotary.key);
            let values = arithmetic.values(graph.nth(Kind::Values, layer));
            let v: Vec<i128> = multiply(matrix(Projection::Value), &n)
                .iter()
                .map(|&x| value(x, values.shift))
                .collect();
            let q = rotate(&q, position);
            cache.push((rotate(&k, position), v));
            let mut heads = Vec::new();
            for head in 0..attention.query_heads() {
                let kv = head / group * d;
                let query = &q[head * d..(head + 1) * d];
                let scores: Vec<i128> = cache
                    .iter()
                    .map(|(k, _)| (0..d).map(|c| query[c] * k[kv + c]).sum())
                    .collect();
                let maximum = scores.iter().max().unwrap();
                let weight: Vec<i128> = scores
                    .iter()
                    .map(|s| {
                        let index = ((maximum - s) / step).min(weights.len() as i128 - 1);
                        i128::from(weights[usize::try_from(index).unwrap()])
                    })
                    .collect();
                let z: i128 = weight.iter().sum();
                for c in 0..d {
                    let numerator: i128 = weight
                        .iter()
                        .zip(cache.iter())
                        .map(|(w, (_, v))| w * v[kv + c])
                        .sum();
                    heads.push((2 * numerator + z).div_euclid(2 * z));
                }
            }
            let add = |h: &[i128], accumulators: Vec<i128>, node: &StreamArithmetic| {
                let sums = h.iter().zip(accumulators);
                let sums = sums.map(|(h, x)| x + h * (1 << node.before.unwrap()));
                sums.map(|x| clamp_rescale(x, node.shift, -32_768, 32_767))
                    .collect::<Vec<i128>>()
            };
            normalized.push(n);
            h = add(
                &h,
                multiply(matrix(Projection::Output), &heads),
                stage(2 * layer + 1),
            );
            streams.push(h.clone());
            let n = norm(&h, stage(2 * layer + 1).norm);
            let gate = multiply(matrix(Projection::Gate), &n);
            let up = multiply(matrix(Projection::Up), &n);
            let activation = model.tables().activation.entries();
            let gated: Vec<i128> = gate
                .iter()
                .zip(up)
                .map(|(&g, u)| {
                    let g = clamp_rescale(g, gating.gate, -gate_limit, gate_limit);
                    let s = activation[usize::try_from(g + gate_limit).unwrap()];
                    // Two bits more than values, two's complement.
                    let end = 1 << (b + 1);
                    let product = i128::from(s) * value(u, gating.up);
                    clamp_rescale(product, gating.product, -end, end - 1)
                })
                .collect();
            normalized.push(n);
            h = add(
                &h,
                multiply(matrix(Projection::Down), &gated),
                stage(2 * layer + 2),
            );
            streams.push(h.clone());
        }
        let n = norm(&h, stage(shape.stages() - 1).norm);
        let logits = multiply(model.matrix(MatrixName::HEAD), &n);
        normalized.push(n);
        let maximum = logits.iter().max().unwrap();
        let choice = logits.iter().position(|x| x == maximum).unwrap();
        out.push(NaiveToken {
            streams,
            normalized,
            logits,
            choice,
        });
    }
    out
}
