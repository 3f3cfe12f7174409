//! Numbers of nodes and edges.

/// Number of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(usize);

impl NodeId {
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Place among the nodes of the graph, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Number of an edge in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeId(usize);

impl EdgeId {
    pub(crate) const fn new(index: usize) -> Self {
        Self(index)
    }

    /// Place among the edges of the graph, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}
