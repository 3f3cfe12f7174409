//! Chains: how segment statements join, and what holds of all of them together.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use matchmark_quant::{QuantError, QuantizationId, StepRange, TaggedSha256};
use serde::{Serialize, Serializer};
use thiserror::Error;

use crate::identity::{ChainDigest, PortCommitment, StatementDigest, StatementVersion};
use crate::port::Port;
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
    #[error("segment {segment}{} begins with state {got}, expected {expected}", Group(.group))]
    StateMismatch {
        /// Index of the segment.
        segment: u64,
        /// The group of layers.
        group: u16,
        /// State of the group at the end of the chain so far.
        expected: PortCommitment,
        /// State before the segment.
        got: PortCommitment,
    },
    /// Another group of layers than the next one: one is missing, twice, or in another's place.
    #[error("segment {segment}: part of group {got} of layers, expected that of group {expected}")]
    GroupOrder {
        /// Index of the segment.
        segment: u64,
        /// The group that comes next.
        expected: u16,
        /// The group of the part.
        got: u16,
    },
    /// A part takes in another stream than the group of layers before it gives out.
    #[error("segment {segment}, group {group}: the stream in is {got}, expected {expected}, what group {} gives out", .group - 1)]
    StreamMismatch {
        /// Index of the segment.
        segment: u64,
        /// The group of layers.
        group: u16,
        /// The stream that the group before gives out.
        expected: PortCommitment,
        /// The stream that the part takes in.
        got: PortCommitment,
    },
    /// A part is not of the segment that the parts before it are of.
    #[error("segment {segment}, group {group}: {field} are others than those of group 0")]
    OtherSegment {
        /// Index of the segment.
        segment: u64,
        /// The group of layers.
        group: u16,
        /// What differs: `steps`, `public values` or `tokens`.
        field: &'static str,
    },
    /// The weights of all groups of layers together are not those that the terms name.
    #[error("segment {segment}: the weights of all groups are {got}, expected {expected}")]
    GroupWeights {
        /// Index of the segment.
        segment: u64,
        /// The commitment in the terms.
        expected: PortCommitment,
        /// That of the parts.
        got: PortCommitment,
    },
    /// The chain ends within a segment: parts of it are missing.
    #[error("segment {segment} has parts of {got} groups of layers, expected {expected}")]
    PartsMissing {
        /// Index of the segment.
        segment: u64,
        /// Number of groups.
        expected: u16,
        /// Parts that are there.
        got: u16,
    },
    /// There is no segment.
    #[error("expected at least one segment, got none")]
    Empty,
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
    /// What the chain of these parts says, in order.
    ///
    /// # Errors
    ///
    /// [`ChainError`], if they do not join, or are not whole segments.
    pub fn of<'a>(
        parts: impl IntoIterator<Item = &'a SegmentStatement>,
    ) -> Result<Self, ChainError> {
        let mut chain = ChainAccumulator::new();
        for part in parts {
            chain.push(part)?;
        }
        chain.finish()
    }

    /// What all segments have in common.
    #[must_use]
    pub const fn terms(&self) -> &SharedTerms {
        &self.terms
    }

    /// Commitment to the cache before the first segment: that of all groups of layers,
    /// [`PortCommitment::of_groups`].
    #[must_use]
    pub const fn first_state(&self) -> PortCommitment {
        self.first_state
    }

    /// Commitment to the cache after the last segment, in the same way.
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

    /// Number of parts: one for each segment and group of layers.
    #[must_use]
    pub fn parts(&self) -> u64 {
        self.segments * u64::from(self.terms.groups().get())
    }

    /// Digest over the statements of all parts, segment by segment, in order.
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
/// Where a decoder is cut into groups of layers, a segment has one part for each group; they come one after the
/// other, the segments in their order. What is kept is a commitment or two a group, whatever the length of the
/// chain.
///
/// It compares statements and knows nothing of proofs: whether a statement holds is for its caller to
/// have verified.
#[derive(Debug, Clone, Default)]
pub struct ChainAccumulator {
    /// The segments of which all parts are there.
    chain: Option<ChainStatement>,
    /// The state of each group of layers at their end.
    states: Vec<PortCommitment>,
    /// The segment of which parts are missing.
    row: Option<Row>,
}

