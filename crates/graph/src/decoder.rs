//! The graphs that there are: of a whole decoder, and of attention alone.

use alloc::vec;
use alloc::vec::Vec;

use matchmark_quant::AttentionShape;

use crate::edge::EdgeKind;
use crate::graph::Builder;
use crate::ids::EdgeId;
use crate::ops::linear::{Stacked, Stacking};
use crate::ops::Operation;
use crate::{
    Argmax, Attention, Gated, Graph, LayerGroup, Linear, ModelShape, Projection, Rotary, Stream,
    StreamIn, StreamOut, Values,
};

impl Graph {
    /// The graph of a decoder of this shape.
    #[must_use]
    pub fn decoder(shape: &ModelShape) -> Self {
        Self::decoder_group(shape, &LayerGroup::whole(shape.layers()))
    }

    /// The graph of a group of layers of a decoder of this shape. Layers are numbered as in the decoder. Where
    /// the group is not the first, its stream comes from the one before; where it is not the last, it gives its
    /// own out.
    #[must_use]
    pub fn decoder_group(shape: &ModelShape, group: &LayerGroup) -> Self {
        let mut decoder = DecoderBuilder {
            builder: Builder::default(),
            shape,
        };
        decoder.build(group);
        decoder.builder.finish()
    }

    /// The graph of attention alone: one node between public queries, keys, values and outputs.
    #[must_use]
    pub fn attention(shape: &AttentionShape) -> Self {
        let mut builder = Builder::default();
        let operation = Operation::Attention(Attention { shape: *shape });
        let inputs = operation.takes();
        let inputs = inputs.into_iter();
        let inputs = inputs.map(|(kind, width)| builder.public(kind, width));
        let inputs = inputs.collect();
        builder.add(None, operation, inputs);
        builder.finish()
    }
}

struct DecoderBuilder<'a> {
    builder: Builder,
    shape: &'a ModelShape,
}

