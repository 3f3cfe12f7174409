//! The proof of one segment.
use alloc::vec::Vec;

use matchmark_air::hash::{MerkleHasher, DIGEST_BYTES};
use stwo::core::fields::qm31::QM31;
use stwo::core::pcs::quotients::CommitmentSchemeProof;

use crate::error::VerifyError;
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

/// Where the bytes of a proof are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProofBytes {
    /// Roots of the commitment trees, and claimed sums.
    pub commitments: usize,
    /// Values at out-of-domain points.
    pub samples: usize,
    /// Values at the queries.
    pub queried_values: usize,
    /// Merkle nodes of the commitment trees.
    pub merkle_paths: usize,
    /// Everything of the low-degree test.
    pub low_degree: usize,
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

    /// Bytes by part (without the few length fields).
    pub fn bytes_by_part(&self) -> ProofBytes {
        let stark = &self.stark;
        let values: usize = stark.queried_values.iter().flatten().map(Vec::len).sum();
        let samples: usize = stark.sampled_values.iter().flatten().map(Vec::len).sum();
        let nodes: usize = stark
            .decommitments
            .iter()
            .map(|d| d.hash_witness.len())
            .sum();
        let fri = &stark.fri_proof;
        let layers = core::iter::once(&fri.first_layer).chain(&fri.inner_layers);
        let low_degree: usize = layers
            .map(|layer| {
                (layer.decommitment.hash_witness.len() + 1) * DIGEST_BYTES
                    + layer.fri_witness.len() * 16
            })
            .sum();
        ProofBytes {
            commitments: stark.commitments.len() * DIGEST_BYTES + self.claimed_sums.len() * 16,
            samples: samples * 16,
            queried_values: values * 4,
            merkle_paths: nodes * DIGEST_BYTES,
            low_degree: low_degree + fri.last_layer_poly.len() * 16,
        }
    }
}
