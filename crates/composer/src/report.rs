//! What there is to say of a verified chain.

use matchmark_statement::{ChainStatement, StateCommitment};
use matchmark_verifier::{SecurityFigures, Verified};
use serde::Serialize;

/// What there is to say of one verified segment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SegmentReport {
    /// Index in the chain, from 0.
    pub segment: u64,
    /// Cache entries before the segment's first step.
    pub entries_before: usize,
    /// Number of steps.
    pub steps: usize,
    /// Commitment to the cache before the first step.
    pub state_before: StateCommitment,
    /// Commitment to the cache after the last step.
    pub state_after: StateCommitment,
    /// Bytes of the proof.
    pub proof_bytes: u64,
    /// Bytes of the public values.
    pub public_bytes: u64,
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
    /// Number of segments.
    pub segments: u64,
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
    /// One row a segment.
    pub per_segment: Vec<SegmentReport>,
}
