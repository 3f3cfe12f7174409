//! The commitment trees of a segment proof, in the order in which they are committed.
//!
//! **Invariant:** the order is part of soundness. A challenge is drawn only after every tree that
//! holds a value it has to be independent of (see `docs/soundness.md`, "Order of the transcript").

/// Index of a commitment tree, equal to its place in the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Tree {
    /// Selectors and table contents; fixed by shape and tables, pinned by the acceptance policy.
    Preprocessed = 0,
    /// Key and value columns of the cache before the segment.
    StateBefore = 1,
    /// Key and value columns of the cache after the segment.
    StateAfter = 2,
    /// Everything else that does not depend on a challenge.
    Witness = 3,
    /// Columns that depend on the projection challenges.
    Projections = 4,
    /// LogUp columns, which depend on the lookup challenges.
    Lookups = 5,
    /// The composition polynomial, committed by the library.
    Composition = 6,
}

impl Tree {
    /// Trees that hold columns of components (all but the composition).
    pub const COMPONENT_TREES: usize = 6;
    /// All trees of a proof.
    pub const COUNT: usize = 7;

    /// All trees in order of commitment.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Preprocessed,
        Self::StateBefore,
        Self::StateAfter,
        Self::Witness,
        Self::Projections,
        Self::Lookups,
        Self::Composition,
    ];

    /// Place in the transcript, from 0.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Name as printed in descriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preprocessed => "preprocessed",
            Self::StateBefore => "state before",
            Self::StateAfter => "state after",
            Self::Witness => "witness",
            Self::Projections => "projections",
            Self::Lookups => "lookups",
            Self::Composition => "composition",
        }
    }
}
