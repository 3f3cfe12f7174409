//! The greedy choice.

use alloc::vec::Vec;

use crate::edge::EdgeKind;

/// The lowest token whose logit is the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Argmax {
    /// Number of tokens.
    pub vocabulary: usize,
}

impl Argmax {
    pub(crate) fn takes(&self) -> Vec<(EdgeKind, usize)> {
        alloc::vec![(EdgeKind::Accumulators, self.vocabulary)]
    }

    /// The choice is public, and no node takes it in.
    #[allow(clippy::unused_self)]
    pub(crate) const fn gives(&self) -> Vec<(EdgeKind, usize)> {
        Vec::new()
    }

    /// A row for each token of the vocabulary.
    pub(crate) const fn rows(&self) -> usize {
        self.vocabulary
    }
}
