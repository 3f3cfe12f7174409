//! Grinding an edited proof again, and giving its lists the lengths that its new queries ask for.
//!
//! Beside the verifier's own counting of those lengths this is a second one, written apart.
use std::sync::Arc;

use matchmark_air::channel::GrindingChannel;
use matchmark_air::hash::ProofChannel;
use matchmark_air::trees::Tree;
use matchmark_statement::SegmentStatement;
use matchmark_verifier::structure::ProofStructure;
use matchmark_verifier::{queries, transcript, SegmentProof};
use stwo::core::channel::{Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::queries::Queries;
use stwo::core::vcs::blake2_hash::Blake2sHash;

/// The transcript of a fused proof as it stands when the library takes over, with the proof's own nonces.
pub fn channel(
    statement: &SegmentStatement,
    structure: &ProofStructure,
    proof: &SegmentProof,
) -> GrindingChannel {
    let begun = transcript::begin(statement, structure);
    let mut replayed = transcript::replay(begun, structure, proof);
    replayed.hand_over().clone()
}

/// Finds nonces for an edited proof; that before the queries from `from` on.
pub fn grind(
    statement: &SegmentStatement,
    structure: &ProofStructure,
    proof: &mut SegmentProof,
    from: u64,
) -> Queries {
    let mut begun = transcript::begin(statement, structure);
    begun.search(Arc::new(|channel, _, bits| {
        let nonce = (0..).find(|nonce| channel.verify_pow_nonce(bits, *nonce));
        nonce.expect("a nonce of a few bits")
    }));
    let before = transcript::absorb(begun, structure, proof)
        .hand_over()
        .clone();
    let ground = ground(before, structure, proof);
    proof.nonces = ground.found().to_vec();
    let pow_bits = structure.parameters().pow_bits;
    let nonce = (from..).find(|nonce| ground.verify_pow_nonce(pow_bits, *nonce));
    proof.stark.proof_of_work = nonce.expect("a nonce of a few bits");
    let given = channel(statement, structure, proof);
    let draws = queries::draw(&given, proof, structure);
    draws
        .expect("the verifier asks for the same nonces")
        .queries
}

/// The transcript as it stands when the nonce comes, so that a try costs no more than its hash.
fn ground(
    mut channel: GrindingChannel,
    structure: &ProofStructure,
    proof: &SegmentProof,
) -> GrindingChannel {
    let stark = &proof.stark;
    channel.draw_secure_felt();
    let composition = stark.commitments[structure.place(Tree::Composition)];
    ProofChannel::mix_root(&mut channel, composition);
    CirclePoint::<QM31>::get_random_point(&mut channel);
    channel.mix_felts(&stark.sampled_values.clone().flatten_cols());
    channel.draw_secure_felt();
    let fri = &stark.fri_proof;
    for layer in std::iter::once(&fri.first_layer).chain(&fri.inner_layers) {
        ProofChannel::mix_root(&mut channel, layer.commitment);
        channel.draw_secure_felt();
    }
    channel.mix_felts(&fri.last_layer_poly);
    channel
}

/// Number of nodes that complete the paths of these leaves (ascending) to the root.
pub fn path_nodes(leaves: &[usize], height: u32) -> usize {
    let mut level = leaves.to_vec();
    let mut nodes = 0;
    for _ in 0..height {
        nodes += level
            .chunk_by(|a, b| a ^ 1 == *b)
            .filter(|chunk| chunk.len() == 1)
            .count();
        level.iter_mut().for_each(|node| *node >>= 1);
        level.dedup();
    }
    nodes
}

/// Gives every list the length that the queries ask for, filled up by repetition.
pub fn fit(structure: &ProofStructure, proof: &mut SegmentProof, queries: &Queries) {
    fn resize<T: Clone>(list: &mut Vec<T>, len: usize, filler: T) {
        let filler = list.last().cloned().unwrap_or(filler);
        list.resize(len, filler);
    }
    let stark = &mut proof.stark;
    for values in stark.queried_values.iter_mut().flatten() {
        resize(values, queries.len(), M31::from(0));
    }
    let nodes = path_nodes(queries, queries.log_domain_size);
    for paths in stark.decommitments.iter_mut() {
        resize(&mut paths.hash_witness, nodes, Blake2sHash::default());
    }
    let fri = &mut stark.fri_proof;
    let mut positions = queries.clone();
    let layers = std::iter::once(&mut fri.first_layer).chain(&mut fri.inner_layers);
    for (layer, proof) in structure.layers().iter().zip(layers) {
        let folded = positions.fold(layer.fold_step);
        let values = folded.len() << layer.fold_step;
        resize(
            &mut proof.fri_witness,
            values - positions.len(),
            QM31::from(M31::from(1)),
        );
        let log_leaf = layer.log_leaf();
        let mut leaves: Vec<usize> = folded
            .iter()
            .flat_map(|fold| (fold << layer.fold_step)..((fold + 1) << layer.fold_step))
            .map(|position| position >> log_leaf)
            .collect();
        leaves.dedup();
        let nodes = path_nodes(&leaves, layer.log_size - log_leaf);
        resize(
            &mut proof.decommitment.hash_witness,
            nodes,
            Blake2sHash::default(),
        );
        positions = folded;
    }
}
