//! The semantics of a decoder written down a second time, sentence by sentence, on 128-bit integers,
//! one token after another. It shares no code with the crate's execution.

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
            (0..matrix.inputs())
                .map(|j| i128::from(matrix.weight(o, j)) * input[j])
                .sum()
        })
        .collect()
}

pub fn run(model: &IntegerModel, tokens: &[u32]) -> Vec<NaiveToken> {
    let (shape, arithmetic) = (model.shape(), model.arithmetic());
    let (shifts, m) = (
        arithmetic.shifts(),
        i128::from(arithmetic.value_bits().max_value()),
    );
    let attention = shape.attention();
    let (d, group) = (attention.head_dim(), attention.group_size());
    let value = |x, shift| clamp_rescale(x, shift, -m, m);
    let norm = |h: &[i128], epsilon: u32| -> Vec<i128> {
        let sum: i128 = h.iter().map(|x| x * x).sum();
        let q = sum / 16_384 + i128::from(epsilon);
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
            .map(|x| value(x * r, shifts.norm + u8::try_from(e).unwrap()))
            .collect()
    };
    let rotary = |x: i128, y: i128, position: usize, j: usize| {
        let (cos, sin) = model.tables().rotary.get(position, j).unwrap();
        let (cos, sin) = (i128::from(cos), i128::from(sin));
        (
            value(x * cos - y * sin, shifts.rotation),
            value(y * cos + x * sin, shifts.rotation),
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
    let mut cache: Vec<Vec<(Vec<i128>, Vec<i128>)>> = vec![Vec::new(); shape.layers()];
    let mut out = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        let row = token as usize * shape.hidden();
        let mut h: Vec<i128> = model.embedding()[row..row + shape.hidden()]
            .iter()
            .map(|&x| i128::from(x))
            .collect();
        let (mut streams, mut normalized) = (vec![h.clone()], Vec::new());
        for (layer, cache) in cache.iter_mut().enumerate() {
            let w = model.layer(layer);
            let epsilon = match layer {
                0 => arithmetic.embedding_epsilon(),
                _ => arithmetic.norm_epsilon(),
            };
            let n = norm(&h, epsilon);
            let before = |x: &i128| clamp_rescale(*x, shifts.rotary_input, -4096, 4095);
            let q: Vec<i128> = multiply(w.q(), &n).iter().map(before).collect();
            let k: Vec<i128> = multiply(w.k(), &n).iter().map(before).collect();
            let v: Vec<i128> = multiply(w.v(), &n)
                .iter()
                .map(|&x| value(x, shifts.value))
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
            let add = |h: &[i128], shift: u8, accumulators: Vec<i128>| -> Vec<i128> {
                h.iter()
                    .zip(accumulators)
                    .map(|(h, x)| {
                        clamp_rescale(x + h * (1 << shift), shifts.stream, -16_384, 16_383)
                    })
                    .collect()
            };
            normalized.push(n);
            let carried = if layer == 0 {
                shifts.embedding
            } else {
                shifts.stream
            };
            h = add(&h, carried, multiply(w.o(), &heads));
            streams.push(h.clone());
            let n = norm(&h, arithmetic.norm_epsilon());
            let gate = multiply(w.gate(), &n);
            let up = multiply(w.up(), &n);
            let gated: Vec<i128> = gate
                .iter()
                .zip(up)
                .map(|(&g, u)| {
                    let g = value(g, shifts.gate);
                    let s = model.tables().activation.entries()[usize::try_from(g + m).unwrap()];
                    value(i128::from(s) * value(u, shifts.up), shifts.gated)
                })
                .collect();
            normalized.push(n);
            h = add(&h, shifts.stream, multiply(w.down(), &gated));
            streams.push(h.clone());
        }
        let n = norm(&h, arithmetic.norm_epsilon());
        let logits = multiply(model.head(), &n);
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
