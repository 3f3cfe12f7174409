//! Nodes and edges.

use alloc::vec::Vec;

use crate::edge::{Edge, EdgeKind};
use crate::ids::{EdgeId, NodeId};
use crate::ops::{Kind, Operation};
use crate::{Linear, MatrixName, Projection};

/// A node: an operation, the layer that it is of, and the edges at both sides of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    operation: Operation,
    layer: Option<usize>,
    inputs: Vec<EdgeId>,
    outputs: Vec<EdgeId>,
    /// Place among the nodes of its kind.
    rank: usize,
    /// Rows for a token that the nodes of its kind before it have.
    first_row: usize,
}

impl Node {
    /// What it computes.
    #[must_use]
    pub const fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The layer that it is of; `None` before and behind all layers.
    #[must_use]
    pub const fn layer(&self) -> Option<usize> {
        self.layer
    }

    /// What it takes in, in the order of its operation.
    #[must_use]
    pub fn inputs(&self) -> &[EdgeId] {
        &self.inputs
    }

    /// What it gives, in the order of its operation.
    #[must_use]
    pub fn outputs(&self) -> &[EdgeId] {
        &self.outputs
    }

    /// Place among the nodes of its kind, from 0.
    #[must_use]
    pub const fn rank(&self) -> usize {
        self.rank
    }

    /// The first of its rows for a token, among those of all nodes of its kind.
    #[must_use]
    pub const fn first_row(&self) -> usize {
        self.first_row
    }
}

/// Nodes in an order in which they can be computed, and what goes from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Graph {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    /// The nodes of each kind.
    kinds: [Vec<NodeId>; Kind::ALL.len()],
    /// The vectors that matrices take in, in the order of their names.
    vectors: Vec<EdgeId>,
    /// How many numbers those have together.
    names: usize,
    /// The matrices in the order of a model's encoding: node, and place in it.
    matrices: Vec<(MatrixName, NodeId, usize)>,
}

