//! What there is to say of a proven chain.

use matchmark_statement::{Answer, ChainDigest, FinishReason, PortCommitment};
use serde::Serialize;

use crate::proving::schedule::Schedule;
use crate::report::SegmentTokens;

/// What there is to say of one finished segment, or of a part of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProvenRow {
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
    /// Whether the segment was there already: it was checked, not proven.
    pub kept: bool,
    /// The tokens, if the segment is one of a decoder; of several groups of layers the last has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<SegmentTokens>,
    /// Milliseconds of wall time for proving, or for checking where it was there already.
    pub prove_ms: f64,
}

/// What there is to say of a proven chain. Sizes are sums over all segments, kept ones included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProveReport {
    /// Number of segments.
    pub segments: u64,
    /// Number of parts: one for each segment and group of layers.
    pub parts: u64,
    /// Parts that were there already.
    pub parts_kept: u64,
    /// Number of steps.
    pub steps: usize,
    /// Why the chain ends.
    pub finish_reason: FinishReason,
    /// What of the chain of a decoder is its answer.
    pub answer: Option<Answer>,
    /// Uses of the weight table: scores of all heads and steps.
    pub lookup_claims: u64,
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the compositions'.
    pub committed_cells: u64,
    /// Columns that a proof opens at the queries (the most of any segment, not a sum).
    pub opened_columns: u64,
    /// Bytes of all proofs.
    pub proof_bytes: u64,
    /// Bytes of all public values.
    pub public_bytes: u64,
    /// Processor time, in milliseconds, of the whole process from the creation of the prover to its
    /// end: reference, states and preprocessed trees included. `None` where the system does not say.
    pub prove_cpu_ms: Option<u64>,
    /// Wall time of the same, in milliseconds.
    pub prove_wall_ms: f64,
    /// Largest resident set of the process, in bytes. `None` where the system does not say.
    pub peak_rss_bytes: Option<u64>,
    /// How the work was shared out.
    pub schedule: Schedule,
    /// Commitment to the cache before the first segment.
    pub first_state: PortCommitment,
    /// Commitment to the cache after the last segment.
    pub last_state: PortCommitment,
    /// Digest over the segments' statements.
    pub chain_digest: ChainDigest,
    /// One row a segment, or a part, in order.
    pub per_segment: Vec<ProvenRow>,
}
