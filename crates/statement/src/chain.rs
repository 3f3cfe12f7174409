//! Chains: how segment statements join, and what holds of all of them together.

use alloc::string::String;
use core::fmt;

use matchmark_quant::{QuantError, QuantizationId, StepRange, TaggedSha256};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::identity::{ChainDigest, PortCommitment, StatementDigest, StatementVersion};
use crate::segment::SegmentStatement;
use crate::terms::{SharedTerms, TermsDifference};
use crate::text::{line, Steps};
use crate::tokens::{TokenEnds, TokenId};

/// Why a segment does not continue a chain. Segments are counted from 0.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The segment differs in a field that all segments of a chain share.
    #[error("segment {segment}: {field} is {got}, expected {expected} as in segment 0")]
    Terms {
        /// Index of the segment.
        segment: u64,
        /// Name of the field, as in [`SharedTerms`].
        field: &'static str,
        /// The field's value in the chain so far.
        expected: String,
        /// The field's value in this segment.
        got: String,
    },
    /// The segment begins after the position at which the chain ends: something is missing.
    #[error("segment {segment} begins after {got} cache entries, expected {expected}: steps are missing")]
    PositionGap {
        /// Index of the segment.
        segment: u64,
        /// Cache entries at the end of the chain so far.
        expected: usize,
        /// Cache entries before the segment.
        got: usize,
    },
    /// The segment begins before the position at which the chain ends: something comes twice.
    #[error("segment {segment} begins after {got} cache entries, expected {expected}: steps are repeated")]
    PositionOverlap {
        /// Index of the segment.
        segment: u64,
        /// Cache entries at the end of the chain so far.
        expected: usize,
        /// Cache entries before the segment.
        got: usize,
    },
    /// The segment begins with another cache than the one that the chain ends with.
    #[error("segment {segment} begins with state {got}, expected {expected}")]
    StateMismatch {
        /// Index of the segment.
        segment: u64,
        /// State at the end of the chain so far.
        expected: PortCommitment,
        /// State before the segment.
        got: PortCommitment,
    },
    /// The segment begins behind the prompt with another token than the segment before chose.
    #[error("segment {segment} begins with token {got}, expected the choice {expected}")]
    TokenMismatch {
        /// Index of the segment.
        segment: u64,
        /// The choice at the end of the chain so far.
        expected: TokenId,
        /// The token that the segment consumes first.
        got: TokenId,
    },
    /// The chain has more steps than can be counted.
    #[error(transparent)]
    Steps(#[from] QuantError),
}

/// What a whole chain of segments says. Made by [`ChainAccumulator::finish`] alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainStatement {
    terms: SharedTerms,
    first_state: PortCommitment,
    last_state: PortCommitment,
    steps: StepRange,
    segments: u64,
    tokens: Option<TokenEnds>,
    chain_digest: ChainDigest,
}

impl ChainStatement {
    /// What all segments have in common.
    #[must_use]
    pub const fn terms(&self) -> &SharedTerms {
        &self.terms
    }

    /// Commitment to the cache before the first segment.
    #[must_use]
    pub const fn first_state(&self) -> PortCommitment {
        self.first_state
    }

    /// Commitment to the cache after the last segment.
    #[must_use]
    pub const fn last_state(&self) -> PortCommitment {
        self.last_state
    }

    /// The steps of all segments together.
    #[must_use]
    pub const fn steps(&self) -> StepRange {
        self.steps
    }

    /// Number of segments, at least 1.
    #[must_use]
    pub const fn segments(&self) -> u64 {
        self.segments
    }

    /// The first token that the chain consumes and the last one that it chooses, if it is one of a
    /// decoder.
    #[must_use]
    pub const fn tokens(&self) -> Option<TokenEnds> {
        self.tokens
    }

    /// The choice after the last step, if the chain is one of a decoder: the token that a segment
    /// behind the prompt must begin with to continue it.
    #[must_use]
    pub fn next_token(&self) -> Option<TokenId> {
        self.tokens.map(|tokens| tokens.next)
    }

    /// Digest over the segments' statements, in order.
    #[must_use]
    pub const fn chain_digest(&self) -> ChainDigest {
        self.chain_digest
    }
}

impl fmt::Display for ChainStatement {
    /// One aligned line a field; no line end after the last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = format_args!("version {}", StatementVersion::CURRENT);
        line(f, "chain statement", version)?;
        self.terms().fmt(f)?;
        line(f, "segments", self.segments())?;
        line(f, "steps", Steps(&self.steps()))?;
        line(f, "first state", self.first_state())?;
        line(f, "last state", self.last_state())?;
        if let Some(tokens) = self.tokens() {
            line(f, "tokens", tokens)?;
        }
        write!(f, "{:<18}{}", "chain digest", self.chain_digest())
    }
}

impl Serialize for ChainStatement {
    /// For people: all fields by name, with the derived quantization identity.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            version: StatementVersion,
            #[serde(flatten)]
            terms: &'a SharedTerms,
            quantization_id: QuantizationId,
            segments: u64,
            steps: StepRange,
            first_state: PortCommitment,
            last_state: PortCommitment,
            tokens: Option<TokenEnds>,
            chain_digest: ChainDigest,
        }
        View {
            version: StatementVersion::CURRENT,
            terms: &self.terms,
            quantization_id: self.terms.quantization.id(),
            segments: self.segments,
            steps: self.steps,
            first_state: self.first_state,
            last_state: self.last_state,
            tokens: self.tokens,
            chain_digest: self.chain_digest,
        }
        .serialize(serializer)
    }
}