/// A segment of which the parts of the first groups of layers are there.
#[derive(Debug, Clone)]
struct Row {
    /// The part of the first group.
    first: SegmentStatement,
    /// By group.
    weights: Vec<PortCommitment>,
    before: Vec<PortCommitment>,
    after: Vec<PortCommitment>,
    /// What the last part gives out.
    stream: Option<PortCommitment>,
    /// The chain's digest with all parts so far.
    digest: ChainDigest,
}

impl ChainAccumulator {
    /// Domain tag under which the first segment's shared terms begin the digest.
    pub const START_TAG: &'static str = "matchmark/chain-start/v1";
    /// Domain tag under which each part's statement digest is added.
    pub const SEGMENT_TAG: &'static str = "matchmark/chain-segment/v1";

    /// A chain of no segments yet.
    ///
    /// With the terms' canonical encoding `T`, the digest of part `i` `s_i` and `H` SHA-256 under a tag:
    /// `d_0 = H(START_TAG, T)`, `d_(i+1) = H(SEGMENT_TAG, d_i || s_i)`. Every input has a fixed length,
    /// but for the terms, which are alone.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            chain: None,
            states: Vec::new(),
            row: None,
        }
    }

    /// Adds the next part. Gives whether it completes a segment.
    ///
    /// # Errors
    ///
    /// [`ChainError`], one variant for each reason; the chain is then as it was before.
    pub fn push(&mut self, next: &SegmentStatement) -> Result<bool, ChainError> {
        let row = self.next_row(next)?;
        let groups = next.groups();
        if row.weights.len() < groups.count() {
            self.row = Some(row);
            return Ok(false);
        }
        self.check_weights(&row)?;
        let Row {
            first,
            before,
            after,
            digest,
            ..
        } = row;
        let last_state = PortCommitment::of_groups(&after);
        self.chain = Some(match &self.chain {
            None => ChainStatement {
                terms: first.terms().clone(),
                first_state: PortCommitment::of_groups(&before),
                last_state,
                steps: first.steps(),
                segments: 1,
                tokens: first.tokens(),
                chain_digest: digest,
            },
            Some(chain) => ChainStatement {
                terms: chain.terms.clone(),
                first_state: chain.first_state,
                last_state,
                steps: join(chain.steps, first.steps())?,
                segments: chain.segments + 1,
                tokens: join_tokens(chain, &first)?,
                chain_digest: digest,
            },
        });
        self.states = after;
        self.row = None;
        Ok(true)
    }

    /// Index of the segment that the next part is of.
    fn segment(&self) -> u64 {
        self.chain.as_ref().map_or(0, |chain| chain.segments)
    }

    /// The segment with this part.
    fn next_row(&self, next: &SegmentStatement) -> Result<Row, ChainError> {
        let segment = self.segment();
        let group = next.group_index();
        let expected = self.parts_of_segment();
        if group != expected {
            return Err(ChainError::GroupOrder {
                segment,
                expected,
                got: group,
            });
        }
        let mut row = match &self.row {
            None => self.begin_row(next)?,
            Some(row) => {
                row.check_part(segment, next)?;
                row.clone()
            }
        };
        if let Some(expected) = self.states.get(usize::from(group)) {
            let got = next.state_before();
            if *expected != got {
                return Err(ChainError::StateMismatch {
                    segment,
                    group,
                    expected: *expected,
                    got,
                });
            }
        }
        row.weights
            .extend(next.port(Port::Model).or(Some(NO_WEIGHTS)));
        row.before.push(next.state_before());
        row.after.push(next.state_after());
        row.stream = next.port(Port::StreamOut);
        row.digest = extend(row.digest, next.digest());
        Ok(row)
    }

    /// A segment that continues the chain, with no part yet.
    fn begin_row(&self, next: &SegmentStatement) -> Result<Row, ChainError> {
        let digest = match &self.chain {
            None => ChainDigest::from_bytes(
                TaggedSha256::new(Self::START_TAG)
                    .chain(next.encoded_terms())
                    .finish(),
            ),
            Some(chain) => {
                check_follows(chain, next)?;
                chain.chain_digest
            }
        };
        Ok(Row {
            first: next.clone(),
            weights: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            stream: None,
            digest,
        })
    }

    /// The weights of all groups of layers are those that the terms name.
    fn check_weights(&self, row: &Row) -> Result<(), ChainError> {
        let Some(decoder) = row.first.decoder() else {
            return Ok(());
        };
        let (expected, got) = (decoder.weights, PortCommitment::of_groups(&row.weights));
        if expected == got {
            return Ok(());
        }
        Err(ChainError::GroupWeights {
            segment: self.segment(),
            expected,
            got,
        })
    }

    /// The segments of which all parts are there; `None` before the first.
    #[must_use]
    pub const fn statement(&self) -> Option<&ChainStatement> {
        self.chain.as_ref()
    }

    /// Parts that are there of the segment that is not complete.
    #[must_use]
    pub fn parts_of_segment(&self) -> u16 {
        let parts = self.row.as_ref().map_or(0, |row| row.weights.len());
        // Not more than there are groups.
        u16::try_from(parts).unwrap_or(u16::MAX)
    }

    /// Ends the chain.
    ///
    /// Whether it is complete is for an [acceptance policy](crate::AcceptancePolicy) to say: a chain that
    /// ends early is a shorter chain.
    ///
    /// # Errors
    ///
    /// [`ChainError::Empty`] for a chain without a segment, [`ChainError::PartsMissing`] if it ends within one.
    pub fn finish(self) -> Result<ChainStatement, ChainError> {
        if let Some(row) = &self.row {
            return Err(ChainError::PartsMissing {
                segment: self.segment(),
                expected: row.first.groups().get(),
                got: self.parts_of_segment(),
            });
        }
        self.chain.ok_or(ChainError::Empty)
    }
}

