//! What attacks call the places of a decoder's graph.

use matchmark_graph::{EdgeId, EdgeKind, Graph, Kind, MatrixName, NodeId, Projection};

/// A product with matrices. Layers are counted from the first one of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatrixKind {
    Embedding,
    /// No product: the stream of the group of layers before, which stands in the place of the embedding.
    StreamIn,
    /// Queries and keys of a layer.
    Rotary(usize),
    Values(usize),
    Output(usize),
    UpGate(usize),
    Down(usize),
    Head,
}

impl MatrixKind {
    pub fn node(self, graph: &Graph) -> NodeId {
        let first = first_layer(graph);
        let of_layer = |projection, layer| MatrixName::of_layer(projection, first + layer);
        graph.node_of(match self {
            Self::StreamIn => return graph.nth(Kind::StreamIn, 0),
            Self::Embedding => MatrixName::EMBEDDING,
            Self::Rotary(layer) => of_layer(Projection::Query, layer),
            Self::Values(layer) => of_layer(Projection::Value, layer),
            Self::Output(layer) => of_layer(Projection::Output, layer),
            Self::UpGate(layer) => of_layer(Projection::Up, layer),
            Self::Down(layer) => of_layer(Projection::Down, layer),
            Self::Head => MatrixName::HEAD,
        })
    }

    pub fn of(graph: &Graph, node: NodeId) -> Self {
        let MatrixName { projection, layer } = graph.names_of(node).next().unwrap();
        let layer = layer.map_or(usize::MAX, |layer| layer - first_layer(graph));
        match projection {
            Projection::Embedding => Self::Embedding,
            Projection::Query | Projection::Key => Self::Rotary(layer),
            Projection::Value => Self::Values(layer),
            Projection::Output => Self::Output(layer),
            Projection::Gate | Projection::Up => Self::UpGate(layer),
            Projection::Down => Self::Down(layer),
            Projection::Head => Self::Head,
        }
    }
}

/// The first layer of a graph, by its number in the decoder.
fn first_layer(graph: &Graph) -> usize {
    let names = graph.matrices().iter();
    let layers = names.filter_map(|(name, ..)| name.layer);
    layers.min().unwrap_or(0)
}

/// A vector that matrices take in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputSpace {
    Tokens,
    /// The number one, whose weights are biases.
    One,
    /// The normalized stream at a stage.
    Normalized(usize),
    /// The attention outputs of a layer.
    Attention(usize),
    /// The gated products of a layer.
    Gated(usize),
}

impl InputSpace {
    pub fn of(graph: &Graph, edge: EdgeId) -> Self {
        let edge = graph.edge(edge);
        let rank = edge.from().map(|id| graph.node(id).rank());
        match (edge.kind(), rank) {
            (EdgeKind::Tokens, None) => Self::Tokens,
            (EdgeKind::One, None) => Self::One,
            (_, Some(rank)) => match graph.node(edge.from().unwrap()).operation().kind() {
                Kind::Stream => Self::Normalized(rank),
                Kind::Attention => Self::Attention(rank),
                Kind::Gated => Self::Gated(rank),
                other => panic!("no matrix takes in what {other:?} gives"),
            },
            other => panic!("no matrix takes in {other:?}"),
        }
    }
}
