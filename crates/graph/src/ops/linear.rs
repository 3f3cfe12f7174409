//! Products of weights with a vector, for every token.

use alloc::vec::Vec;
use core::fmt;

use matchmark_quant::QuantError;
use serde::{Deserialize, Serialize};

use crate::edge::EdgeKind;
use crate::numbers::Numbers;

/// What a matrix is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Projection {
    /// From a token to the first stream.
    Embedding,
    /// From normalized values to queries.
    Query,
    /// From normalized values to keys.
    Key,
    /// From normalized values to values.
    Value,
    /// From the outputs of an attention to the stream.
    Output,
    /// From normalized values to gates.
    Gate,
    /// From normalized values to what gates multiply.
    Up,
    /// From gated products to the stream.
    Down,
    /// From normalized values to logits.
    Head,
}

impl Projection {
    /// All of them, in the order of a model's encoding.
    pub const ALL: [Self; 9] = [
        Self::Embedding,
        Self::Query,
        Self::Key,
        Self::Value,
        Self::Output,
        Self::Gate,
        Self::Up,
        Self::Down,
        Self::Head,
    ];

    /// The matrix in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Query => "query projection",
            Self::Key => "key projection",
            Self::Value => "value projection",
            Self::Output => "output projection",
            Self::Gate => "gate projection",
            Self::Up => "up projection",
            Self::Down => "down projection",
            Self::Head => "output head",
        }
    }

    /// Its accumulators in words.
    #[must_use]
    pub const fn accumulator(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Query => "query accumulator",
            Self::Key => "key accumulator",
            Self::Value => "value accumulator",
            Self::Output => "stream accumulator of the attention",
            Self::Gate => "gate accumulator",
            Self::Up => "up accumulator",
            Self::Down => "stream accumulator of the MLP",
            Self::Head => "logit",
        }
    }
}

/// A matrix of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatrixName {
    /// What it is for.
    pub projection: Projection,
    /// Of which layer; `None` before and behind all layers.
    pub layer: Option<usize>,
}

impl MatrixName {
    /// The matrix for this, of this layer.
    #[must_use]
    pub const fn new(projection: Projection, layer: Option<usize>) -> Self {
        Self { projection, layer }
    }

    /// A matrix of a layer.
    #[must_use]
    pub const fn of_layer(projection: Projection, layer: usize) -> Self {
        Self::new(projection, Some(layer))
    }

    /// The embedding.
    pub const EMBEDDING: Self = Self::new(Projection::Embedding, None);
    /// The output head.
    pub const HEAD: Self = Self::new(Projection::Head, None);
}

impl fmt::Display for MatrixName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.projection.name())?;
        match self.layer {
            None => Ok(()),
            Some(layer) => write!(f, " of layer {layer}"),
        }
    }
}

/// A matrix of a node: its use, and how many outputs it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stacked {
    /// What it is for.
    pub projection: Projection,
    /// Number of outputs.
    pub outputs: usize,
}

/// In which order the relation has the outputs of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stacking {
    /// Matrix by matrix.
    Sequential,
    /// The second halves of all heads, then the first halves; heads have so many dimensions.
    Halves(usize),
}

/// Products with one matrix, or with several that take in the same vector, stacked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Linear {
    matrices: Vec<Stacked>,
    stacking: Stacking,
    input: (EdgeKind, usize),
    has_biases: bool,
}

impl Linear {
    /// Matrices that take in a vector of this kind and width, with a bias for each output or without.
    #[must_use]
    pub const fn new(
        matrices: Vec<Stacked>,
        stacking: Stacking,
        input: (EdgeKind, usize),
        has_biases: bool,
    ) -> Self {
        Self {
            matrices,
            stacking,
            input,
            has_biases,
        }
    }

    /// The matrices, in the order in which they are stacked.
    #[must_use]
    pub fn matrices(&self) -> &[Stacked] {
        &self.matrices
    }