/// In the place of the weights of attention alone, which has none.
const NO_WEIGHTS: PortCommitment = PortCommitment::from_bytes([0; 32]);

impl Row {
    /// A part of another group of layers is of the same segment, and takes in what the one before gives out.
    fn check_part(&self, segment: u64, next: &SegmentStatement) -> Result<(), ChainError> {
        check_terms(segment, self.first.terms(), next.terms())?;
        let (first, group) = (&self.first, next.group_index());
        for (field, equal) in [
            ("steps", first.steps() == next.steps()),
            (
                "public values",
                first.public_values() == next.public_values(),
            ),
            ("tokens", first.tokens() == next.tokens()),
        ] {
            if !equal {
                return Err(ChainError::OtherSegment {
                    segment,
                    group,
                    field,
                });
            }
        }
        // A statement behind the first has a stream in, and one before the last a stream out.
        match (self.stream, next.port(Port::StreamIn)) {
            (Some(expected), Some(got)) if expected != got => Err(ChainError::StreamMismatch {
                segment,
                group,
                expected,
                got,
            }),
            _ => Ok(()),
        }
    }
}

/// The terms are those of the chain.
fn check_terms(segment: u64, chain: &SharedTerms, next: &SharedTerms) -> Result<(), ChainError> {
    match chain.first_difference(next) {
        None => Ok(()),
        Some(TermsDifference {
            field,
            expected,
            got,
        }) => Err(ChainError::Terms {
            segment,
            field,
            expected,
            got,
        }),
    }
}

/// A segment continues the chain: terms, position, and first token.
fn check_follows(chain: &ChainStatement, next: &SegmentStatement) -> Result<(), ChainError> {
    let segment = chain.segments;
    check_terms(segment, &chain.terms, next.terms())?;
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
    join_tokens(chain, next)?;
    join(chain.steps, next.steps())?;
    Ok(())
}

/// ` of group 3`, of any but the first.
struct Group<'a>(&'a u16);

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            group => write!(f, " of group {group}"),
        }
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
