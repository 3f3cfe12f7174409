//! Where the bytes of a proof are: by part, by tree and by component.
use alloc::vec::Vec;

use matchmark_air::hash::DIGEST_BYTES;
use matchmark_statement::ProofPart;
use serde::Serialize;

use crate::proof::SegmentProof;
use crate::structure::ProofStructure;

/// Bytes of a base field element.
pub const BASE_BYTES: usize = 4;
/// Bytes of an extension field element.
pub const EXTENSION_BYTES: usize = 16;
/// Bytes of a length field.
pub const COUNT_BYTES: usize = 2;
/// Bytes of a nonce of proof of work.
pub const NONCE_BYTES: usize = 8;

/// Sizes of one proof. The five parts add up to `bytes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProofSizes {
    /// What the proof shows.
    pub part: ProofPart,
    /// Bytes of the whole proof.
    pub bytes: usize,
    /// Bytes of the values at out-of-domain points.
    pub samples: usize,
    /// Bytes of the values at the queries.
    pub queried_values: usize,
    /// Bytes of the Merkle nodes of the commitment trees.
    pub merkle_paths: usize,
    /// Bytes of the low-degree test.
    pub low_degree: usize,
    /// Everything else: roots of the trees, claimed sums, nonces, length fields.
    pub rest: usize,
    /// Columns opened at the queries.
    pub opened_columns: usize,
    /// Distinct query positions.
    pub queries: usize,
    /// Log size of the domain of the trees.
    pub log_domain: u32,
    /// Committed layers of the low-degree test.
    pub low_degree_layers: usize,
    /// The trees in order of commitment, the composition last.
    pub trees: Vec<TreeSizes>,
    /// The components, with what can be told apart: their own columns. Preprocessed columns and the
    /// composition belong to none.
    pub components: Vec<ComponentSizes>,
}

/// Sizes of one commitment tree within a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TreeSizes {
    /// Name of the tree.
    pub tree: &'static str,
    /// Its columns.
    pub columns: usize,
    /// Bytes of their values at out-of-domain points.
    pub samples: usize,
    /// Bytes of their values at the queries.
    pub queried_values: usize,
    /// Bytes of the Merkle nodes.
    pub merkle_paths: usize,
}

/// Sizes of the columns of one component within a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ComponentSizes {
    /// Name of the component.
    pub component: &'static str,
    /// Log of the number of its rows. Tables of equal height are one component.
    pub log_rows: u32,
    /// Columns in all trees but the preprocessed one.
    pub columns: usize,
    /// Bytes of their values at out-of-domain points.
    pub samples: usize,
    /// Bytes of their values at the queries.
    pub queried_values: usize,
}

impl SegmentProof {
    /// Where the bytes are.
    pub fn sizes(&self, structure: &ProofStructure) -> ProofSizes {
        ProofSizes::of(self, structure)
    }
}

impl ProofSizes {
    /// Measures a proof of this structure.
    pub fn of(proof: &SegmentProof, structure: &ProofStructure) -> Self {
        let stark = &proof.stark;
        let queries = stark.queried_values.iter().flatten().map(Vec::len).next();
        let queries = queries.unwrap_or_default();
        let trees: Vec<TreeSizes> = structure
            .trees()
            .iter()
            .zip(stark.sampled_values.iter())
            .zip(stark.decommitments.iter())
            .map(|((tree, columns), paths)| TreeSizes {
                tree: tree.name(),
                columns: columns.len(),
                samples: columns.iter().map(Vec::len).sum::<usize>() * EXTENSION_BYTES,
                queried_values: columns.len() * queries * BASE_BYTES,
                merkle_paths: paths.hash_witness.len() * DIGEST_BYTES,
            })
            .collect();
        let components = structure
            .components()
            .iter()
            .map(|component| ComponentSizes {
                component: component.name,
                log_rows: component.log_rows,
                columns: component.columns,
                samples: component.samples * EXTENSION_BYTES,
                queried_values: component.columns * queries * BASE_BYTES,
            })
            .collect();
        let fri = &stark.fri_proof;
        let layers = core::iter::once(&fri.first_layer).chain(&fri.inner_layers);
        let low_degree: usize = layers
            .map(|layer| {
                (layer.decommitment.hash_witness.len() + 1) * DIGEST_BYTES
                    + layer.fri_witness.len() * EXTENSION_BYTES
            })
            .sum();
        let sum = |part: fn(&TreeSizes) -> usize| trees.iter().map(part).sum::<usize>();
        let layers = structure.layers().len();
        // One length for the queries, one for the nonces, one for each tree's nodes, two for each layer.
        let counts = 2 + trees.len() + 2 * layers;
        let mut sizes = Self {
            part: structure.part(),
            bytes: 0,
            samples: sum(|tree| tree.samples),
            queried_values: sum(|tree| tree.queried_values),
            merkle_paths: sum(|tree| tree.merkle_paths),
            low_degree: low_degree + fri.last_layer_poly.len() * EXTENSION_BYTES,
            rest: trees.len() * DIGEST_BYTES
                + proof.claimed_sums.len() * EXTENSION_BYTES
                + (proof.nonces.len() + 1) * NONCE_BYTES
                + counts * COUNT_BYTES,
            opened_columns: structure.columns(),
            queries,
            log_domain: structure.lifting_log_size(),
            low_degree_layers: layers,
            trees,
            components,
        };
        sizes.bytes = sizes.samples
            + sizes.queried_values
            + sizes.merkle_paths
            + sizes.low_degree
            + sizes.rest;
        sizes
    }
}