impl Graph {
    /// The nodes, each behind those that it takes something from.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node.
    ///
    /// # Panics
    /// If it is one of a larger graph.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The edges.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// An edge.
    ///
    /// # Panics
    /// If it is one of a larger graph.
    #[must_use]
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.index()]
    }

    /// The numbers of all nodes, in order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = NodeId> + Clone + use<> {
        (0..self.nodes.len()).map(NodeId::new)
    }

    /// The nodes of a kind, in order.
    pub fn of(&self, kind: Kind) -> &[NodeId] {
        &self.kinds[kind as usize]
    }

    /// The node at this place among those of its kind.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn nth(&self, kind: Kind, rank: usize) -> NodeId {
        match self.of(kind).get(rank) {
            Some(id) => *id,
            None => panic!("the graph has no node {rank} of the kind {kind:?}"),
        }
    }

    /// Rows for a token that all nodes of a kind have together.
    #[must_use]
    pub fn rows_per_token(&self, kind: Kind) -> usize {
        let last = self.of(kind).last().map(|id| self.node(*id));
        last.map_or(0, |node| node.first_row + node.operation.rows())
    }

    /// The products with matrices, in order.
    pub fn linears(&self) -> impl Iterator<Item = (NodeId, &Linear)> {
        self.ids().filter_map(|id| match &self.node(id).operation {
            Operation::Linear(linear) => Some((id, linear)),
            Operation::Stream(_)
            | Operation::Rotary(_)
            | Operation::Values(_)
            | Operation::Attention(_)
            | Operation::Gated(_)
            | Operation::Argmax(_)
            | Operation::StreamIn(_)
            | Operation::StreamOut(_) => None,
        })
    }

    /// The product with a matrix.
    ///
    /// # Panics
    /// If its operation is another one.
    #[must_use]
    pub fn linear(&self, id: NodeId) -> &Linear {
        match &self.node(id).operation {
            Operation::Linear(linear) => linear,
            other => panic!("expected a product with a matrix, got {other:?}"),
        }
    }

    /// The matrices that all tokens are multiplied with, in the order of a model's encoding: by layer, and in a
    /// layer as [`Projection::ALL`] has them; each with the node that has it, and its place there. The embedding
    /// is none of them: tokens choose its rows.
    #[must_use]
    pub fn matrices(&self) -> &[(MatrixName, NodeId, usize)] {
        &self.matrices
    }

    /// Place of a matrix in [`Graph::matrices`].
    ///
    /// # Panics
    /// If the graph has no such matrix.
    #[must_use]
    pub fn matrix(&self, name: MatrixName) -> usize {
        match self.matrices.iter().position(|(other, ..)| *other == name) {
            Some(place) => place,
            None => panic!("the graph has no {name}"),
        }
    }

    /// The node that multiplies with a matrix.
    ///
    /// # Panics
    /// If the graph has no such matrix.
    #[must_use]
    pub fn node_of(&self, name: MatrixName) -> NodeId {
        let mut linears = self.linears();
        let having = linears.find(|(id, linear)| {
            let layer = self.node(*id).layer;
            let mut matrices = linear.matrices().iter();
            matrices.any(|matrix| MatrixName::new(matrix.projection, layer) == name)
        });
        match having {
            Some((id, _)) => id,
            None => panic!("the graph has no {name}"),
        }
    }

    /// The matrices of a node, stacked in this order.
    pub fn names_of(&self, id: NodeId) -> impl Iterator<Item = MatrixName> + '_ {
        let node = self.node(id);
        let matrices = self.linear(id).matrices().iter();
        matrices.map(|matrix| MatrixName::new(matrix.projection, node.layer))
    }

    /// The vectors that matrices take in, in the order of their names: what is public, then what comes from the
    /// stream, from attentions, from gated products.
    pub fn vectors(&self) -> &[EdgeId] {
        &self.vectors
    }

    /// Name of a number of such a vector: no two of them have one name.
    ///
    /// # Panics
    /// If no matrix takes in what the edge carries.
    #[must_use]
    pub fn name(&self, edge: EdgeId, index: usize) -> usize {
        match self.edge(edge).first_name {
            Some(first) => first + index,
            None => panic!("no matrix takes in edge {edge:?}"),
        }
    }

    /// How many names there are.
    #[must_use]
    pub const fn names(&self) -> usize {
        self.names
    }

    /// The public edge of this kind, if there is one.
    #[must_use]
    pub fn public(&self, kind: EdgeKind) -> Option<EdgeId> {
        let public = |edge: &Edge| edge.from.is_none() && edge.kind == kind;
        self.edges.iter().position(public).map(EdgeId::new)
    }

    /// The first edge that a node gives.
    ///
    /// # Panics
    /// If it gives nothing.
    #[must_use]
    pub fn output(&self, id: NodeId) -> EdgeId {
        self.node(id).outputs[0]
    }

    /// The vector for matrices that a node gives.
    ///
    /// # Panics
    /// If it gives none.
    #[must_use]
    pub fn vector_of(&self, id: NodeId) -> EdgeId {
        let mut outputs = self.node(id).outputs.iter();
        let vector = outputs.find(|edge| self.edge(**edge).kind.is_taken_by_matrices());
        match vector {
            Some(edge) => *edge,
            None => panic!("node {id:?} gives no vector that matrices take in"),
        }
    }
}

/// Puts a graph together, node by node.
#[derive(Default)]
pub(crate) struct Builder {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}

impl Builder {
    /// An edge that comes from outside.
    pub(crate) fn public(&mut self, kind: EdgeKind, width: usize) -> EdgeId {
        self.edge(kind, width, None)
    }

    /// What an edge carries, and how wide it is.
    pub(crate) fn carried(&self, edge: EdgeId) -> (EdgeKind, usize) {
        let edge = &self.edges[edge.index()];
        (edge.kind, edge.width)
    }

