//! The commitment trees of a proof, in the order in which they are committed.
//!
//! **Invariant:** the order is part of soundness. A challenge is drawn only after every tree that
//! holds a value it has to be independent of (see `docs/soundness.md`, "Order of the transcript").
use matchmark_statement::{Port, ProofPart};

/// A commitment tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tree {
    /// Selectors and table contents; fixed by shape and tables, pinned by the acceptance policy.
    Preprocessed,
    /// Weights and tables of a model; pinned by the model's commitment.
    Model,
    /// Key and value columns of the cache before the segment.
    StateBefore,
    /// Key and value columns of the cache after the segment.
    StateAfter,
    /// The columns that the two proofs of a split segment share: table index and weight.
    Boundary,
    /// Everything else that does not depend on a challenge.
    Witness,
    /// Columns that depend on the rlc challenges.
    Rlc,
    /// LogUp columns, which depend on the lookup challenges.
    Lookups,
    /// The composition polynomial, committed by the library.
    Composition,
}

impl Tree {
    /// The port that stands in the tree, if other proofs open it, too: it is committed by root and fingerprint.
    pub const fn port(self) -> Option<Port> {
        match self {
            Self::Model => Some(Port::Model),
            Self::StateBefore => Some(Port::StateBefore),
            Self::StateAfter => Some(Port::StateAfter),
            Self::Boundary => Some(Port::Boundary),
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
            Self::StateBefore => "state before",
            Self::StateAfter => "state after",
            Self::Boundary => "boundary",
            Self::Witness => "witness",
            Self::Rlc => "rlc",
            Self::Lookups => "lookups",
            Self::Composition => "composition",
        }
    }
}

/// The trees of a fused proof.
const FUSED: [Tree; 7] = [
    Tree::Preprocessed,
    Tree::StateBefore,
    Tree::StateAfter,
    Tree::Witness,
    Tree::Rlc,
    Tree::Lookups,
    Tree::Composition,
];

/// The trees of an arithmetic proof. The boundary comes before every challenge, as the witness does.
const ARITHMETIC: [Tree; 8] = [
    Tree::Preprocessed,
    Tree::StateBefore,
    Tree::StateAfter,
    Tree::Boundary,
    Tree::Witness,
    Tree::Rlc,
    Tree::Lookups,
    Tree::Composition,
];

/// The trees of the proof of a decoder segment.
const DECODER: [Tree; 8] = [
    Tree::Preprocessed,
    Tree::Model,
    Tree::StateBefore,
    Tree::StateAfter,
    Tree::Witness,
    Tree::Rlc,
    Tree::Lookups,
    Tree::Composition,
];

/// The trees of a lookup proof.
const LOOKUP: [Tree; 5] = [
    Tree::Preprocessed,
    Tree::Boundary,
    Tree::Witness,
    Tree::Lookups,
    Tree::Composition,
];

/// The trees of the proofs of one part, in order of commitment. The composition is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeOrder {
    part: ProofPart,
}

impl TreeOrder {
    /// The order of a part.
    pub const fn of(part: ProofPart) -> Self {
        Self { part }
    }

    /// The part.
    pub const fn part(self) -> ProofPart {
        self.part
    }

    /// All trees.
    pub const fn all(self) -> &'static [Tree] {
        match self.part {
            ProofPart::Fused => &FUSED,
            ProofPart::Arithmetic => &ARITHMETIC,
            ProofPart::Lookup => &LOOKUP,
            ProofPart::Decoder => &DECODER,
        }
    }

    /// The trees that hold columns of components: all but the composition.
    pub fn of_components(self) -> &'static [Tree] {
        let all = self.all();
        &all[..all.len() - 1]
    }

    /// Place of a tree in the transcript, from 0.
    ///
    /// # Panics
    ///
    /// If the part has no such tree: an error in the program, never in its input.
    pub fn place(self, tree: Tree) -> usize {
        match self.all().iter().position(|other| *other == tree) {
            Some(place) => place,
            None => panic!("a {} proof has no {} tree", self.part, tree.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_committed_in_the_order_of_their_dependence() {
        for part in ProofPart::ALL {
            let order = TreeOrder::of(part);
            assert!(order.all().windows(2).all(|pair| pair[0] < pair[1]));
            assert_eq!(order.place(Tree::Preprocessed), 0);
            assert_eq!(order.place(Tree::Composition), order.of_components().len());
            for (place, tree) in order.all().iter().enumerate() {
                assert_eq!(order.place(*tree), place);
            }
        }
    }

    #[test]
    fn the_boundary_stands_in_the_two_proofs_that_it_joins() {
        let has = |part| TreeOrder::of(part).all().contains(&Tree::Boundary);
        assert_eq!(ProofPart::ALL.map(has), [false, true, true, false]);
    }
}
