//! Grinding an edited proof again, and giving its lists the lengths that its new queries ask for.
use matchmark_air::hash::ProofChannel;
use matchmark_air::trees::Tree;
use matchmark_verifier::{queries, transcript, SegmentProof};
use stwo::core::channel::{Blake2sChannel, MerkleChannel};
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo::core::queries::Queries;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use super::bytes::Sample;

/// The transcript as it stands when the library takes over.
pub fn channel(sample: &Sample, proof: &SegmentProof) -> Blake2sChannel {
    let mut transcript = transcript::begin(sample.file.statement(), &sample.structure);
    let root = |tree: Tree| proof.stark.commitments[sample.structure.place(tree)];
    for tree in [
        Tree::Preprocessed,
        Tree::StateBefore,
        Tree::StateAfter,
        Tree::Witness,
    ] {
        ProofChannel::mix_root(transcript.channel(), root(tree));
    }
    transcript.draw_projection();
    ProofChannel::mix_root(transcript.channel(), root(Tree::Projections));
    transcript.draw_lookup();
    transcript.claim_sums(&proof.claimed_sums);
    ProofChannel::mix_root(transcript.channel(), root(Tree::Lookups));
    transcript.channel().clone()
}

/// Finds a nonce for an edited proof, from `from` on.
pub fn grind(sample: &Sample, proof: &mut SegmentProof, from: u64) -> Queries {
    let channel = channel(sample, proof);
    for nonce in from.. {
        proof.stark.proof_of_work = nonce;
        if let Ok(draws) = queries::draw(&channel, proof, &sample.structure) {
            return draws.queries;
        }
    }
    unreachable!("a nonce of 10 bits")
}

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
pub fn fit(sample: &Sample, proof: &mut SegmentProof, queries: &Queries) {
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
    for (layer, proof) in sample.structure.layers().iter().zip(layers) {
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