    fn edge(&mut self, kind: EdgeKind, width: usize, from: Option<NodeId>) -> EdgeId {
        self.edges.push(Edge {
            kind,
            width,
            from,
            to: Vec::new(),
            first_name: None,
        });
        EdgeId::new(self.edges.len() - 1)
    }

    /// Adds a node behind these edges, and gives those behind it.
    ///
    /// # Panics
    /// If the operation takes in something else.
    pub(crate) fn add(
        &mut self,
        layer: Option<usize>,
        operation: Operation,
        inputs: Vec<EdgeId>,
    ) -> Vec<EdgeId> {
        let got: Vec<_> = inputs.iter().map(|edge| self.carried(*edge)).collect();
        let expected = operation.takes();
        assert!(
            expected == got,
            "a node of the kind {:?} takes in {expected:?}, got {got:?}",
            operation.kind()
        );
        let id = NodeId::new(self.nodes.len());
        for input in &inputs {
            self.edges[input.index()].to.push(id);
        }
        let gives = operation.gives().into_iter();
        let outputs: Vec<EdgeId> = gives
            .map(|(kind, width)| self.edge(kind, width, Some(id)))
            .collect();
        let before = self.nodes.iter().rev();
        let mut before = before.filter(|node| node.operation.kind() == operation.kind());
        let (rank, first_row) = before.next().map_or((0, 0), |node| {
            (node.rank + 1, node.first_row + node.operation.rows())
        });
        self.nodes.push(Node {
            operation,
            layer,
            inputs,
            outputs: outputs.clone(),
            rank,
            first_row,
        });
        outputs
    }

    pub(crate) fn finish(self) -> Graph {
        let Self { nodes, edges } = self;
        let mut graph = Graph {
            nodes,
            edges,
            kinds: Default::default(),
            vectors: Vec::new(),
            names: 0,
            matrices: Vec::new(),
        };
        for id in graph.ids() {
            let kind = graph.node(id).operation.kind();
            graph.kinds[kind as usize].push(id);
        }
        graph.name_vectors();
        graph.list_matrices();
        graph
    }
}

impl Graph {
    /// By the component that provides them, so that names go with its rows.
    fn name_vectors(&mut self) {
        let provider = |edge: &Edge| edge.from.map(|id| self.node(id).operation.kind());
        let mut vectors: Vec<_> = (0..self.edges.len())
            .map(EdgeId::new)
            .filter(|id| self.edge(*id).kind.is_taken_by_matrices())
            .map(|id| (provider(self.edge(id)), id))
            .collect();
        vectors.sort();
        for (_, id) in vectors {
            self.vectors.push(id);
            let edge = &mut self.edges[id.index()];
            edge.first_name = Some(self.names);
            self.names += edge.width;
        }
    }

    fn list_matrices(&mut self) {
        let mut matrices: Vec<_> = self
            .linears()
            .flat_map(|(id, linear)| {
                let layer = self.node(id).layer;
                let of_node = linear.matrices().iter().enumerate();
                of_node.map(move |(place, matrix)| {
                    (MatrixName::new(matrix.projection, layer), id, place)
                })
            })
            .filter(|(name, ..)| name.projection != Projection::Embedding)
            .collect();
        // What has no layer comes last: the output head.
        matrices.sort_by_key(|(name, ..)| (name.layer.is_none(), name.layer, name.projection));
        self.matrices = matrices;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gated;

    #[test]
    #[should_panic(expected = "takes in [(Accumulators, 6)], got [(Accumulators, 7)]")]
    fn edges_fit_their_nodes() {
        let mut builder = Builder::default();
        let edge = builder.public(EdgeKind::Accumulators, 7);
        builder.add(
            None,
            Operation::Gated(Gated { channels: 3 }),
            alloc::vec![edge],
        );
    }
}
