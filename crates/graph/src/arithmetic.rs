//! Widths, shifts and constants of a decoder's arithmetic, for every node of its graph.

use alloc::vec::Vec;

use matchmark_quant::{QuantError, ScoreStep, TaggedSha256, ValueBits, RSQRT_LOG_LEN};
use serde::{Deserialize, Serialize};

use crate::limits::{SQUARE_SHIFT, STREAM_BITS};
use crate::numbers::{self, in_range, Numbers};
use crate::ops::{stream, NoConstants, NodeArithmetic, Operation};
use crate::terms::{self, ArithmeticId, ArithmeticTerms};
use crate::{
    GatedArithmetic, Graph, Kind, LayerGroup, LinearArithmetic, MatrixArithmetic, MatrixName,
    ModelShape, Node, NodeId, NormArithmetic, RotaryArithmetic, StreamArithmetic, ValuesArithmetic,
};

/// Widths, shifts and constants of a decoder's arithmetic, node by node; part of a model's identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "ModelArithmeticParts", into = "ModelArithmeticParts")]
pub struct ModelArithmetic {
    parts: ModelArithmeticParts,
    terms: ArithmeticTerms,
}

/// What a [`ModelArithmetic`] is made of. Plain numbers: [`ModelArithmetic::new`] checks them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelArithmeticParts {
    /// `b`, the width of values.
    pub value_bits: ValueBits,
    /// Shift of rotated queries and keys, the same in all layers: 1 to 14.
    pub rotation: u8,
    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    pub score_step: ScoreStep,
    /// The constants of every node, in the order of the graph.
    pub nodes: Vec<NodeArithmetic>,
}