    /// Number of outputs of all matrices together.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.matrices.iter().map(|matrix| matrix.outputs).sum()
    }

    /// Number of inputs, without the one that biases have.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        self.input.1
    }

    /// Number of inputs in the relation, where a bias is the weight of an input that is always one.
    #[must_use]
    pub const fn rows_of_weights(&self) -> usize {
        self.input.1 + self.has_biases as usize
    }

    /// What it takes in besides biases.
    #[must_use]
    pub const fn input_kind(&self) -> EdgeKind {
        self.input.0
    }

    /// Whether its outputs have biases.
    #[must_use]
    pub const fn has_biases(&self) -> bool {
        self.has_biases
    }

    /// Which matrix an output of the relation is of, and which of its outputs.
    ///
    /// # Panics
    /// If there is no such output.
    #[must_use]
    pub fn place(&self, output: usize) -> (usize, usize) {
        let mut row = match self.stacking {
            Stacking::Sequential => output,
            Stacking::Halves(dim) => {
                let (half, of_half) = (dim / 2, self.outputs() / 2);
                let (second, index) = (output < of_half, output % of_half);
                let (head, pair) = (index / half, index % half);
                dim * head + pair + if second { half } else { 0 }
            }
        };
        for (place, matrix) in self.matrices.iter().enumerate() {
            if row < matrix.outputs {
                return (place, row);
            }
            row -= matrix.outputs;
        }
        panic!("no output {output} of {}", self.outputs())
    }

    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        let biases = self.has_biases.then_some((EdgeKind::One, 1));
        core::iter::once(self.input).chain(biases).collect()
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, self.outputs())]
    }

    /// Its rows are those of weights, however many tokens there are.
    pub(crate) const fn rows(&self) -> usize {
        0
    }

    /// Whether its accumulators are sums: of one-hot inputs they are weights.
    #[must_use]
    pub const fn is_summing(&self) -> bool {
        !matches!(self.input.0, EdgeKind::Tokens)
    }
}

/// What bounds the accumulators of the matrices of a node; none for those that take in tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearArithmetic {
    /// By matrix.
    pub matrices: Vec<MatrixArithmetic>,
}

/// What bounds the accumulators of a matrix: how large its weights and biases are.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct MatrixArithmetic {
    /// The largest sum of magnitudes of a row, `max_o sum_j |W[o][j]|`.
    pub row_norm: u32,
    /// The largest magnitude of a bias, in units of the accumulators; 0 without biases.
    pub bias: u32,
}

impl LinearArithmetic {
    /// The same bounds for all matrices of an operation.
    #[must_use]
    pub fn uniform(linear: &Linear, matrix: MatrixArithmetic) -> Self {
        let summing = linear.matrices.iter().filter(|_| linear.is_summing());
        Self {
            matrices: summing.map(|_| matrix).collect(),
        }
    }

    // Every number is one of a matrix; what they allow is the bounds' to say.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self)]
    pub(super) const fn check(&self) -> Result<(), QuantError> {
        Ok(())
    }

    pub(super) fn append_numbers(&self, numbers: &mut Vec<u32>) {
        let matrices = self.matrices.iter();
        numbers.extend(matrices.flat_map(|matrix| [matrix.row_norm, matrix.bias]));
    }

    pub(super) fn read(linear: &Linear, numbers: &mut Numbers<'_>) -> Result<Self, QuantError> {
        let mut bounds = Self::uniform(linear, MatrixArithmetic::default());
        for matrix in &mut bounds.matrices {
            matrix.row_norm = numbers.number()?;
            matrix.bias = numbers.number()?;
        }
        Ok(bounds)
    }

    pub(super) fn count(linear: &Linear) -> usize {
        2 * Self::uniform(linear, MatrixArithmetic::default())
            .matrices
            .len()
    }

    pub(super) fn is_of(&self, linear: &Linear) -> bool {
        let expected = Self::uniform(linear, MatrixArithmetic::default());
        let unbiased = self.matrices.iter().all(|matrix| matrix.bias == 0);
        self.matrices.len() == expected.matrices.len() && (linear.has_biases || unbiased)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear(stacking: Stacking, sizes: [usize; 2]) -> Linear {
        let projections = [Projection::Query, Projection::Key];
        let stacked = projections.into_iter().zip(sizes);
        let stacked = stacked.map(|(projection, outputs)| Stacked {
            projection,
            outputs,
        });
        Linear::new(stacked.collect(), stacking, (EdgeKind::Values, 3), false)
    }

    #[test]
    fn places_of_outputs() {
        let one_after_the_other = linear(Stacking::Sequential, [2, 1]);
        let places = [0, 1, 2].map(|output| one_after_the_other.place(output));
        assert_eq!(places, [(0, 0), (0, 1), (1, 0)]);
        // Two heads of queries and one of keys, of four dimensions: their second halves come first.
        let halves = linear(Stacking::Halves(4), [8, 4]);
        let places: Vec<_> = (0..12).map(|output| halves.place(output)).collect();
        let [q, k] = [0, 1];
        assert_eq!(
            places,
            [
                (q, 2),
                (q, 3),
                (q, 6),
                (q, 7),
                (k, 2),
                (k, 3),
                (q, 0),
                (q, 1),
                (q, 4),
                (q, 5),
                (k, 0),
                (k, 1),
            ]
        );
    }

    #[test]
    fn projections_are_in_order() {
        assert!(Projection::ALL.is_sorted());
    }
}
