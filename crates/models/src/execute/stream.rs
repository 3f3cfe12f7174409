//! The residual stream: embedding, additions, and the normalization of each stage.

use matchmark_graph::{EdgeKind, Node, NodeId, Projection, EMBEDDING_SHIFT};

use super::{addition, norm_before, Run};
use crate::{ModelError, Operation};

impl Run<'_> {
    /// The embedding of every token, in the units of accumulators.
    pub(super) fn embed(&self) -> Vec<i32> {
        let hidden = self.model.shape().hidden();
        let mut accumulators = Vec::with_capacity(self.execution.tokens.len() * hidden);
        for &token in &self.execution.tokens {
            // Tokens were checked against the vocabulary.
            let row = usize::try_from(token).unwrap_or(usize::MAX) * hidden;
            let entries = &self.model.embedding()[row..row + hidden];
            let entries = entries.iter();
            accumulators.extend(entries.map(|&entry| i32::from(entry) << EMBEDDING_SHIFT));
        }
        accumulators
    }

    /// Adds accumulators to the stream before, rescales, and normalizes: stream and normalized values.
    pub(super) fn add_to_stream(
        &mut self,
        id: NodeId,
        node: &Node,
    ) -> Result<Vec<Vec<Vec<i32>>>, ModelError> {
        let constants = self.arithmetic.stream(id);
        let rescale = self.terms().stream(constants.shift);
        let at = match self.matrix_before(node) {
            Some(name) => (addition(name.projection), name.layer),
            None => (Operation::Embedding, None),
        };
        let accumulators = self.take(node.inputs()[0]).remove(0);
        let hidden = self.model.shape().hidden();
        let wide = accumulators.iter().map(|&x| i64::from(x));
        let stream = match (node.inputs().get(1), constants.before) {
            (Some(edge), Some(shift)) => {
                let before = self.take(*edge).remove(0);
                let before = before.iter().map(|&h| i64::from(h) << shift);
                let sums = wide.zip(before).map(|(x, h)| x + h);
                self.rescale(at, rescale, hidden, sums)?
            }
            (None, None) => self.rescale(at, rescale, hidden, wide)?,
            other => unreachable!("the constants are those of the graph: {other:?}"),
        };
        let normalized = self.normalize(self.norm_operation(node), constants.norm, &stream)?;
        self.execution.stream_accumulators.extend(accumulators);
        self.execution.stream.extend_from_slice(&stream);
        self.execution.normalized.extend_from_slice(&normalized);
        Ok(vec![vec![stream], vec![normalized]])
    }

    /// The normalization of a stage, by the matrix that takes it in.
    fn norm_operation(&self, node: &Node) -> (Operation, Option<usize>) {
        let graph = self.graph;
        let edges = node.outputs().iter().map(|edge| graph.edge(*edge));
        let normalized = edges.filter(|edge| edge.kind() == EdgeKind::Values);
        let mut matrices = normalized.flat_map(|edge| edge.to());
        match matrices.next().and_then(|id| graph.names_of(*id).next()) {
            Some(name) => (norm_before(name.projection), name.layer),
            // The first layer of the group behind takes it in.
            None => (
                norm_before(Projection::Query),
                Some(self.execution.layers.layers().end),
            ),
        }
    }
}
