//! What a decoder computes, as a graph.
//!
//! A [`Graph`] has nodes and typed edges. A node is an operation as coarse as the rows of the relation: the
//! product with a matrix, a stage of the residual stream with its normalization, the rotation of queries and
//! keys, an attention, a gated product, the greedy choice. What follows from the graph is derived from it and
//! written down nowhere else: how many rows an operation has for a token and where those of a node begin, how
//! the vectors are named that matrices take in, how often each is used, which matrices a model has.
//!
//! Every node carries its own constants ([`ModelArithmetic`]), and a walk over the graph bounds every
//! intermediate value ([`ModelBounds`]). The crate knows nothing of weights, of tables and of proofs.
//!
//! ```
//! use matchmark_graph::{Graph, Kind, ModelShape};
//! use matchmark_quant::{AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads};
//! use matchmark_quant::{Layers, MlpSize, QueryHeads, VocabularySize};
//!
//! # fn main() -> Result<(), matchmark_quant::QuantError> {
//! let shape = ModelShape::new(
//!     Layers::new(2)?,
//!     HiddenSize::new(16)?,
//!     AttentionShape::new(QueryHeads::new(4)?, KvHeads::new(2)?, HeadDim::new(8)?)?,
//!     MlpSize::new(24)?,
//!     VocabularySize::new(32)?,
//!     CacheCapacity::new(64)?,
//! )?;
//! let graph = Graph::decoder(&shape);
//! // The embedding, five products a layer, the head; the embedding's stage and two a layer.
//! assert_eq!(graph.of(Kind::Linear).len(), 12);
//! assert_eq!(graph.of(Kind::Stream).len(), 5);
//! assert_eq!(graph.rows_per_token(Kind::Gated), 2 * 24);
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod arithmetic;
mod bounds;
mod decoder;
mod edge;
mod graph;
mod group;
mod ids;
mod limits;
mod numbers;
mod ops;
mod shape;
mod terms;

pub use arithmetic::{ModelArithmetic, ModelArithmeticParts, UniformArithmetic};
pub use bounds::ModelBounds;
pub use edge::{Edge, EdgeKind};
pub use graph::{Graph, Node};
pub use group::{LayerGroup, LayerGroups};
pub use ids::{EdgeId, NodeId};
pub use limits::{
    EMBEDDING_SHIFT, MAX_LINEAR_WIDTH, ROTARY_BITS, SQUARE_LIMIT, SQUARE_SHIFT, STREAM_BITS,
    WEIGHT_LIMIT,
};
pub use ops::argmax::Argmax;
pub use ops::attention::Attention;
pub use ops::gated::{Gated, GatedArithmetic};
pub use ops::handover::{StreamIn, StreamOut};
pub use ops::linear::{
    Linear, LinearArithmetic, MatrixArithmetic, MatrixName, Projection, Stacked, Stacking,
};
pub use ops::rotary::{Rotary, RotaryArithmetic};
pub use ops::stream::{NormArithmetic, Stream, StreamArithmetic};
pub use ops::values::{Values, ValuesArithmetic};
pub use ops::{Kind, NoConstants, NodeArithmetic, Operation};
pub use shape::ModelShape;
pub use terms::{ArithmeticId, ArithmeticTerms};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
