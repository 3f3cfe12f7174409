//! The residual stream on its way from one group of layers to the next.

use alloc::vec::Vec;

use crate::edge::EdgeKind;

/// Takes in the stream that the group of layers before has given out: what its first stage adds to nothing, in
/// place of an embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamIn {
    /// Number of channels.
    pub channels: usize,
}

impl StreamIn {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Stream, self.channels)]
    }

    pub(crate) fn gives(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, self.channels)]
    }

    /// A row for each channel.
    pub(crate) const fn rows(&self) -> usize {
        self.channels
    }
}

/// Gives out the stream behind the last stage of a group of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamOut {
    /// Number of channels.
    pub channels: usize,
}

impl StreamOut {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Stream, self.channels)]
    }

    /// The group behind takes it in, which is another graph.
    #[allow(clippy::unused_self)]
    pub(crate) const fn gives(&self) -> Vec<(EdgeKind, usize)> {
        Vec::new()
    }

    /// A row for each channel.
    pub(crate) const fn rows(&self) -> usize {
        self.channels
    }
}
