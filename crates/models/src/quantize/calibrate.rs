//! The ranges of all intermediate values over the calibration text.

use matchmark_graph::ModelShape;

use crate::FloatExecution;

/// What was seen of one kind of value at one node.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Range {
    /// The largest magnitude.
    largest: f64,
    squares: f64,
    count: f64,
}

impl Range {
    /// The largest magnitude; 1 if all are zero, so that a scale can be made of it.
    pub(super) fn largest(self) -> f64 {
        if self.largest > 0.0 {
            self.largest
        } else {
            1.0
        }
    }

    /// The root of the mean square.
    pub(super) fn root_mean_square(self) -> f64 {
        libm::sqrt(self.squares / self.count.max(1.0))
    }

    fn include(&mut self, values: &[f64]) {
        for x in values {
            self.largest = self.largest.max(x.abs());
            self.squares += x * x;
        }
        self.count += values.len() as f64;
    }
}

/// The ranges of all nodes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ranges {
    /// By stage.
    pub(super) stream: Vec<Range>,
    /// By stage.
    pub(super) normalized: Vec<Range>,
    pub(super) layers: Vec<LayerRanges>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LayerRanges {
    pub(super) rotary_query: Range,
    pub(super) rotary_key: Range,
    pub(super) query: Range,
    pub(super) key: Range,
    pub(super) value: Range,
    pub(super) attention: Range,
    pub(super) gate: Range,
    pub(super) up: Range,
    pub(super) gated: Range,
}

impl Ranges {
    pub(super) fn new(shape: &ModelShape) -> Self {
        Self {
            stream: vec![Range::default(); shape.stages()],
            normalized: vec![Range::default(); shape.stages()],
            layers: vec![LayerRanges::default(); shape.layers()],
        }
    }

    /// Widens the ranges by one sequence, whose first `prefix` tokens count for keys and values alone: those are
    /// quantized, and nothing else of them exists.
    pub(super) fn include(&mut self, run: &FloatExecution, prefix: usize, tokens: usize) {
        let include = |ranges: &mut dyn Iterator<Item = &mut Range>, tensor: &[f64], of, skip| {
            let block = tensor.len() / of;
            let width = block / tokens;
            for (range, values) in ranges.zip(tensor.chunks_exact(block)) {
                range.include(&values[skip * width..]);
            }
        };
        let (stages, layers) = (self.stream.len(), self.layers.len());
        include(&mut self.stream.iter_mut(), &run.stream, stages, prefix);
        let normalized = &mut self.normalized.iter_mut();
        include(normalized, &run.normalized, stages, prefix);
        /// A range of a layer, the values of all layers, and how many tokens to skip.
        type Kind<'a> = (fn(&mut LayerRanges) -> &mut Range, &'a [f64], usize);
        let kinds: [Kind<'_>; 9] = [
            (|it| &mut it.rotary_query, &run.rotary_queries, prefix),
            (|it| &mut it.rotary_key, &run.rotary_keys, prefix),
            (|it| &mut it.query, &run.queries, prefix),
            (|it| &mut it.key, &run.keys, 0),
            (|it| &mut it.value, &run.values, 0),
            (|it| &mut it.attention, &run.attention, prefix),
            (|it| &mut it.gate, &run.gates, prefix),
            (|it| &mut it.up, &run.ups, prefix),
            (|it| &mut it.gated, &run.gated, prefix),
        ];
        for (of, tensor, skip) in kinds {
            include(&mut self.layers.iter_mut().map(of), tensor, layers, skip);
        }
    }
}
