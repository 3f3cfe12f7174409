//! Whether a segment is shown by one proof or by two, and what joins the two.

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;

use matchmark_quant::TaggedSha256;
use serde::{Deserialize, Serialize};

use crate::decoder::SegmentKind;
use crate::error::StatementError;
use crate::identity::{PortCommitment, StatementDigest};
use crate::segment::SegmentStatement;

/// How a segment is proven.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Boundary {
    /// One proof: arithmetic and membership in the weight table together. The default.
    #[default]
    Fused,
    /// Two proofs: the arithmetic, and membership in the weight table alone. The columns that they share
    /// are committed by themselves.
    Split,
}

impl Boundary {
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

    /// The proofs that show a segment of attention alone, in the order of its file. A segment of a whole
    /// decoder is shown by [`ProofPart::Decoder`].
    #[must_use]
    pub const fn parts(self) -> &'static [ProofPart] {
        match self {
            Self::Fused => &[ProofPart::Fused],
            Self::Split => &[ProofPart::Arithmetic, ProofPart::Lookup],
        }
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Boundary {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        Self::ALL
            .into_iter()
            .find(|boundary| boundary.name() == text)
            .ok_or_else(|| StatementError::UnknownBoundary {
                expected: "fused or split",
                got: text.to_string(),
            })
    }
}

/// What one proof shows of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofPart {
    /// Everything of attention alone.
    Fused,
    /// Everything but that the pairs (index, weight) in the boundary are entries of the weight table.
    Arithmetic,
    /// That the pairs in the boundary are entries of the weight table, and nothing else.
    Lookup,
    /// Everything of a whole decoder, from tokens to tokens.
    Decoder,
}

impl ProofPart {
    /// All parts.
    pub const ALL: [Self; 4] = [Self::Fused, Self::Arithmetic, Self::Lookup, Self::Decoder];

    /// The name used in files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Arithmetic => "arithmetic",
            Self::Lookup => "lookup",
            Self::Decoder => "decoder",
        }
    }

    /// How the segments are proven that have such a proof.
    #[must_use]
    pub const fn boundary(self) -> Boundary {
        match self {
            Self::Fused | Self::Decoder => Boundary::Fused,
            Self::Arithmetic | Self::Lookup => Boundary::Split,
        }
    }

    /// What the segments are of that have such a proof.
    #[must_use]
    pub const fn kind(self) -> SegmentKind {
        match self {
            Self::Fused | Self::Arithmetic | Self::Lookup => SegmentKind::Attention,
            Self::Decoder => SegmentKind::Decoder,
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
pub enum SegmentBoundary {
    /// One proof.
    #[default]
    Fused,
    /// Two proofs, which both open the tree with this commitment.
    Split(PortCommitment),
}

impl SegmentBoundary {
    /// How the segment is proven.
    #[must_use]
    pub const fn kind(self) -> Boundary {
        match self {
            Self::Fused => Boundary::Fused,
            Self::Split(_) => Boundary::Split,
        }
    }

    /// The commitment that joins two proofs, if there are two.
    #[must_use]
    pub const fn commitment(self) -> Option<PortCommitment> {
        match self {
            Self::Fused => None,
            Self::Split(commitment) => Some(commitment),
        }
    }
}

impl fmt::Display for SegmentBoundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fused => f.write_str("fused"),
            Self::Split(commitment) => write!(f, "split, {commitment}"),
        }
    }
}

/// The statement of a lookup proof.
///
/// The claim: there are columns that open the segment's boundary commitment, and every pair (index,
/// weight) in their rows is an entry of the weight table named in the segment's statement. It names the
/// whole segment, so that it goes with no other, and has a digest of its own, so that neither proof
/// passes for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupStatement {
    segment: SegmentStatement,
    boundary: PortCommitment,
}

impl LookupStatement {
    /// Domain tag of the digest.
    pub const TAG: &'static str = "matchmark/lookup-statement/v1";

    /// The statement of the lookup proof that belongs to a split segment.
    ///
    /// # Errors
    ///
    /// [`StatementError::NotSplit`] for a fused one.
    pub fn new(segment: SegmentStatement) -> Result<Self, StatementError> {
        match segment.boundary() {
            SegmentBoundary::Split(boundary) => Ok(Self { segment, boundary }),
            SegmentBoundary::Fused => Err(StatementError::NotSplit {
                expected: Boundary::Split,
                got: Boundary::Fused,
            }),
        }
    }

    /// The segment whose table memberships are claimed.
    #[must_use]
    pub const fn segment(&self) -> &SegmentStatement {
        &self.segment
    }

    /// The commitment to the pairs.
    #[must_use]
    pub const fn boundary(&self) -> PortCommitment {
        self.boundary
    }

    /// SHA-256 of the segment statement's canonical encoding under [`Self::TAG`].
    #[must_use]
    pub fn digest(&self) -> StatementDigest {
        StatementDigest::from_bytes(
            TaggedSha256::new(Self::TAG)
                .chain(&self.segment.encode())
                .finish(),
        )
    }
}
