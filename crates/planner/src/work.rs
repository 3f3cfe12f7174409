//! How much there is to do for a chain, in numbers that follow from the structure of its proofs.
//!
//! The features of the cost model. Each is a count of something that the prover or the verifier really
//! does, so that what was fitted on small shapes holds for larger ones.
use matchmark_air::trees::Tree;
use matchmark_statement::ProofPart;
use matchmark_verifier::structure::ProofStructure;

use crate::bytes::{count, trees};

/// Parts of a segment that are alike: groups of layers of one kind, or all layers.
#[derive(Clone, Debug)]
pub struct PartWork {
    /// How many a segment has of them.
    pub count: u64,
    /// The structures of such a part's proofs, in order.
    pub structures: Vec<ProofStructure>,
    /// Rows of the public columns, a power of two: what the verifier interpolates.
    pub public_rows: u64,
}

/// The segments of a chain. All have the same parts.
#[derive(Clone, Debug)]
pub struct ChainWork {
    /// The parts of a segment, by their kind.
    pub parts: Vec<PartWork>,
    /// Number of segments.
    pub segments: u64,
    /// Different numbers of steps of the segments, 1 or 2: each has a preprocessed tree of its own. 0 if
    /// these trees are there already.
    pub lengths: u64,
}

/// Number of features of the time of proving.
pub const PROVE_FEATURES: usize = 6;
/// Number of features of the memory of proving.
pub const MEMORY_FEATURES: usize = 4;
/// Number of features of the time of verifying.
pub const VERIFY_FEATURES: usize = 4;

/// What one tree of one proof comes to.
struct TreeWork {
    tree: Tree,
    /// Cells of its columns.
    cells: f64,
    /// Cells at the blowup.
    evaluations: f64,
    /// Cells at the blowup, each times the log of its column's domain.
    butterflies: f64,
    /// Cells at the blowup, each times the samples of its column.
    sampled: f64,
    /// Points of the tree's domain.
    points: f64,
}

fn tree_work(structure: &ProofStructure) -> impl Iterator<Item = TreeWork> + '_ {
    let log_blowup = structure.parameters().log_blowup;
    let lifting = structure.lifting_log_size();
    trees(structure)
        .enumerate()
        .map(move |(index, (tree, samples))| {
            // The composition has columns of the largest component's height, which no list holds.
            let logs = structure.column_log_sizes().get(index);
            let log = |column: usize| {
                logs.and_then(|logs| logs.get(column))
                    .copied()
                    .unwrap_or(lifting - log_blowup)
            };
            let mut work = TreeWork {
                tree,
                cells: 0.0,
                evaluations: 0.0,
                butterflies: 0.0,
                sampled: 0.0,
                points: f64::from(lifting).exp2(),
            };
            for (column, samples) in samples.iter().enumerate() {
                let cells = f64::from(log(column)).exp2();
                let evaluations = f64::from(log(column) + log_blowup).exp2();
                work.cells += cells;
                work.evaluations += evaluations;
                work.butterflies += evaluations * f64::from(log(column) + log_blowup);
                work.sampled += evaluations * count(*samples);
            }
            work
        })
}

/// Expected nonces that another thread still tries after one has found its own: the library goes through
/// nonces in chunks of `2^20`, and a chunk ends with its own find or its last nonce. What is left of a
/// chunk is taken as uniform, `r` of it, of which `1 - exp(-r chunk / nonces)` times `nonces` are tried.
fn nonces_in_vain(nonces: f64) -> f64 {
    let chunk = f64::from(1_u32 << 20) / nonces;
    nonces * (1.0 - (1.0 - (-chunk).exp()) / chunk)
}

impl ChainWork {
    /// How often a tree of such a proof is committed in the chain: a preprocessed tree once for each
    /// length, a state once after each segment and once before the first, the pairs once for both
    /// proofs that open them, anything else once in each segment. A model's tree is committed once, unless
    /// the trees that all segments share are there already.
    #[allow(clippy::cast_precision_loss)] // Chains have a few thousand segments.
    fn commitments(&self, part: ProofPart, tree: Tree) -> f64 {
        match (part, tree) {
            (_, Tree::Preprocessed) => self.lengths as f64,
            (_, Tree::StateBefore) => 1.0,
            (_, Tree::Model) => self.lengths.min(1) as f64,
            (ProofPart::Lookup, Tree::Pairs) => 0.0,
            // The group of layers before has committed it.
            (_, Tree::StreamIn) => 0.0,
            (ProofPart::Whole | ProofPart::Arithmetic, Tree::Pairs)
            | (
                _,
                Tree::StateAfter
                | Tree::StreamOut
                | Tree::Witness
                | Tree::Rlc
                | Tree::Lookups
                | Tree::Composition,
            ) => self.segments as f64,
        }
    }

    #[allow(clippy::cast_precision_loss)] // As above.
    fn segments(&self) -> f64 {
        self.segments as f64
    }

    /// How many parts a segment has.
    #[must_use]
    pub fn parts_of_segment(&self) -> u64 {
        self.parts.iter().map(|part| part.count).sum()
    }

    /// The structure of every proof of a segment, with how often it has one.
    fn structures(&self) -> impl Iterator<Item = (f64, &ProofStructure)> {
        self.parts.iter().flat_map(|part| {
            #[allow(clippy::cast_precision_loss)] // At most a few hundred groups of layers.
            let count = part.count as f64;
            part.structures.iter().map(move |it| (count, it))
        })
    }

