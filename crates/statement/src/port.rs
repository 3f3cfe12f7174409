//! Ports: columns that more than one proof opens.

use core::fmt;

use serde::Serialize;

/// Columns that stand in a tree of their own because more than one proof opens them. All are committed in
/// the same way, by a [`PortCommitment`](crate::PortCommitment), which the statement of every proof that
/// opens them names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// Weights and tables of a model: opened in every segment of its chains.
    Model,
    /// The residual stream that comes from the group of layers before, which opens it, too.
    StreamIn,
    /// The residual stream that goes to the group of layers behind, which opens it, too.
    StreamOut,
    /// The cache before the segment: opened by the segment before, too.
    StateBefore,
    /// The cache after the segment: opened by the next segment, too.
    StateAfter,
    /// The pairs (index, weight) of a split segment: opened by both of its proofs.
    Pairs,
}

impl Port {
    /// All ports.
    pub const ALL: [Self; 6] = [
        Self::Model,
        Self::StreamIn,
        Self::StreamOut,
        Self::StateBefore,
        Self::StateAfter,
        Self::Pairs,
    ];

    /// The name used in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::StreamIn => "stream in",
            Self::StreamOut => "stream out",
            Self::StateBefore => "state before",
            Self::StateAfter => "state after",
            Self::Pairs => "pairs",
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
