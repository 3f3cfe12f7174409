//! State commitments: what a segment proof says of the cache before and after it.
//!
//! A Merkle root alone does not fix a cache: with few queries a tree can be built that opens to two
//! different codewords. A state is therefore committed as (root, fingerprint): the point `z` is
//! derived from the root, and the fingerprint is the value of every state column at `z`, opened in
//! the same batch as everything else. With root and fingerprint fixed there is one cache left; the
//! argument is in `docs/soundness.md`.
use alloc::vec::Vec;

use matchmark_statement::{SegmentShape, StateCommitment};
use sha2::{Digest, Sha256};
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use crate::hash::{digest_to_bytes, ProofChannel};

/// Domain tag of the fingerprint point (`"state-point"` as little-endian words, zero padded).
const POINT_TAG: [u32; 3] = [0x7461_7473, 0x6f70_2d65, 0x0074_6e69];
/// Domain tag of the commitment.
const COMMITMENT_TAG: &[u8] = b"matchmark/state/v1";

/// The point at which the columns of the state tree with this root are fingerprinted.
pub fn fingerprint_point(root: Blake2sHash) -> CirclePoint<QM31> {
    let channel = &mut Blake2sChannel::default();
    channel.mix_u32s(&POINT_TAG);
    ProofChannel::mix_root(channel, root);
    CirclePoint::get_random_point(channel)
}

/// What opens a [`StateCommitment`] inside a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateOpening {
    /// Root of the state tree.
    pub root: Blake2sHash,
    /// Value of each state column at [`fingerprint_point`], in column order.
    pub fingerprint: Vec<QM31>,
}

impl StateOpening {
    /// The commitment to a cache of `entries` entries: SHA-256 over a tag, the shape of the chain,
    /// the number of entries, the height of the tree, the root and the fingerprint.
    pub fn commitment(
        &self,
        shape: &SegmentShape,
        entries: u64,
        lifting_log_size: u32,
    ) -> StateCommitment {
        let mut hash = Sha256::new();
        hash.update(COMMITMENT_TAG);
        let attention = shape.attention();
        for size in [
            attention.query_heads() as u64,
            attention.kv_heads() as u64,
            attention.head_dim() as u64,
            u64::from(shape.capacity().get()),
            u64::from(shape.segment_steps().get()),
            entries,
            u64::from(lifting_log_size),
            self.fingerprint.len() as u64,
        ] {
            hash.update(size.to_le_bytes());
        }
        hash.update(digest_to_bytes(&self.root));
        for value in &self.fingerprint {
            for coordinate in value.to_m31_array() {
                hash.update(coordinate.0.to_le_bytes());
            }
        }
        StateCommitment::from_bytes(hash.finalize().into())
    }
}
