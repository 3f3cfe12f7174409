//! The commitment trees of a proof, in the order in which they are committed.
//!
//! **Invariant:** the order is part of soundness. A challenge is drawn only after every tree that
//! holds a value it has to be independent of (see `docs/soundness.md`, "Order of the transcript").
use arrayvec::ArrayVec;
use matchmark_statement::{Cut, Port, ProofPart, SegmentKind};

use crate::layout::{SegmentLayout, Streams};

/// A commitment tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// Selectors and table contents; fixed by shape and tables, pinned by the acceptance policy.
    Preprocessed,
    /// Weights and tables of a model; pinned by the model's commitment.
    Model,
    /// The residual stream that comes from the group of layers before.
    StreamIn,
    /// The residual stream that goes to the group of layers behind.
    StreamOut,
    /// Key and value columns of the cache before the segment.
    StateBefore,
    /// Key and value columns of the cache after the segment.
    StateAfter,
    /// The columns that the two proofs of a split segment share: table index and weight.
    Pairs,
    /// Everything else that does not depend on a challenge.
    Witness,
    /// Random linear combinations: columns that depend on the RLC challenges.
    Rlc,
    /// LogUp columns, which depend on the lookup challenges.
    Lookups,
    /// The composition polynomial, committed by the library.
    Composition,
}

impl Tree {
    /// All trees, in the order in which they are committed: a challenge is drawn only after every tree that
    /// holds a value it has to be independent of. The pairs come before every challenge, as the witness does.
    const ORDER: [Self; 11] = [
        Self::Preprocessed,
        Self::Model,
        Self::StreamIn,
        Self::StreamOut,
        Self::StateBefore,
        Self::StateAfter,
        Self::Pairs,
        Self::Witness,
        Self::Rlc,
        Self::Lookups,
        Self::Composition,
    ];

    /// Whether the proofs of such a part of such segments have the tree, where a stream goes in, or out, or not.
    const fn is_of(self, kind: SegmentKind, streams: Streams, part: ProofPart) -> bool {
        match self {
            Self::Preprocessed | Self::Witness | Self::Lookups | Self::Composition => true,
            Self::Model => part.is_main() && matches!(kind, SegmentKind::Decoder),
            Self::StreamIn => part.is_main() && streams.goes_in,
            Self::StreamOut => part.is_main() && streams.goes_out,
            Self::StateBefore | Self::StateAfter | Self::Rlc => part.is_main(),
            Self::Pairs => matches!(part.cut(), Cut::Split),
        }
    }

    /// The port that stands in the tree, if other proofs open it, too: it is committed by root and fingerprint.
    pub const fn port(self) -> Option<Port> {
        match self {
            Self::Model => Some(Port::Model),
            Self::StreamIn => Some(Port::StreamIn),
            Self::StreamOut => Some(Port::StreamOut),
            Self::StateBefore => Some(Port::StateBefore),
            Self::StateAfter => Some(Port::StateAfter),
            Self::Pairs => Some(Port::Pairs),
            Self::Preprocessed | Self::Witness | Self::Rlc | Self::Lookups | Self::Composition => {
                None
            }
        }
    }

    /// Whether a port stands in the tree.
    pub const fn is_port(self) -> bool {
        self.port().is_some()
    }

    /// Name as printed in descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preprocessed => "preprocessed",
            Self::Model => "model",
            Self::StreamIn => "stream in",
            Self::StreamOut => "stream out",
            Self::StateBefore => "state before",
            Self::StateAfter => "state after",
            Self::Pairs => "pairs",
            Self::Witness => "witness",
            Self::Rlc => "rlc",
            Self::Lookups => "lookups",
            Self::Composition => "composition",
        }
    }
}

/// The trees of the proofs of one part, in order of commitment. The composition is the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeOrder {
    part: ProofPart,
    trees: ArrayVec<Tree, { Tree::ORDER.len() }>,
}

impl TreeOrder {
    /// The order of a part of segments of this layout.
    pub fn of(layout: &SegmentLayout, part: ProofPart) -> Self {
        Self::of_kind(layout.kind(), layout.streams(), part)
    }

    /// The order of a part of segments of this kind, where a stream goes in, or out, or not.
    pub fn of_kind(kind: SegmentKind, streams: Streams, part: ProofPart) -> Self {
        let trees = Tree::ORDER.into_iter();
        let trees = trees.filter(|tree| tree.is_of(kind, streams, part));
        Self {
            part,
            trees: trees.collect(),
        }
    }

    /// The part.
    pub fn part(&self) -> ProofPart {
        self.part
    }

    /// All trees.
    pub fn all(&self) -> &[Tree] {
        &self.trees
    }

    /// The trees that hold columns of components: all but the composition.
    pub fn of_components(&self) -> &[Tree] {
        &self.trees[..self.trees.len() - 1]
    }

    /// Place of a tree in the transcript, from 0.
    ///
    /// # Panics
    ///
    /// If the part has no such tree: an error in the program, never in its input.
    pub fn place(&self, tree: Tree) -> usize {
        match self.trees.iter().position(|other| *other == tree) {
            Some(place) => place,
            None => panic!("a {} proof has no {} tree", self.part, tree.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [SegmentKind; 2] = [SegmentKind::Attention, SegmentKind::Decoder];
    const ONE: Streams = Streams {
        goes_in: false,
        goes_out: false,
    };
    const MIDDLE: Streams = Streams {
        goes_in: true,
        goes_out: true,
    };

    #[test]
    fn trees_are_committed_in_the_order_of_their_dependence() {
        for (kind, streams, part) in KINDS
            .into_iter()
            .flat_map(|kind| [ONE, MIDDLE].map(|streams| (kind, streams)))
            .flat_map(|(kind, streams)| ProofPart::ALL.map(|part| (kind, streams, part)))
        {
            let order = TreeOrder::of_kind(kind, streams, part);
            assert!(order.all().windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(order.place(Tree::Preprocessed), 0);
            assert_eq!(order.place(Tree::Composition), order.of_components().len());
            for (place, tree) in order.all().iter().enumerate() {
                assert_eq!(order.place(*tree), place);
            }
        }
    }

    #[test]
    fn ports_stand_in_the_proofs_that_they_join() {
        let having = |kind, tree: Tree| {
            let streams = MIDDLE;
            ProofPart::ALL.map(|part| {
                let order = TreeOrder::of_kind(kind, streams, part);
                order.all().contains(&tree)
            })
        };
        for kind in KINDS {
            assert_eq!(having(kind, Tree::Pairs), [false, true, true]);
            assert_eq!(having(kind, Tree::StateBefore), [true, true, false]);
            assert_eq!(having(kind, Tree::StateAfter), [true, true, false]);
            assert_eq!(having(kind, Tree::Rlc), [true, true, false]);
            assert_eq!(having(kind, Tree::StreamIn), [true, true, false]);
            assert_eq!(having(kind, Tree::StreamOut), [true, true, false]);
            let has_model = kind == SegmentKind::Decoder;
            assert_eq!(having(kind, Tree::Model), [has_model, has_model, false]);
        }
    }
}
