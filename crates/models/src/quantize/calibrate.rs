//! The ranges of all intermediate values over the calibration text.

use matchmark_quant::ModelShape;

use crate::FloatExecution;

/// The largest magnitude of each kind of value; of those that belong to a layer, by layer and channel.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranges {
    pub(super) embedding: f64,
    pub(super) stream: f64,
    pub(super) normalized: f64,
    pub(super) layers: Vec<LayerRanges>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayerRanges {
    pub(super) rotary_query: Vec<f64>,
    pub(super) rotary_key: Vec<f64>,
    pub(super) query: Vec<f64>,
    pub(super) key: Vec<f64>,
    pub(super) value: Vec<f64>,
    pub(super) gate: Vec<f64>,
    pub(super) up: Vec<f64>,
    pub(super) gated: Vec<f64>,
    /// Sum of the squares of the attention's outputs, and their number.
    attention: (f64, f64),
}

impl LayerRanges {
    /// The root of the mean square of the attention's outputs; 1 if all are zero.
    pub(super) fn attention(&self) -> f64 {
        let (sum, count) = self.attention;
        if sum > 0.0 {
            libm::sqrt(sum / count)
        } else {
            1.0
        }
    }
}

impl Ranges {
    pub(super) fn new(shape: &ModelShape) -> Self {
        let zeros = |width| vec![0.0; width];
        let (query, kv, mlp) = (shape.query_width(), shape.kv_width(), shape.mlp());
        let layer = LayerRanges {
            rotary_query: zeros(query),
            rotary_key: zeros(kv),
            query: zeros(query),
            key: zeros(kv),
            value: zeros(kv),
            gate: zeros(mlp),
            up: zeros(mlp),
            gated: zeros(mlp),
            attention: (0.0, 0.0),
        };
        Self {
            embedding: 0.0,
            stream: 0.0,
            normalized: 0.0,
            layers: vec![layer; shape.layers()],
        }
    }

    /// Widens the ranges by one sequence.
    pub(super) fn include(&mut self, shape: &ModelShape, run: &FloatExecution) {
        let (embedding, stream) = run.stream.split_at(run.stream.len() / shape.stages());
        self.embedding = embedding.iter().fold(self.embedding, larger);
        self.stream = stream.iter().fold(self.stream, larger);
        self.normalized = run.normalized.iter().fold(self.normalized, larger);
        for (l, layer) in self.layers.iter_mut().enumerate() {
            let block = run.attention.len() / shape.layers();
            for x in &run.attention[l * block..(l + 1) * block] {
                layer.attention.0 += x * x;
                layer.attention.1 += 1.0;
            }
            for (ranges, tensor) in [
                (&mut layer.rotary_query, &run.rotary_queries),
                (&mut layer.rotary_key, &run.rotary_keys),
                (&mut layer.query, &run.queries),
                (&mut layer.key, &run.keys),
                (&mut layer.value, &run.values),
                (&mut layer.gate, &run.gates),
                (&mut layer.up, &run.ups),
                (&mut layer.gated, &run.gated),
            ] {
                let block = tensor.len() / shape.layers();
                for token in tensor[l * block..(l + 1) * block].chunks_exact(ranges.len()) {
                    for (range, value) in ranges.iter_mut().zip(token) {
                        *range = larger(*range, value);
                    }
                }
            }
        }
    }
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "a function for folds over slices"
)]
fn larger(range: f64, value: &f64) -> f64 {
    range.max(value.abs())
}

/// The largest of some ranges; 1 if all are zero, so that a scale can be made of it.
pub(super) fn largest<'a>(ranges: impl IntoIterator<Item = &'a f64>) -> f64 {
    let largest = ranges.into_iter().fold(0.0, larger);
    if largest > 0.0 {
        largest
    } else {
        1.0
    }
}

/// The root of the mean square; 1 if all numbers are zero.
pub(super) fn root_mean_square(numbers: &[f64]) -> f64 {
    let sum: f64 = numbers.iter().map(|x| x * x).sum();
    if sum > 0.0 {
        libm::sqrt(sum / numbers.len() as f64)
    } else {
        1.0
    }
}