macro_rules! constants_of {
    ($($(#[$meta:meta])* $kind:ident, $constants:ty, $get:ident, $get_mut:ident;)+) => {
        impl ModelArithmetic {
            $(
                $(#[$meta])*
                ///
                /// # Panics
                /// If the node is another one.
                #[must_use]
                pub fn $get(&self, id: NodeId) -> &$constants {
                    match self.node(id) {
                        NodeArithmetic::$kind(constants) => constants,
                        other => panic!("{id:?} is of the kind {:?}", other.kind()),
                    }
                }
            )+
        }

        impl ModelArithmeticParts {
            $(
                $(#[$meta])*
                /// By its place among the nodes of its kind.
                ///
                /// # Panics
                /// If there are not so many.
                pub fn $get_mut(&mut self, rank: usize) -> &mut $constants {
                    let of_kind = self.nodes.iter_mut().filter_map(|node| match node {
                        NodeArithmetic::$kind(constants) => Some(constants),
                        other if other.kind() != Kind::$kind => None,
                        other => unreachable!("{other:?} is of its kind"),
                    });
                    match of_kind.skip(rank).next() {
                        Some(constants) => constants,
                        None => panic!("no node {rank} of the kind {:?}", Kind::$kind),
                    }
                }
            )+
        }
    };
}

constants_of! {
    /// The bounds of the matrices of a node.
    Linear, LinearArithmetic, linear, linear_mut;
    /// The constants of a stage of the stream.
    Stream, StreamArithmetic, stream, stream_mut;
    /// The shifts of queries and keys.
    Rotary, RotaryArithmetic, rotary, rotary_mut;
    /// The shift of values.
    Values, ValuesArithmetic, values, values_mut;
    /// The shifts of gated products.
    Gated, GatedArithmetic, gated, gated_mut;
}

impl ModelArithmetic {
    /// Largest shift of every kind but that of normalization.
    pub const MAX_SHIFT: u8 = numbers::MAX_SHIFT;
    /// Smallest shift of normalization: the excess of normalized values, below
    /// `2^(NORM_PRODUCT_BITS - 11)`, then has at most 15 bits, as that of all other values.
    pub const MIN_NORM_SHIFT: u8 = stream::MIN_NORM_SHIFT;
    /// Largest shift of normalization.
    pub const MAX_NORM_SHIFT: u8 = stream::MAX_NORM_SHIFT;
    /// Largest exponent of a sum of squares.
    pub const MAX_NORM_EXPONENT: u8 = terms::MAX_NORM_EXPONENT;
    /// Epsilon of normalization stays below this.
    pub const NORM_EPSILON_LIMIT: u32 = stream::NORM_EPSILON_LIMIT;
    /// The value width in use where nothing else is said: 11 bits.
    pub const DEFAULT_VALUE_BITS: u8 = 11;
    /// Gated products have so many bits more than values.
    pub const GATED_EXTRA_BITS: u8 = terms::GATED_EXTRA_BITS;

    /// Checks the numbers and puts them together.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`], naming the number.
    pub fn new(parts: ModelArithmeticParts) -> Result<Self, QuantError> {
        parts.nodes.iter().try_for_each(NodeArithmetic::check)?;
        let identity = parts.identity();
        let terms =
            ArithmeticTerms::new(parts.value_bits, parts.rotation, parts.score_step, identity)?;
        Ok(Self { parts, terms })
    }

    /// Every node of the graph has its constants, and there are no others.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for another number of nodes, or a node of another kind.
    pub fn check_graph(&self, graph: &Graph) -> Result<(), QuantError> {
        let (expected, got) = (graph.nodes().len() as u64, self.parts.nodes.len() as u64);
        in_range("number of nodes of an arithmetic", got, expected, expected)?;
        let nodes = graph.nodes().iter().zip(&self.parts.nodes);
        let fitting = nodes.take_while(|(node, own)| own.is_of(node.operation()));
        let fitting = fitting.count() as u64;
        let name = "number of nodes of an arithmetic that are of the graph's kinds";
        in_range(name, fitting, expected, expected)
    }

    /// The parts.
    #[must_use]
    pub const fn parts(&self) -> &ModelArithmeticParts {
        &self.parts
    }

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> ModelArithmeticParts {
        self.parts
    }

    /// What a statement says of it.
    #[must_use]
    pub const fn terms(&self) -> &ArithmeticTerms {
        &self.terms
    }

    /// The constants of a node.
    ///
    /// # Panics
    /// If it is one of a larger graph.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &NodeArithmetic {
        &self.parts.nodes[id.index()]
    }

    /// `b`, the width of values.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.terms.value_bits()
    }

    /// `D`, the units of score that one index of the weight table spans, one for all layers.
    #[must_use]
    pub const fn score_step(&self) -> ScoreStep {
        self.terms.score_step()
    }

    /// The constants of the nodes of a group of layers, as its own graph has them; what a statement says of the
    /// arithmetic stays that of the whole decoder.
    ///
    /// The stream that comes from the group before is taken in as an embedding is; its normalization is that of
    /// the stage.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] if these are not the constants of a decoder of this shape.
    pub fn of_group(&self, shape: &ModelShape, group: &LayerGroup) -> Result<Self, QuantError> {
        let whole = Graph::decoder(shape);
        self.check_graph(&whole)?;
        let graph = Graph::decoder_group(shape, group);
        let (first_layer, first_stage) = (group.layers().start, group.stages().start);
        let nodes = graph.ids().map(|id| {
            let node = graph.node(id);
            let of = |kind, rank| self.node(whole.nth(kind, rank)).clone();
            let rank = node.rank();
            match node.operation() {
                Operation::Linear(_) => match graph.names_of(id).next() {
                    Some(name) => self.node(whole.node_of(name)).clone(),
                    None => unreachable!("a product has a matrix"),
                },
                Operation::Stream(stream) => {
                    let id = whole.nth(Kind::Stream, first_stage + rank);
                    match stream.first {
                        true => {
                            NodeArithmetic::Stream(StreamArithmetic::first(self.stream(id).norm))
                        }
                        false => self.node(id).clone(),
                    }
                }
                Operation::Rotary(_) => of(Kind::Rotary, first_layer + rank),
                Operation::Values(_) => of(Kind::Values, first_layer + rank),
                Operation::Attention(_) => of(Kind::Attention, first_layer + rank),
                Operation::Gated(_) => of(Kind::Gated, first_layer + rank),
                Operation::Argmax(_) => of(Kind::Argmax, rank),
                Operation::StreamIn(_) => NodeArithmetic::StreamIn(NoConstants {}),
                Operation::StreamOut(_) => NodeArithmetic::StreamOut(NoConstants {}),
            }
        });
        let parts = ModelArithmeticParts {
            nodes: nodes.collect(),
            ..self.parts.clone()
        };
        let own = Self {
            parts,
            terms: self.terms,
        };
        own.check_graph(&graph)?;
        Ok(own)
    }

    /// The largest exponent that the sum of squares of a stream of width `hidden` can have: the least
    /// `e` with `2^15 hidden + epsilon < 2^14 * 4^e`.
    #[must_use]
    pub fn max_norm_exponent(&self, hidden: usize) -> u8 {
        let epsilons = self.parts.nodes.iter().map(|node| match node {
            NodeArithmetic::Stream(stage) => stage.norm.epsilon,
            NodeArithmetic::Linear(_)
            | NodeArithmetic::Rotary(_)
            | NodeArithmetic::Values(_)
            | NodeArithmetic::Attention(_)
            | NodeArithmetic::Gated(_)
            | NodeArithmetic::Argmax(_)
            | NodeArithmetic::StreamIn(_)
            | NodeArithmetic::StreamOut(_) => 0,
        });
        max_norm_exponent(hidden, epsilons.max().unwrap_or(0))
    }
}

/// The least `e` with `2^(2 * 15 - 15) hidden + epsilon < 2^14 * 4^e`.
pub(crate) const fn max_norm_exponent(hidden: usize, epsilon: u32) -> u8 {
    let most = max_square_sum(hidden) + epsilon as u64;
    let mut exponent = 0;
    while most >= 1 << (RSQRT_LOG_LEN + 2 * exponent) {
        exponent += 1;
    }
    exponent
}

/// No sum of squares of so many channels is larger, in its units.
pub(crate) const fn max_square_sum(hidden: usize) -> u64 {
    (hidden as u64) << (2 * (STREAM_BITS - 1) - SQUARE_SHIFT)
}

/// The same constants for all nodes of a kind, where it does not matter which they are: layouts do not depend on
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UniformArithmetic {
    /// Of matrices; those without biases have none here either.
    pub matrix: MatrixArithmetic,
    /// Of stages of the stream behind the first: shift, and shift of the stream before.
    pub stream: (u8, u8),
    /// Of normalizations.
    pub norm: NormArithmetic,
    /// Of queries and keys.
    pub rotary: RotaryArithmetic,
    /// Of values.
    pub values: ValuesArithmetic,
    /// Of gated products.
    pub gated: GatedArithmetic,
}

impl UniformArithmetic {
    fn of(&self, node: &Node) -> NodeArithmetic {
        match node.operation() {
            Operation::Linear(linear) => {
                let bias = if linear.has_biases() {
                    self.matrix.bias
                } else {
                    0
                };
                let matrix = MatrixArithmetic {
                    bias,
                    ..self.matrix
                };
                NodeArithmetic::Linear(LinearArithmetic::uniform(linear, matrix))
            }
            Operation::Stream(stream) => NodeArithmetic::Stream(match stream.first {
                true => StreamArithmetic::first(self.norm),
                false => StreamArithmetic {
                    shift: self.stream.0,
                    before: Some(self.stream.1),
                    norm: self.norm,
                },
            }),
            Operation::Rotary(_) => NodeArithmetic::Rotary(self.rotary),
            Operation::Values(_) => NodeArithmetic::Values(self.values),
            Operation::Attention(_) => NodeArithmetic::Attention(NoConstants {}),
            Operation::Gated(_) => NodeArithmetic::Gated(self.gated),
            Operation::Argmax(_) => NodeArithmetic::Argmax(NoConstants {}),
            Operation::StreamIn(_) => NodeArithmetic::StreamIn(NoConstants {}),
            Operation::StreamOut(_) => NodeArithmetic::StreamOut(NoConstants {}),
        }
    }
}

impl ModelArithmeticParts {
    /// The same constants for all nodes of a kind.
    #[must_use]
    pub fn uniform(
        graph: &Graph,
        common: (ValueBits, u8, ScoreStep),
        constants: &UniformArithmetic,
    ) -> Self {
        Self::of_graph(graph, common, |node| constants.of(node))
    }

    /// Constants for every node of a graph: value width, shift of the rotation and score step, and what it says
    /// of each.
    pub fn of_graph(
        graph: &Graph,
        (value_bits, rotation, score_step): (ValueBits, u8, ScoreStep),
        constants: impl FnMut(&Node) -> NodeArithmetic,
    ) -> Self {
        Self {
            value_bits,
            rotation,
            score_step,
            nodes: graph.nodes().iter().map(constants).collect(),
        }
    }

    /// The bounds of a matrix.
    ///
    /// # Panics
    /// If the graph has no such matrix, or the constants are those of another graph.
    pub fn matrix_mut(&mut self, graph: &Graph, name: MatrixName) -> &mut MatrixArithmetic {
        let (_, id, place) = graph.matrices()[graph.matrix(name)];
        &mut self.linear_mut(graph.node(id).rank()).matrices[place]
    }

    /// The numbers of all nodes, in the order of the canonical encoding: each a `u32`.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        let Self {
            value_bits,
            rotation,
            score_step,
            nodes,
        } = self;
        let mut numbers = alloc::vec![
            u32::from(value_bits.get()),
            u32::from(*rotation),
            score_step.get(),
        ];
        for node in nodes {
            node.append_numbers(&mut numbers);
        }
        numbers
    }

    /// How many numbers an arithmetic of this graph has.
    #[must_use]
    pub fn numbers_for(graph: &Graph) -> usize {
        let nodes = graph.nodes().iter();
        let counts = nodes.map(|node| NodeArithmetic::count(node.operation()));
        COMMON_NUMBERS + counts.sum::<usize>()
    }

    /// The arithmetic of these numbers, in the order of [`Self::numbers`].
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for another number of numbers, and for a value width, a score step or
    /// a shift that is out of its range.
    pub fn from_numbers(graph: &Graph, numbers: &[u32]) -> Result<Self, QuantError> {
        let mut numbers = Numbers::new(numbers);
        let value_bits = ValueBits::new(numbers.byte("value width")?)?;
        let rotation = numbers.byte("shift of the rotation")?;
        let score_step = ScoreStep::new(numbers.number()?)?;
        let mut nodes = Vec::with_capacity(graph.nodes().len());
        for node in graph.nodes() {
            nodes.push(NodeArithmetic::read(node.operation(), &mut numbers)?);
        }
        numbers.finish()?;
        Ok(Self {
            value_bits,
            rotation,
            score_step,
            nodes,
        })
    }

    fn identity(&self) -> ArithmeticId {
        let mut hasher = TaggedSha256::new("matchmark/arithmetic/v2");
        for number in self.numbers() {
            hasher.update(&number.to_le_bytes());
        }
        // Which node each number is of.
        for node in &self.nodes {
            hasher.update(&[node.kind() as u8]);
            let mut numbers = Vec::new();
            node.append_numbers(&mut numbers);
            hasher.update(&(numbers.len() as u64).to_le_bytes());
        }
        ArithmeticId::from_bytes(hasher.finish())
    }
}

/// Numbers of an arithmetic before those of its nodes.
const COMMON_NUMBERS: usize = 3;

impl TryFrom<ModelArithmeticParts> for ModelArithmetic {
    type Error = QuantError;

    fn try_from(parts: ModelArithmeticParts) -> Result<Self, QuantError> {
        Self::new(parts)
    }
}

impl From<ModelArithmetic> for ModelArithmeticParts {
    fn from(arithmetic: ModelArithmetic) -> Self {
        arithmetic.parts
    }
}

#[cfg(test)]
mod tests;
