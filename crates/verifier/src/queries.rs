//! The query positions of a proof, and the lengths that they fix.
//!
//! The library draws the positions inside its own verification and relies on lists being as long as
//! the positions need. This module draws them from a copy of the transcript first, by the same steps,
//! so that a proof with any other length gets an error instead of a panic.
use alloc::vec::Vec;

use matchmark_air::channel::{Challenge, GrindingChannel, WorkError};
use matchmark_air::hash::ProofChannel;
use matchmark_air::trees::Tree;
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::QM31;
use stwo::core::queries::{draw_queries, Queries};

use crate::error::VerifyError;
use crate::proof::SegmentProof;
use crate::structure::ProofStructure;

/// What the library draws from the transcript while it verifies a proof.
#[derive(Clone, Debug)]
pub struct Draws {
    /// The out-of-domain point.
    pub point: CirclePoint<QM31>,
    /// The query positions.
    pub queries: Queries,
}

/// Draws what the library will draw, from the transcript as it stands when the library takes over, and checks
/// all work on the way: the library sees no proof that lacks some.
///
/// # Errors
///
/// [`VerifyError::Work`], naming the challenge before which work is missing.
pub fn draw(
    channel: &GrindingChannel,
    proof: &SegmentProof,
    structure: &ProofStructure,
) -> Result<Draws, VerifyError> {
    let channel = &mut channel.clone();
    let stark = &proof.stark;
    // Composition: its coefficient, its root, the out-of-domain point.
    channel.draw_secure_felt();
    ProofChannel::mix_root(
        channel,
        stark.commitments[structure.place(Tree::Composition)],
    );
    let point = CirclePoint::<QM31>::get_random_point(channel);
    // Openings: all samples, then the coefficient of their combination.
    channel.mix_felts(&stark.sampled_values.clone().flatten_cols());
    channel.draw_secure_felt();
    // Low-degree test: the root of each layer, then its folding coefficient; the last layer.
    let fri = &stark.fri_proof;
    for layer in core::iter::once(&fri.first_layer).chain(&fri.inner_layers) {
        ProofChannel::mix_root(channel, layer.commitment);
        channel.draw_secure_felt();
    }
    channel.mix_felts(&fri.last_layer_poly);
    // The first work that is missing is named, not one that is missing in consequence.
    channel.check()?;
    let parameters = structure.parameters();
    if !channel.verify_pow_nonce(parameters.pow_bits, stark.proof_of_work) {
        return Err(before_queries(parameters.pow_bits, stark.proof_of_work));
    }
    channel.mix_u64(stark.proof_of_work);
    let log_size = structure.lifting_log_size();
    let positions = draw_queries(channel, log_size, parameters.queries as usize);
    let queries = Queries::new(&positions, log_size);
    channel.finish()?;
    Ok(Draws { point, queries })
}

/// The work before the queries is not there.
pub(crate) fn before_queries(bits: u32, nonce: u64) -> VerifyError {
    VerifyError::Work(WorkError::NotEnough {
        challenge: Challenge::Queries,
        bits,
        nonce,
    })
}

/// The lengths that the query positions fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryCounts {
    /// Different positions: values opened of every column.
    pub queried_values: usize,
    /// Nodes of the Merkle paths of every commitment tree.
    pub path_nodes: usize,
    /// The layers of the low-degree test, first to last.
    pub layers: Vec<LayerCounts>,
}

/// The lengths that the query positions fix in one layer of the low-degree test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerCounts {
    /// Values that complete the folds.
    pub values: usize,
    /// Nodes of the Merkle paths.
    pub path_nodes: usize,
}

impl QueryCounts {
    /// Counts for positions in the domain of the structure's commitment trees.
    pub fn of(queries: &Queries, structure: &ProofStructure) -> Self {
        let mut positions = queries.clone();
        let layers = structure.layers().iter().map(|layer| {
            let folded = positions.fold(layer.fold_step);
            let values = (folded.len() << layer.fold_step) - positions.len();
            // The values of a fold are opened together: a run of whole leaves.
            let log_leaf = layer.log_leaf();
            let mut leaves: Vec<usize> = folded
                .iter()
                .flat_map(|fold| {
                    let first = fold << layer.fold_step;
                    (first..first + (1 << layer.fold_step)).step_by(1 << log_leaf)
                })
                .map(|position| position >> log_leaf)
                .collect();
            leaves.dedup();
            positions = folded;
            LayerCounts {
                values,
                path_nodes: path_nodes(&leaves, layer.log_size - log_leaf),
            }
        });
        let layers = layers.collect();
        Self {
            queried_values: queries.len(),
            path_nodes: path_nodes(queries, queries.log_domain_size),
            layers,
        }
    }
}

/// Compares every length that depends on the positions.
///
/// # Errors
///
/// [`VerifyError::WrongLength`].
pub fn check_lengths(
    queries: &Queries,
    proof: &SegmentProof,
    structure: &ProofStructure,
) -> Result<(), VerifyError> {
    let stark = &proof.stark;
    let check = |part, expected: usize, got: usize| {
        if expected == got {
            return Ok(());
        }
        Err(VerifyError::WrongLength {
            part,
            expected,
            got,
        })
    };
    let counts = QueryCounts::of(queries, structure);
    for values in stark.queried_values.iter().flatten() {
        check("queried values", counts.queried_values, values.len())?;
    }
    for decommitment in stark.decommitments.iter() {
        let nodes = decommitment.hash_witness.len();
        check("merkle paths", counts.path_nodes, nodes)?;
    }
    let fri = &stark.fri_proof;
    let proofs = core::iter::once(&fri.first_layer).chain(&fri.inner_layers);
    for (layer, proof) in counts.layers.iter().zip(proofs) {
        check("low-degree values", layer.values, proof.fri_witness.len())?;
        let nodes = proof.decommitment.hash_witness.len();
        check("low-degree paths", layer.path_nodes, nodes)?;
    }
    Ok(())
}

/// Number of nodes that complete the paths of these leaves (ascending) to the root.
fn path_nodes(leaves: &[usize], height: u32) -> usize {
    let mut level: Vec<usize> = leaves.to_vec();
    let mut nodes = 0;
    for _ in 0..height {
        nodes += level
            .chunk_by(|a, b| a ^ 1 == *b)
            .filter(|chunk| chunk.len() == 1)
            .count();
        for node in &mut level {
            *node >>= 1;
        }
        level.dedup();
    }
    nodes
}
