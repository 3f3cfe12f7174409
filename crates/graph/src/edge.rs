//! What goes from node to node.

use crate::ids::NodeId;

/// What an edge carries for every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EdgeKind {
    /// A token, which is public. A matrix takes it in one-hot.
    Tokens,
    /// The number one, which is public. The biases of a matrix are its weights for it.
    One,
    /// Values of the common width.
    Values,
    /// Gated products, which are two bits wider.
    Gated,
    /// Sums of products with weights.
    Accumulators,
    /// The residual stream.
    Stream,
    /// Queries and keys on their way into an attention, or values.
    Entries,
}

impl EdgeKind {
    /// Whether matrices take it in.
    #[must_use]
    pub const fn is_taken_by_matrices(self) -> bool {
        match self {
            Self::Tokens | Self::One | Self::Values | Self::Gated => true,
            Self::Accumulators | Self::Stream | Self::Entries => false,
        }
    }
}

/// An edge: what it carries, from where and to where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Edge {
    pub(crate) kind: EdgeKind,
    pub(crate) width: usize,
    pub(crate) from: Option<NodeId>,
    pub(crate) to: alloc::vec::Vec<NodeId>,
    pub(crate) first_name: Option<usize>,
}

impl Edge {
    /// What it carries.
    #[must_use]
    pub const fn kind(&self) -> EdgeKind {
        self.kind
    }

    /// How many numbers of it there are for a token.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The node that it comes from; `None` for what is public.
    #[must_use]
    pub const fn from(&self) -> Option<NodeId> {
        self.from
    }

    /// Name of its first number, if matrices take it in; those of the others follow.
    #[must_use]
    pub const fn first_name(&self) -> Option<usize> {
        self.first_name
    }

    /// The nodes that it goes to, in order.
    #[must_use]
    pub fn to(&self) -> &[NodeId] {
        &self.to
    }
}