impl DecoderBuilder<'_> {
    fn build(&mut self, group: &LayerGroup) {
        use Projection::{Down, Embedding, Gate, Head, Key, Output, Query, Up, Value};
        let shape = self.shape;
        let (hidden, vocabulary, mlp) = (shape.hidden(), shape.vocabulary(), shape.mlp());
        let (queries, keys) = (shape.query_width(), shape.kv_width());
        let attention = shape.attention();
        let halves = Stacking::Halves(attention.head_dim());
        let sequential = Stacking::Sequential;
        let tokens = group
            .is_first()
            .then(|| self.builder.public(EdgeKind::Tokens, vocabulary));
        let has_biases = shape.attention_bias();
        let one = has_biases.then(|| self.builder.public(EdgeKind::One, 1));

        let embedded = match tokens {
            Some(tokens) => self.linear(None, &[(Embedding, hidden)], sequential, tokens, None),
            None => self.stream_in(),
        };
        let [mut stream, mut normalized] = self.stream(None, embedded, None);
        for layer in group.layers().map(Some) {
            let matrices = [(Query, queries), (Key, keys)];
            let rotary = self.linear(layer, &matrices, halves, normalized, one);
            let values = self.linear(layer, &[(Value, keys)], sequential, normalized, one);
            let rotary = self.one(layer, Operation::Rotary(Rotary { attention }), vec![rotary]);
            let values = self.one(layer, Operation::Values(Values { attention }), vec![values]);
            let operation = Operation::Attention(Attention { shape: attention });
            let attended = self.one(layer, operation, vec![rotary, values]);
            let added = self.linear(layer, &[(Output, hidden)], sequential, attended, None);
            [stream, normalized] = self.stream(layer, added, Some(stream));

            let matrices = [(Up, mlp), (Gate, mlp)];
            let gates = self.linear(layer, &matrices, sequential, normalized, None);
            let operation = Operation::Gated(Gated { channels: mlp });
            let gated = self.one(layer, operation, vec![gates]);
            let added = self.linear(layer, &[(Down, hidden)], sequential, gated, None);
            [stream, normalized] = self.stream(layer, added, Some(stream));
        }
        if !group.is_last() {
            let operation = Operation::StreamOut(StreamOut { channels: hidden });
            self.builder.add(None, operation, vec![stream]);
            return;
        }
        let logits = self.linear(None, &[(Head, vocabulary)], sequential, normalized, None);
        let operation = Operation::Argmax(Argmax { vocabulary });
        self.builder.add(None, operation, vec![logits]);
    }

    /// What the group before gives out.
    fn stream_in(&mut self) -> EdgeId {
        let channels = self.shape.hidden();
        let stream = self.builder.public(EdgeKind::Stream, channels);
        self.one(
            None,
            Operation::StreamIn(StreamIn { channels }),
            vec![stream],
        )
    }

    /// A node that gives one edge.
    fn one(&mut self, layer: Option<usize>, operation: Operation, inputs: Vec<EdgeId>) -> EdgeId {
        self.builder.add(layer, operation, inputs)[0]
    }

    fn linear(
        &mut self,
        layer: Option<usize>,
        matrices: &[(Projection, usize)],
        stacking: Stacking,
        input: EdgeId,
        one: Option<EdgeId>,
    ) -> EdgeId {
        let stacked = matrices.iter().map(|&(projection, outputs)| Stacked {
            projection,
            outputs,
        });
        let (kind, width) = self.builder.carried(input);
        let linear = Linear::new(stacked.collect(), stacking, (kind, width), one.is_some());
        let inputs = core::iter::once(input).chain(one).collect();
        self.one(layer, Operation::Linear(linear), inputs)
    }

    /// Stream, and normalized values.
    fn stream(
        &mut self,
        layer: Option<usize>,
        added: EdgeId,
        before: Option<EdgeId>,
    ) -> [EdgeId; 2] {
        let operation = Operation::Stream(Stream {
            channels: self.shape.hidden(),
            first: before.is_none(),
        });
        let inputs = core::iter::once(added).chain(before).collect();
        let outputs = self.builder.add(layer, operation, inputs);
        [outputs[0], outputs[1]]
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_quant::{
        CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads, VocabularySize,
    };

    use super::*;
    use crate::{Kind, LayerGroups, MatrixName};

    fn shape() -> ModelShape {
        ModelShape::new(
            Layers::new(2).unwrap(),
            HiddenSize::new(6).unwrap(),
            AttentionShape::new(
                QueryHeads::new(4).unwrap(),
                KvHeads::new(2).unwrap(),
                HeadDim::new(8).unwrap(),
            )
            .unwrap(),
            MlpSize::new(5).unwrap(),
            VocabularySize::new(11).unwrap(),
            CacheCapacity::new(64).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn rows_follow_each_other() {
        let graph = Graph::decoder(&shape());
        for (kind, rows, count) in [
            (Kind::Stream, 6, 5),
            (Kind::Rotary, 6 * 4, 2),
            (Kind::Values, 2 * 8, 2),
            (Kind::Attention, 4 * 8, 2),
            (Kind::Gated, 5, 2),
            (Kind::Argmax, 11, 1),
        ] {
            let nodes = graph.of(kind).iter();
            let first_rows: Vec<usize> = nodes.map(|id| graph.node(*id).first_row()).collect();
            let expected: Vec<usize> = (0..count).map(|rank| rank * rows).collect();
            assert_eq!(first_rows, expected, "{kind:?}");
            assert_eq!(graph.rows_per_token(kind), count * rows, "{kind:?}");
        }
    }

    /// Every number that a matrix takes in has a name of its own, in the order of the components.
    #[test]
    fn names_are_distinct() {
        for bias in [false, true] {
            let graph = Graph::decoder(&shape().with_attention_bias(bias));
            let mut names = Vec::new();
            for &edge in graph.vectors() {
                let width = graph.edge(edge).width();
                names.extend((0..width).map(|index| graph.name(edge, index)));
            }
            assert!(names.iter().copied().eq(0..graph.names()), "{bias}");
            let of_ones = usize::from(bias);
            assert_eq!(graph.names(), 11 + of_ones + 5 * 6 + 2 * 32 + 2 * 5);
            let gated = graph.vector_of(graph.nth(Kind::Gated, 0));
            assert_eq!(graph.name(gated, 3), 11 + of_ones + 5 * 6 + 2 * 32 + 3);
        }
    }

    /// What a node gives goes to a node, but for the last stream.
    #[test]
    fn edges_are_used() {
        let graph = Graph::decoder(&shape());
        let unused: Vec<_> = graph
            .edges()
            .iter()
            .filter(|it| it.to().is_empty())
            .collect();
        assert_eq!(unused.len(), 1);
        assert_eq!(unused[0].kind(), EdgeKind::Stream);
        assert_eq!(unused[0].from(), Some(graph.nth(Kind::Stream, 4)));
    }

    #[test]
    fn matrices_by_layer() {
        let graph = Graph::decoder(&shape());
        let names: Vec<_> = graph.matrices().iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), 15);
        let of_layer = &Projection::ALL[1..8];
        for layer in 0..2 {
            for (place, &projection) in of_layer.iter().enumerate() {
                let name = MatrixName::of_layer(projection, layer);
                assert_eq!(graph.matrix(name), layer * 7 + place);
                let node = graph.node_of(name);
                assert!(graph.names_of(node).any(|it| it == name));
            }
        }
        assert_eq!(names.last(), Some(&MatrixName::HEAD));
    }

    #[test]
    fn biases_are_weights_of_the_number_one() {
        let graph = Graph::decoder(&shape().with_attention_bias(true));
        let one = graph.public(EdgeKind::One).unwrap();
        assert_eq!(graph.edge(one).to().len(), 4);
        let value = graph.node_of(MatrixName::of_layer(Projection::Value, 1));
        assert_eq!(graph.linear(value).rows_of_weights(), 7);
        let output = graph.node_of(MatrixName::of_layer(Projection::Output, 1));
        assert_eq!(graph.linear(output).rows_of_weights(), 32);
        assert_eq!(Graph::decoder(&shape()).public(EdgeKind::One), None);
    }

    /// Every node and every matrix of the decoder is in one group, as it is in the whole; what groups have besides
    /// is the stream between them, and the stage behind it once more.
    #[test]
    fn groups_have_the_nodes_of_the_decoder() {
        let shape = shape().with_attention_bias(true);
        let whole = Graph::decoder(&shape);
        let groups: Vec<Graph> = LayerGroups::new(2)
            .unwrap()
            .all(2)
            .map(|group| Graph::decoder_group(&shape, &group))
            .collect();
        for kind in Kind::ALL {
            let rows: usize = groups.iter().map(|it| it.rows_per_token(kind)).sum();
            let of_joint = match kind {
                Kind::Stream | Kind::StreamIn | Kind::StreamOut => 6,
                _ => 0,
            };
            assert_eq!(rows, whole.rows_per_token(kind) + of_joint, "{kind:?}");
        }
        let names = groups.iter().flat_map(|it| it.matrices()).map(|it| it.0);
        let of_whole = whole.matrices().iter().map(|it| it.0);
        assert!(names.eq(of_whole));
        let [first, last] = &groups[..] else {
            panic!("two groups");
        };
        assert!(
            first.public(EdgeKind::Tokens).is_some() && last.public(EdgeKind::Tokens).is_none()
        );
        assert!(
            first.public(EdgeKind::Stream).is_none() && last.public(EdgeKind::Stream).is_some()
        );
        for group in &groups {
            assert!(group.public(EdgeKind::One).is_some());
        }
        assert_eq!(Graph::decoder_group(&shape, &LayerGroup::whole(2)), whole);
    }

    #[test]
    fn attention_is_a_graph_of_one_node() {
        let graph = Graph::attention(&shape().attention());
        assert_eq!(graph.nodes().len(), 1);
        assert_eq!(graph.rows_per_token(Kind::Attention), 4 * 8);
        assert!(graph.matrices().is_empty());
    }
}