    /// Features of the processor time of proving, in this order:
    ///
    /// 1. butterflies of the transforms of committed columns: evaluations times log of their number;
    /// 2. evaluations that are committed, or read for an opened sample;
    /// 3. domain points of committed trees: leaves and nodes to be hashed;
    /// 4. cells, at no blowup: constraints and values out of the domain;
    /// 5. nonces of the proof of work, as many as are expected, those tried in vain included;
    /// 6. proofs.
    #[must_use]
    pub fn prove(&self, cores: u32) -> [f64; PROVE_FEATURES] {
        let threads = self.threads(cores);
        let mut features = [0.0; PROVE_FEATURES];
        for (count, structure) in self.structures() {
            let segments = count * self.segments();
            for work in tree_work(structure) {
                let committed = count * self.commitments(structure.part(), work.tree);
                features[0] += committed * work.butterflies;
                features[1] += committed * work.evaluations + segments * work.sampled;
                features[2] += committed * work.points;
                features[3] += segments * work.cells;
            }
            let nonces = f64::from(structure.parameters().pow_bits).exp2();
            // That before other challenges is searched by one thread.
            let before = structure.grinding().all().filter(|(_, bits)| *bits > 0);
            let before: f64 = before.map(|(_, bits)| f64::from(bits).exp2()).sum();
            features[4] += segments * (nonces + (threads - 1.0) * nonces_in_vain(nonces) + before);
            features[5] += segments;
        }
        features
    }

    /// Parts that are proven at a time, and below it the threads for each of them: as many of both as there are cores
    /// for. A decoder that is cut by layers is one that takes much memory: one part of it at a time.
    fn at_a_time(&self, cores: u32) -> f64 {
        match self.parts_of_segment() {
            1 => self.segments().min(f64::from(cores.max(1))),
            _ => 1.0,
        }
    }

    fn threads(&self, cores: u32) -> f64 {
        (f64::from(cores.max(1)) / self.at_a_time(cores)).floor()
    }

    /// Features of the largest resident set of the proving process, which proves as many segments at a
    /// time as there are `cores`. In this order, all of them of what is proven at a time:
    ///
    /// 1. evaluations of all columns at the blowup;
    /// 2. domain points of all trees;
    /// 3. cells, at no blowup;
    /// 4. one, for the process itself.
    ///
    /// The tree of a model is counted once. Of several kinds of parts each feature is that of the largest.
    #[must_use]
    pub fn memory(&self, cores: u32) -> [f64; MEMORY_FEATURES] {
        let at_a_time = self.at_a_time(cores);
        let mut largest = [0.0_f64, 0.0, 0.0, 1.0];
        // The proofs of a segment are made one after the other.
        for (_, structure) in self.structures() {
            let mut proof = [0.0; MEMORY_FEATURES];
            for work in tree_work(structure) {
                // All segments have one model.
                let times = match work.tree {
                    Tree::Model => 1.0,
                    Tree::Preprocessed
                    | Tree::StreamIn
                    | Tree::StreamOut
                    | Tree::StateBefore
                    | Tree::StateAfter
                    | Tree::Pairs
                    | Tree::Witness
                    | Tree::Rlc
                    | Tree::Lookups
                    | Tree::Composition => at_a_time,
                };
                proof[0] += times * work.evaluations;
                proof[1] += times * work.points;
                proof[2] += times * work.cells;
            }
            for (largest, proof) in largest.iter_mut().zip(proof) {
                *largest = largest.max(proof);
            }
        }
        largest
    }

    /// Features of the time of verifying, in this order:
    ///
    /// 1. columns: constraints at the out-of-domain point;
    /// 2. for each query the nodes of its paths in all trees and the values of all columns;
    /// 3. rows of the public columns, which the verifier interpolates;
    /// 4. proofs.
    #[must_use]
    pub fn verify(&self) -> [f64; VERIFY_FEATURES] {
        let mut features = [0.0; VERIFY_FEATURES];
        for (times, structure) in self.structures() {
            let segments = times * self.segments();
            let columns = count(structure.columns());
            let nodes = count(structure.samples().len()) * f64::from(structure.lifting_log_size());
            let queries = f64::from(structure.parameters().queries);
            features[0] += segments * columns;
            features[1] += segments * queries * (nodes + columns);
            features[3] += segments;
        }
        #[allow(clippy::cast_precision_loss)] // At most 2^22, a few hundred times.
        let rows = |part: &PartWork| (part.count * part.public_rows) as f64;
        features[2] = self.segments() * self.parts.iter().map(rows).sum::<f64>();
        features
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over what is left of a chunk, summed up in small steps.
    #[test]
    fn nonces_in_vain_are_the_mean_over_what_is_left_of_a_chunk() {
        for log_nonces in [10, 18, 20, 24] {
            let nonces = f64::from(log_nonces).exp2();
            let steps = 1 << 16;
            let left = (0..steps).map(|step| (f64::from(step) + 0.5) / f64::from(steps));
            let tried = left.map(|r| 1.0 - (-r * f64::from(1 << 20) / nonces).exp());
            let mean = nonces * tried.sum::<f64>() / f64::from(steps);
            assert!((nonces_in_vain(nonces) / mean - 1.0).abs() < 1e-3, "{mean}");
        }
    }
}
