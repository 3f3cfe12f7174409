//! The statement of a lookup proof: the second of the two that show a split segment.

use matchmark_quant::TaggedSha256;

use crate::cut::{Cut, SegmentCut};
use crate::error::StatementError;
use crate::identity::{PortCommitment, StatementDigest};
use crate::segment::SegmentStatement;

/// The statement of a lookup proof.
///
/// The claim: there are columns that open the segment's commitment to the pairs, and every pair (index,
/// weight) in their rows is an entry of the weight table named in the segment's statement. It names the
/// whole segment, so that it goes with no other, and has a digest of its own, so that neither proof
/// passes for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupStatement {
    segment: SegmentStatement,
    pairs: PortCommitment,
}

impl LookupStatement {
    /// Domain tag of the digest.
    pub const TAG: &'static str = "matchmark/lookup-statement/v2";

    /// The statement of the lookup proof that belongs to a split segment.
    ///
    /// # Errors
    ///
    /// [`StatementError::NotSplit`] for a fused one.
    pub fn new(segment: SegmentStatement) -> Result<Self, StatementError> {
        match segment.cut() {
            SegmentCut::Split(pairs) => Ok(Self { segment, pairs }),
            SegmentCut::Fused => Err(StatementError::NotSplit {
                expected: Cut::Split.name(),
                got: Cut::Fused.name(),
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
    pub const fn pairs(&self) -> PortCommitment {
        self.pairs
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
