//! The structure that a proof must have: every count that follows from the statement.
//!
//! **Invariant:** nothing is handed to the library before all its lengths agree with this. The
//! library relies on them (`zip_eq`, indexing, `unwrap`), and would panic.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::{SegmentColumns, SegmentComponents};
use matchmark_air::trees::Tree;
use matchmark_statement::{Security, SecurityParameters};
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;

/// Columns of the composition tree.
const COMPOSITION_COLUMNS: usize = 2 * SECURE_EXTENSION_DEGREE;

/// The counts of every proof of one layout at one security level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofStructure {
    parameters: SecurityParameters,
    lifting_log_size: u32,
    claimed_sums: usize,
    /// Samples of every column, by tree, the composition included.
    samples: Vec<Vec<usize>>,
    /// Log sizes of the columns of the component trees.
    column_log_sizes: [Vec<u32>; Tree::COMPONENT_TREES],
    layers: Vec<FriLayer>,
    tuples: u64,
}

/// One committed layer of the low-degree test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FriLayer {
    /// Log size of the layer's domain.
    pub log_size: u32,
    /// Log of the number of values that one step folds.
    pub fold_step: u32,
}

impl FriLayer {
    /// Log of the number of values in a leaf of the layer's Merkle tree.
    pub fn log_leaf(&self) -> u32 {
        let packed = stwo::core::vcs_lifted::verifier::LOG_PACKED_LEAF_SIZE;
        if self.fold_step > 1 && self.log_size >= packed {
            packed
        } else {
            0
        }
    }
}

impl ProofStructure {
    /// The structure of every proof of this layout at this level.
    pub fn new(layout: &SegmentLayout, security: Security) -> Self {
        let parameters = security.parameters();
        let SegmentColumns {
            log_sizes,
            samples,
            tuples,
        } = SegmentComponents::columns(layout);
        let mut samples = samples.to_vec();
        samples.push(vec![1; COMPOSITION_COLUMNS]);
        let lifting_log_size = layout.lifting_log_size(parameters.log_blowup);
        Self {
            parameters,
            lifting_log_size,
            claimed_sums: SegmentComponents::count(layout),
            samples,
            column_log_sizes: log_sizes,
            layers: fri_layers(layout.max_log_rows(), &parameters),
            tuples,
        }
    }

    /// Parameters of the level.
    pub fn parameters(&self) -> &SecurityParameters {
        &self.parameters
    }

    /// Log size of the domain of all commitment trees.
    pub fn lifting_log_size(&self) -> u32 {
        self.lifting_log_size
    }

    /// Number of claimed sums.
    pub fn claimed_sums(&self) -> usize {
        self.claimed_sums
    }

    /// Samples of every column, by tree.
    pub fn samples(&self) -> &[Vec<usize>] {
        &self.samples
    }

    /// Log sizes of the columns of the component trees.
    pub fn column_log_sizes(&self) -> &[Vec<u32>; Tree::COMPONENT_TREES] {
        &self.column_log_sizes
    }

    /// Layers of the low-degree test, first to last.
    pub fn layers(&self) -> &[FriLayer] {
        &self.layers
    }

    /// Tuples of all relations, over all rows of all components.
    pub fn tuples(&self) -> u64 {
        self.tuples
    }

    /// Coefficients of the last layer.
    pub fn last_layer_len(&self) -> usize {
        1 << self.parameters.log_last_layer
    }

    /// Columns of all trees.
    pub fn columns(&self) -> usize {
        self.samples.iter().map(Vec::len).sum()
    }

    /// No Merkle path set for the queries has more nodes.
    pub fn max_hash_witness(&self, height: u32) -> usize {
        self.parameters.queries as usize * height as usize
    }

    /// No layer needs more values than this.
    pub fn max_layer_witness(&self, layer: &FriLayer) -> usize {
        self.parameters.queries as usize * ((1 << layer.fold_step) - 1)
    }

    /// Powers of random coefficients in the commit phase of the low-degree test: one for each opened
    /// sample, one for the periodicity of each column with two samples, and `2^step - 1` for each
    /// layer that folds by `2^step`.
    pub fn commit_phase_terms(&self) -> usize {
        let samples = self.samples.iter().flatten();
        let batch: usize = samples
            .map(|samples| samples + usize::from(*samples == 2))
            .sum();
        let folds = self.layers.iter().map(|layer| (1 << layer.fold_step) - 1);
        batch + folds.sum::<usize>()
    }

    /// The library's configuration. The proof does not carry one.
    pub fn pcs_config(&self) -> PcsConfig {
        let SecurityParameters {
            pow_bits,
            log_blowup,
            queries,
            fold_step,
            log_last_layer,
        } = self.parameters;
        PcsConfig {
            pow_bits,
            fri_config: FriConfig::new(log_last_layer, log_blowup, queries as usize, fold_step),
            lifting_log_size: Some(self.lifting_log_size),
        }
    }
}

fn fri_layers(log_degree: u32, parameters: &SecurityParameters) -> Vec<FriLayer> {
    let mut layers = vec![];
    let mut log_degree = log_degree;
    while layers.is_empty() || log_degree > parameters.log_last_layer {
        // The first layer folds by the full step; a later one by what is left.
        let left = log_degree.saturating_sub(parameters.log_last_layer);
        let fold_step = if layers.is_empty() {
            parameters.fold_step
        } else {
            parameters.fold_step.min(left)
        };
        layers.push(FriLayer {
            log_size: log_degree + parameters.log_blowup,
            fold_step,
        });
        log_degree = log_degree.saturating_sub(fold_step);
    }
    layers
}
