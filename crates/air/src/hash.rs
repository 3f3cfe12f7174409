//! The Merkle hash: Blake2s-256 cut to its first 26 bytes.
//!
//! The security levels of this project promise 100 bits. A collision of an `n`-bit hash costs about `2^(n/2)`,
//! so 208 bits of digest leave four bits beyond that for what else a proof's own hashes are asked for, and the
//! other 48 bits of every node would be proof bytes that buy nothing. Two thirds of a proof are Merkle nodes.
//!
//! In memory a digest keeps the 32-byte type of the library, with the last six bytes zero; the proof format
//! writes the first 26 only. The transcript itself uses the full Blake2s-256.
use stwo::core::channel::MerkleChannel;
use stwo::core::fields::m31::BaseField;
use stwo::core::vcs::blake2_hash::{Blake2sHash, Blake2sHasher};
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;

use crate::channel::GrindingChannel;

/// Length in bytes of a Merkle digest.
pub const DIGEST_BYTES: usize = 26;

/// Zeroes what does not belong to a Merkle digest.
fn truncate(mut hash: Blake2sHash) -> Blake2sHash {
    hash.0[DIGEST_BYTES..].fill(0);
    hash
}

/// The library type of a digest given by its [`DIGEST_BYTES`] bytes.
pub fn digest_from_bytes(bytes: [u8; DIGEST_BYTES]) -> Blake2sHash {
    let mut hash = [0; 32];
    hash[..DIGEST_BYTES].copy_from_slice(&bytes);
    Blake2sHash(hash)
}

/// The [`DIGEST_BYTES`] bytes of a digest.
pub fn digest_to_bytes(hash: &Blake2sHash) -> [u8; DIGEST_BYTES] {
    core::array::from_fn(|i| hash.0[i])
}

/// Merkle hasher over field elements with 26-byte digests.
///
/// It serializes as nothing: the library's derived `Serialize` of a proof asks for it.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct MerkleHasher(#[serde(skip)] Blake2sMerkleHasher);

impl MerkleHasherLifted for MerkleHasher {
    type Hash = Blake2sHash;

    fn hash_children(children: (Self::Hash, Self::Hash)) -> Self::Hash {
        truncate(Blake2sMerkleHasher::hash_children(children))
    }

    fn update_leaf(&mut self, column_values: &[BaseField]) {
        self.0.update_leaf(column_values);
    }

    fn finalize(self) -> Self::Hash {
        truncate(MerkleHasherLifted::finalize(self.0))
    }
}

/// The channel of every proof: Blake2s transcript with the work before its challenges, Merkle trees of
/// [`MerkleHasher`].
#[derive(Clone, Copy, Debug, Default)]
pub struct ProofChannel;

impl MerkleChannel for ProofChannel {
    type C = GrindingChannel;
    type H = MerkleHasher;

    fn mix_root(channel: &mut Self::C, root: Blake2sHash) {
        channel.update_digest(Blake2sHasher::concat_and_hash(&channel.digest(), &root));
    }
}

#[cfg(feature = "prover")]
mod prover {
    use rayon::prelude::*;
    use stwo::core::fields::m31::BaseField;
    use stwo::core::vcs::blake2_hash::Blake2sHash;
    use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
    use stwo::prover::backend::simd::SimdBackend;
    use stwo::prover::backend::{BackendForChannel, Col};
    use stwo::prover::vcs_lifted::ops::MerkleOpsLifted;

    use super::{truncate, MerkleHasher, ProofChannel};

    fn truncate_layer(mut layer: Vec<Blake2sHash>) -> Vec<Blake2sHash> {
        layer
            .par_iter_mut()
            .with_min_len(1 << 12)
            .for_each(|hash| *hash = truncate(*hash));
        layer
    }

    impl MerkleOpsLifted<MerkleHasher> for SimdBackend {
        fn build_leaves(
            columns: &[&Col<Self, BaseField>],
            lifting_log_size: u32,
        ) -> Vec<Blake2sHash> {
            truncate_layer(
                <Self as MerkleOpsLifted<Blake2sMerkleHasher>>::build_leaves(
                    columns,
                    lifting_log_size,
                ),
            )
        }

        fn build_next_layer(previous: &Vec<Blake2sHash>) -> Vec<Blake2sHash> {
            truncate_layer(
                <Self as MerkleOpsLifted<Blake2sMerkleHasher>>::build_next_layer(previous),
            )
        }
    }

    impl BackendForChannel<ProofChannel> for SimdBackend {}
}
