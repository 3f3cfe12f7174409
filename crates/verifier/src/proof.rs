//! The proof of one segment.
use alloc::vec::Vec;

use matchmark_air::hash::MerkleHasher;
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::quotients::CommitmentSchemeProof;

use crate::error::VerifyError;
use crate::sizes::ProofSizes;
use crate::structure::ProofStructure;
use crate::wire;

/// The proof of one segment: claimed LogUp sums and the STARK.
#[derive(Clone, Debug)]
pub struct SegmentProof {
    /// One claimed sum a component, in component order.
    pub claimed_sums: Vec<QM31>,
    /// The library's proof. Its configuration is never read from bytes.
    pub stark: CommitmentSchemeProof<MerkleHasher>,
}

impl SegmentProof {
    /// The binary form of the proof; see `docs/proof-format.md`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::WrongLength`] and the like if the proof does not have this structure.
    pub fn encode(&self, structure: &ProofStructure) -> Result<Vec<u8>, VerifyError> {
        wire::encode(self, structure)
    }

    /// Reads a proof of this structure, and of no other. `encode` gives the same bytes back.
    ///
    /// # Errors
    ///
    /// A typed [`VerifyError`] for every deviation; nothing is allocated beyond what the structure
    /// allows.
    pub fn decode(bytes: &[u8], structure: &ProofStructure) -> Result<Self, VerifyError> {
        wire::decode(bytes, structure)
    }

    /// Where the bytes are.
    pub fn sizes(&self, structure: &ProofStructure) -> ProofSizes {
        ProofSizes::of(self, structure)
    }
}
