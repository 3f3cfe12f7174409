//! How a segment is cut into proofs: whether one shows it or two, and what joins the two.
//!
//! What is proven ([`SegmentKind`](crate::SegmentKind)) is another question: attention alone and a whole
//! decoder are cut in the same way.

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::error::StatementError;
use crate::identity::PortCommitment;

/// How a segment is cut into proofs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// One proof: arithmetic and membership in the weight table together. The default.
    #[default]
    Fused,
    /// Two proofs: the arithmetic, and membership in the weight table alone. The columns that they share, the
    /// *pairs* (index, weight), are committed by themselves.
    Split,
}

impl Cut {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fused, Self::Split];

    /// The name used in commands, files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Split => "split",
        }
    }

    /// The proofs that show a segment, in the order of its file.
    #[must_use]
    pub const fn parts(self) -> &'static [ProofPart] {
        match self {
            Self::Fused => &[ProofPart::Whole],
            Self::Split => &[ProofPart::Arithmetic, ProofPart::Lookup],
        }
    }

    /// The proof that shows the arithmetic: the only one, or the first of two.
    #[must_use]
    pub const fn main_part(self) -> ProofPart {
        self.parts()[0]
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Cut {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        Self::ALL
            .into_iter()
            .find(|cut| cut.name() == text)
            .ok_or_else(|| StatementError::UnknownCut {
                expected: "fused or split",
                got: text.to_string(),
            })
    }
}

/// How the segments of a chain are proven, one after the other: a list that begins anew at its end.
///
/// `fused` and `split` stand for all segments; `fused,split` for every other one. `Default` is `fused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Cut>", into = "Vec<Cut>")]
pub struct CutPattern(Vec<Cut>);

impl CutPattern {
    /// How this segment is proven.
    #[must_use]
    pub fn of(&self, segment: u64) -> Cut {
        let period = self.0.len() as u64;
        usize::try_from(segment % period).map_or(Cut::Fused, |place| self.0[place])
    }
}

impl Default for CutPattern {
    fn default() -> Self {
        Cut::default().into()
    }
}

impl From<Cut> for CutPattern {
    fn from(cut: Cut) -> Self {
        Self(vec![cut])
    }
}

impl TryFrom<Vec<Cut>> for CutPattern {
    type Error = &'static str;

    fn try_from(cuts: Vec<Cut>) -> Result<Self, Self::Error> {
        if cuts.is_empty() {
            return Err("expected fused or split at least once, got an empty list");
        }
        Ok(Self(cuts))
    }
}

impl From<CutPattern> for Vec<Cut> {
    fn from(pattern: CutPattern) -> Self {
        pattern.0
    }
}

impl FromStr for CutPattern {
    type Err = StatementError;

    /// Names, separated by commas.
    fn from_str(text: &str) -> Result<Self, StatementError> {
        // Splitting gives one piece at least.
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for CutPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|cut| cut.name()).collect();
        f.write_str(&names.join(","))
    }
}

/// What one proof shows of a segment, whatever the segment is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofPart {
    /// Everything.
    Whole,
    /// Everything but that the pairs (index, weight) are entries of the weight table.
    Arithmetic,
    /// That the pairs are entries of the weight table, and nothing else.
    Lookup,
}

impl ProofPart {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Whole, Self::Arithmetic, Self::Lookup];

    /// The name used in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Arithmetic => "arithmetic",
            Self::Lookup => "lookup",
        }
    }

    /// How the segments are proven that have such a proof.
    #[must_use]
    pub const fn cut(self) -> Cut {
        match self {
            Self::Whole => Cut::Fused,
            Self::Arithmetic | Self::Lookup => Cut::Split,
        }
    }

    /// Whether the proof shows the arithmetic: the only one, or the first of two.
    #[must_use]
    pub const fn is_main(self) -> bool {
        match self {
            Self::Whole | Self::Arithmetic => true,
            Self::Lookup => false,
        }
    }
}

impl fmt::Display for ProofPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a statement says of how its segment is proven.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentCut {
    /// One proof.
    #[default]
    Fused,
    /// Two proofs, which both open the pairs with this commitment.
    Split(PortCommitment),
}

impl SegmentCut {
    /// How the segment is proven.
    #[must_use]
    pub const fn kind(self) -> Cut {
        match self {
            Self::Fused => Cut::Fused,
            Self::Split(_) => Cut::Split,
        }
    }

    /// The commitment to the pairs that join two proofs, if there are two.
    #[must_use]
    pub const fn commitment(self) -> Option<PortCommitment> {
        match self {
            Self::Fused => None,
            Self::Split(commitment) => Some(commitment),
        }
    }
}

impl fmt::Display for SegmentCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fused => f.write_str("fused"),
            Self::Split(commitment) => write!(f, "split, {commitment}"),
        }
    }
}
