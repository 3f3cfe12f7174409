//! The proof of one segment.
use alloc::vec::Vec;

use matchmark_air::hash::MerkleHasher;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::quotients::CommitmentSchemeProof;

/// The proof of one segment: claimed LogUp sums and the STARK.
#[derive(Clone, Debug)]
pub struct SegmentProof {
    /// One claimed sum a component, in component order.
    pub claimed_sums: Vec<QM31>,
    /// Nonces of the work before challenges that need some, in the order of the transcript.
    pub nonces: Vec<u64>,
    /// The library's proof. Its configuration is never read from bytes.
    pub stark: CommitmentSchemeProof<MerkleHasher>,
}
