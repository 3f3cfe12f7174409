//! How many bytes a proof has: the expectation over its query positions.
//!
//! Everything but the number of different positions, of Merkle nodes and of low-degree values is the same
//! in every proof of a structure (`docs/proof-format.md`). Those three depend on the positions, which a
//! proof draws from its transcript; here they are independent and uniform.
use matchmark_air::hash::DIGEST_BYTES;
use matchmark_air::trees::Tree;
use matchmark_verifier::structure::{FriLayer, ProofStructure};
use serde::Serialize;

use crate::expectation::{occupied, path_nodes};

/// Bytes of an element of the secure extension field.
const EXTENSION_BYTES: f64 = 16.0;
/// Bytes of an element of the base field.
const BASE_BYTES: f64 = 4.0;
/// Bytes of a length field.
const LENGTH_BYTES: f64 = 2.0;
/// Bytes of a nonce of proof of work.
const NONCE_BYTES: f64 = 8.0;
/// Bytes of a Merkle node or root.
#[allow(clippy::cast_precision_loss)] // A constant of two digits.
const NODE_BYTES: f64 = DIGEST_BYTES as f64;

/// Expected bytes by part. The parts add up to the whole proof, length fields included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct BytesByPart {
    /// Values at out-of-domain points.
    pub sampled_values: f64,
    /// Values at the queries.
    pub queried_values: f64,
    /// Merkle nodes of the commitment trees.
    pub merkle_paths: f64,
    /// Roots, values, Merkle nodes and last layer of the low-degree test.
    pub low_degree: f64,
    /// Claimed sums, roots of the commitment trees, proof of work, length fields.
    pub rest: f64,
}

impl BytesByPart {
    /// All bytes.
    #[must_use]
    pub fn total(&self) -> f64 {
        let Self {
            sampled_values,
            queried_values,
            merkle_paths,
            low_degree,
            rest,
        } = self;
        sampled_values + queried_values + merkle_paths + low_degree + rest
    }

    /// The sum, part by part.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            sampled_values: self.sampled_values + other.sampled_values,
            queried_values: self.queried_values + other.queried_values,
            merkle_paths: self.merkle_paths + other.merkle_paths,
            low_degree: self.low_degree + other.low_degree,
            rest: self.rest + other.rest,
        }
    }

    /// So many times as much of each part.
    #[must_use]
    pub fn times(&self, count: f64) -> Self {
        Self {
            sampled_values: self.sampled_values * count,
            queried_values: self.queried_values * count,
            merkle_paths: self.merkle_paths * count,
            low_degree: self.low_degree * count,
            rest: self.rest * count,
        }
    }
}

/// Expected bytes of one commitment tree in a proof.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TreeBytes {
    /// Name of the tree.
    pub tree: &'static str,
    /// Values of its columns at out-of-domain points.
    pub sampled_values: f64,
    /// Values of its columns at the queries.
    pub queried_values: f64,
    /// Merkle nodes.
    pub merkle_paths: f64,
}

/// Expected bytes of a proof.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProofBytes {
    /// By part.
    pub by_part: BytesByPart,
    /// By commitment tree, in order.
    pub by_tree: Vec<TreeBytes>,
}

impl ProofBytes {
    /// The expectation for a proof of this structure.
    #[must_use]
    pub fn expected(structure: &ProofStructure) -> Self {
        let queries = structure.parameters().queries;
        let height = structure.lifting_log_size();
        let positions = occupied(height, queries);
        let paths = path_nodes(height, queries) * NODE_BYTES;
        let by_tree: Vec<TreeBytes> = trees(structure)
            .map(|(tree, samples)| TreeBytes {
                tree: tree.name(),
                sampled_values: count(samples.iter().sum()) * EXTENSION_BYTES,
                queried_values: count(samples.len()) * positions * BASE_BYTES,
                merkle_paths: paths,
            })
            .collect();
        let trees = count(by_tree.len());
        let sum = |part: fn(&TreeBytes) -> f64| by_tree.iter().map(part).sum::<f64>();
        let layers = structure.layers().iter();
        let by_part = BytesByPart {
            sampled_values: sum(|tree| tree.sampled_values),
            queried_values: sum(|tree| tree.queried_values),
            merkle_paths: sum(|tree| tree.merkle_paths),
            low_degree: layers.map(|layer| layer_bytes(layer, queries)).sum::<f64>()
                + count(structure.last_layer_len()) * EXTENSION_BYTES,
            rest: count(structure.claimed_sums()) * EXTENSION_BYTES
                + trees * (NODE_BYTES + LENGTH_BYTES)
                + 2.0 * LENGTH_BYTES
                + (count(structure.grinding().nonces()) + 1.0) * NONCE_BYTES
                + count(structure.layers().len()) * 2.0 * LENGTH_BYTES,
        };
        Self { by_part, by_tree }
    }
}

/// The commitment trees of a structure, with the number of samples of each of their columns.
pub(crate) fn trees(structure: &ProofStructure) -> impl Iterator<Item = (Tree, &[usize])> {
    let samples = structure.samples().iter().map(Vec::as_slice);
    structure.trees().iter().copied().zip(samples)
}

/// A layer's root, the values that complete its folds, and its Merkle nodes.
fn layer_bytes(layer: &FriLayer, queries: u32) -> f64 {
    let FriLayer {
        log_size,
        fold_step,
    } = *layer;
    let values = occupied(log_size - fold_step, queries) * f64::from(fold_step).exp2()
        - occupied(log_size, queries);
    // The values of a fold are whole leaves or lie within one, so that paths begin at the larger.
    let nodes = path_nodes(log_size - fold_step.max(layer.log_leaf()), queries);
    NODE_BYTES + values * EXTENSION_BYTES + nodes * NODE_BYTES
}

/// A count as a float.
#[allow(clippy::cast_precision_loss)] // Counts of columns and trees are far below 2^52.
pub(crate) fn count(count: usize) -> f64 {
    count as f64
}
