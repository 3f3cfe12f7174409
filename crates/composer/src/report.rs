//! What there is to say of a verified chain.

use matchmark_statement::{
    Answer, ChainStatement, FinishReason, PortCommitment, PublicValues, TokenId, TokenValues,
};
use matchmark_verifier::{SecurityFigures, Verified};
use serde::Serialize;

/// Tokens of a decoder's segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SegmentTokens {
    /// The token that each step consumes.
    pub consumed: Vec<TokenId>,
    /// The token that is chosen after each step.
    pub chosen: Vec<TokenId>,
}

impl SegmentTokens {
    /// The tokens among these public values, if that is what they are.
    #[must_use]
    pub fn of(values: &PublicValues) -> Option<Self> {
        match values {
            PublicValues::Attention(_) => None,
            PublicValues::Tokens(tokens) => Some(tokens.into()),
        }
    }
}

impl From<&TokenValues> for SegmentTokens {
    fn from(values: &TokenValues) -> Self {
        Self {
            consumed: values.consumed().to_vec(),
            chosen: values.chosen().to_vec(),
        }
    }
}

/// What there is to say of one verified segment, or of a part of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentReport {
    /// Index in the chain, from 0.
    pub segment: u64,
    /// The group of layers, where there are several: the row is that of a part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<u16>,
    /// Cache entries before the segment's first step.
    pub entries_before: usize,
    /// Number of steps.
    pub steps: usize,
    /// Commitment to the cache before the first step.
    pub state_before: PortCommitment,
    /// Commitment to the cache after the last step.
    pub state_after: PortCommitment,
    /// Bytes of the proof.
    pub proof_bytes: u64,
    /// Bytes of the public values.
    pub public_bytes: u64,
    /// The tokens, if the segment is one of a decoder; of several groups of layers the last has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<SegmentTokens>,
    /// Milliseconds that verification took, reading and decoding of the file not counted.
    pub verify_ms: f64,
    /// How many of them went to the public values.
    pub public_ms: f64,
}

/// What there is to say of a verified chain.
#[derive(Clone, Debug)]
pub struct ChainReport {
    /// What the chain says, verified.
    pub statement: Verified<ChainStatement>,
    /// Why the chain ends.
    pub finish_reason: FinishReason,
    /// What of the chain of a decoder is its answer.
    pub answer: Option<Answer>,
    /// Number of segments.
    pub segments: u64,
    /// Number of parts: one for each segment and group of layers.
    pub parts: u64,
    /// Number of steps.
    pub steps: usize,
    /// Bytes of all proofs.
    pub proof_bytes: u64,
    /// Bytes of all public values.
    pub public_bytes: u64,
    /// What the proofs are worth: the same for all segments of a chain.
    pub figures: SecurityFigures,
    /// Milliseconds for the whole chain: reading, decoding and verifying.
    pub verify_ms: f64,
    /// One row a segment, or a part.
    pub per_segment: Vec<SegmentReport>,
}