/// Joins segment statements into a chain, one at a time, in constant space.
///
/// It compares statements and knows nothing of proofs: whether a statement holds is for its caller to
/// have verified.
#[derive(Debug, Clone)]
pub struct ChainAccumulator {
    chain: ChainStatement,
}

impl ChainAccumulator {
    /// Domain tag under which the first segment's shared terms begin the digest.
    pub const START_TAG: &'static str = "matchmark/chain-start/v1";
    /// Domain tag under which each segment's statement digest is added.
    pub const SEGMENT_TAG: &'static str = "matchmark/chain-segment/v1";

    /// Begins a chain with its first segment, which is part of it: [`Self::push`] the second one next.
    ///
    /// With the terms' canonical encoding `T`, the digest of segment `i` `s_i` and `H` SHA-256 under a tag:
    /// `d_0 = H(START_TAG, T)`, `d_(i+1) = H(SEGMENT_TAG, d_i || s_i)`. Every input has a fixed length,
    /// but for the terms, which are alone.
    #[must_use]
    pub fn start(first: &SegmentStatement) -> Self {
        let start = TaggedSha256::new(Self::START_TAG)
            .chain(first.encoded_terms())
            .finish();
        Self {
            chain: ChainStatement {
                terms: first.terms().clone(),
                first_state: first.state_before(),
                last_state: first.state_after(),
                steps: first.steps(),
                segments: 1,
                tokens: first.tokens(),
                chain_digest: extend(ChainDigest::from_bytes(start), first.digest()),
            },
        }
    }

    /// Adds the next segment.
    ///
    /// # Errors
    ///
    /// [`ChainError`], one variant for each reason; the chain is then as it was before.
    pub fn push(&mut self, next: &SegmentStatement) -> Result<(), ChainError> {
        let chain = &mut self.chain;
        let segment = chain.segments;
        if let Some(TermsDifference {
            field,
            expected,
            got,
        }) = chain.terms.first_difference(next.terms())
        {
            return Err(ChainError::Terms {
                segment,
                field,
                expected,
                got,
            });
        }
        let (expected, got) = (chain.steps.entries_after(), next.steps().entries_before());
        if got > expected {
            return Err(ChainError::PositionGap {
                segment,
                expected,
                got,
            });
        }
        if got < expected {
            return Err(ChainError::PositionOverlap {
                segment,
                expected,
                got,
            });
        }
        if next.state_before() != chain.last_state {
            return Err(ChainError::StateMismatch {
                segment,
                expected: chain.last_state,
                got: next.state_before(),
            });
        }
        let tokens = join_tokens(chain, next)?;
        let steps = join(chain.steps, next.steps())?;
        chain.steps = steps;
        chain.tokens = tokens;
        chain.last_state = next.state_after();
        chain.segments += 1;
        chain.chain_digest = extend(chain.chain_digest, next.digest());
        Ok(())
    }

    /// The chain so far.
    #[must_use]
    pub const fn statement(&self) -> &ChainStatement {
        &self.chain
    }

    /// Ends the chain.
    ///
    /// Whether it is complete is for an [acceptance policy](crate::AcceptancePolicy) to say: a chain that
    /// ends early is a shorter chain.
    #[must_use]
    pub fn finish(self) -> ChainStatement {
        self.chain
    }
}

/// Both ranges as one; the second begins where the first ends.
fn join(first: StepRange, second: StepRange) -> Result<StepRange, QuantError> {
    // Positions stay below 2^20 by construction of a range, so the saturation is never reached; a
    // saturated count would be refused.
    let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    StepRange::new(
        narrow(first.entries_before()),
        narrow(first.steps() + second.steps()),
    )
}

/// First and next token of both together. Both are of one decoder or of none, as the terms say.
///
/// The first token behind the prompt of a segment is the choice of the segment before; within a segment
/// the public values' own check sees to that.
fn join_tokens(
    chain: &ChainStatement,
    next: &SegmentStatement,
) -> Result<Option<TokenEnds>, ChainError> {
    let (Some(decoder), Some(so_far), Some(own)) = (next.decoder(), chain.tokens, next.tokens())
    else {
        return Ok(None);
    };
    let (expected, got) = (so_far.next, own.first);
    if !decoder.prompt.gives(next.steps().entries_before()) && expected != got {
        return Err(ChainError::TokenMismatch {
            segment: chain.segments,
            expected,
            got,
        });
    }
    Ok(Some(TokenEnds {
        first: so_far.first,
        next: own.next,
    }))
}

fn extend(chain: ChainDigest, segment: StatementDigest) -> ChainDigest {
    ChainDigest::from_bytes(
        TaggedSha256::new(ChainAccumulator::SEGMENT_TAG)
            .chain(chain.as_bytes())
            .chain(segment.as_bytes())
            .finish(),
    )
}
