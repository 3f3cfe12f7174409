//! Commitments that fix their columns: a Merkle root and a fingerprint.
//!
//! A Merkle root alone does not fix columns: with few queries a tree can be built that opens to two
//! different codewords. What two proofs have to agree on is therefore committed as (root,
//! fingerprint): the point `z` is derived from the root, and the fingerprint is the value of every
//! column at `z`, opened in the same batch as everything else. With root and fingerprint fixed there
//! is one set of columns left; the argument is in `docs/soundness.md`. The carried state, weights and
//! tables of a model, and the boundary of a split segment are committed in this way.
use alloc::vec::Vec;

use matchmark_quant::{ModelArithmetic, ModelShape, ModelShifts};
use matchmark_statement::{
    BoundaryCommitment, ModelCommitment, SegmentShape, StateCommitment, TableId,
};
use num_traits::Zero;
use sha2::{Digest, Sha256};
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::QM31;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::merkle_hasher::MerkleHasherLifted;

use crate::hash::{digest_to_bytes, MerkleHasher, ProofChannel};
use crate::layout::SegmentLayout;

/// Domain tag of the fingerprint point (`"fingerprint"` as little-endian words, zero padded).
const POINT_TAG: [u32; 3] = [0x676e_6966, 0x7270_7265, 0x0074_6e69];
/// Domain tag of state commitments.
const STATE_TAG: &[u8] = b"matchmark/state/v2";
/// Domain tag of model commitments.
const MODEL_TAG: &[u8] = b"matchmark/model-tree/v2";
/// Domain tag of boundary commitments.
const BOUNDARY_TAG: &[u8] = b"matchmark/boundary/v1";

/// The point at which the columns of the tree with this root are fingerprinted.
pub fn fingerprint_point(root: Blake2sHash) -> CirclePoint<QM31> {
    let channel = &mut Blake2sChannel::default();
    channel.mix_u32s(&POINT_TAG);
    ProofChannel::mix_root(channel, root);
    CirclePoint::get_random_point(channel)
}

/// What opens a commitment inside a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Root of the tree.
    pub root: Blake2sHash,
    /// Value of each column at [`fingerprint_point`], in column order.
    pub fingerprint: Vec<QM31>,
}

impl Opening {
    /// The commitment to a cache of `entries` entries: SHA-256 over a tag, the shape of the chain,
    /// the number of entries, the height of the tree, the root and the fingerprint.
    pub fn state_commitment(
        &self,
        shape: &SegmentShape,
        entries: u64,
        lifting_log_size: u32,
    ) -> StateCommitment {
        let sizes = [entries, u64::from(lifting_log_size)];
        StateCommitment::from_bytes(self.digest(STATE_TAG, shape, &sizes))
    }

    /// The commitment to the boundary of a split segment: SHA-256 over a tag, the shape of the chain,
    /// the steps of the segment, the rows of the boundary, the height of the tree, the root and the
    /// fingerprint.
    pub fn boundary_commitment(
        &self,
        layout: &SegmentLayout,
        lifting_log_size: u32,
    ) -> BoundaryCommitment {
        let sizes = [
            layout.steps() as u64,
            u64::from(layout.log_rows().candidates),
            u64::from(lifting_log_size),
        ];
        BoundaryCommitment::from_bytes(self.digest(BOUNDARY_TAG, layout.shape(), &sizes))
    }

    /// Of a tree of this height whose columns are zero: root and fingerprint of an empty cache.
    ///
    /// All leaves are the same, and so are all nodes of a level.
    pub fn of_zeros(columns: usize, lifting_log_size: u32) -> Self {
        let mut leaf = MerkleHasher::default();
        leaf.update_leaf(&alloc::vec![BaseField::zero(); columns]);
        let root = (0..lifting_log_size).fold(leaf.finalize(), |node, _| {
            MerkleHasher::hash_children((node, node))
        });
        Self {
            root,
            fingerprint: alloc::vec![QM31::zero(); columns],
        }
    }

    /// The commitment to the function that a model computes: SHA-256 over a tag, the shape of the model,
    /// its integer arithmetic, the identity of its weight table, the height of the tree, the root and the
    /// fingerprint. It does not depend on a chain, but on the height of its trees.
    ///
    /// What the tree does not hold is hashed as well, so that whoever has the commitment has the function:
    /// the same weights with another shift or table are another model.
    pub fn model_commitment(
        &self,
        shape: &ModelShape,
        arithmetic: &ModelArithmetic,
        table: TableId,
        lifting_log_size: u32,
    ) -> ModelCommitment {
        let attention = shape.attention();
        let sizes = [
            shape.layers(),
            shape.hidden(),
            attention.query_heads(),
            attention.kv_heads(),
            attention.head_dim(),
            shape.mlp(),
            shape.vocabulary(),
            shape.positions(),
        ]
        .map(|size| size as u64);
        // Taken apart exhaustively: a new shift does not compile until it is hashed.
        let ModelShifts {
            rotary_input,
            value,
            stream,
            embedding,
            gate,
            up,
            gated,
            rotation,
            norm,
        } = arithmetic.shifts();
        let shifts = [
            rotary_input,
            value,
            stream,
            embedding,
            gate,
            up,
            gated,
            rotation,
            norm,
        ];
        let numbers = [
            u64::from(arithmetic.value_bits().get()),
            u64::from(arithmetic.norm_epsilon()),
            u64::from(arithmetic.embedding_epsilon()),
            u64::from(arithmetic.score_step().get()),
            u64::from(arithmetic.weight_exponent()),
        ];
        let table = table.as_bytes().chunks_exact(8).map(|it| {
            it.iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte))
        });
        let sizes = sizes
            .into_iter()
            .chain(shifts.map(u64::from))
            .chain(numbers)
            .chain(table)
            .chain([u64::from(lifting_log_size)]);
        ModelCommitment::from_bytes(self.digest_of(MODEL_TAG, sizes))
    }

    fn digest(&self, tag: &[u8], shape: &SegmentShape, sizes: &[u64]) -> [u8; 32] {
        let attention = shape.attention();
        let shape = [
            attention.query_heads() as u64,
            attention.kv_heads() as u64,
            attention.head_dim() as u64,
            u64::from(shape.capacity().get()),
            u64::from(shape.segment_steps().get()),
        ];
        self.digest_of(tag, shape.into_iter().chain(sizes.iter().copied()))
    }

    fn digest_of(&self, tag: &[u8], sizes: impl Iterator<Item = u64>) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(tag);
        let columns = self.fingerprint.len() as u64;
        for size in sizes.chain([columns]) {
            hash.update(size.to_le_bytes());
        }
        hash.update(digest_to_bytes(&self.root));
        for value in &self.fingerprint {
            for coordinate in value.to_m31_array() {
                hash.update(coordinate.0.to_le_bytes());
            }
        }
        hash.finalize().into()
    }
}
