//! The structure that a proof must have: every count that follows from the statement.
//!
//! **Invariant:** nothing is handed to the library before all its lengths agree with this. The
//! library relies on them (`zip_eq`, indexing, `unwrap`), and would panic.
use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::channel::Grinding;
use matchmark_air::circuit::{ComponentColumns, ProofColumns};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::trees::{Tree, TreeOrder};
use matchmark_statement::{ProofPart, Regime, Security, SecurityParameters, SegmentStatement};
use stwo::core::fields::qm31::SECURE_EXTENSION_DEGREE;
use stwo::core::fri::FriConfig;
use stwo::core::pcs::PcsConfig;

use crate::error::VerifyError;
use crate::soundness::{BelowLevel, Counts, Term};

/// Columns of the composition tree.
const COMPOSITION_COLUMNS: usize = 2 * SECURE_EXTENSION_DEGREE;

/// The counts of every proof of one part and layout at one security level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofStructure {
    order: TreeOrder,
    security: Security,
    parameters: SecurityParameters,
    lifting_log_size: u32,
    claimed_sums: usize,
    /// Samples of every column, by tree, the composition included.
    samples: Vec<Vec<usize>>,
    /// Log sizes of the columns of the component trees.
    column_log_sizes: Vec<Vec<u32>>,
    /// Columns by component.
    components: Vec<ComponentColumns>,
    layers: Vec<FriLayer>,
    counts: Counts,
    grinding: Grinding,
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
    /// The structure of the proof of this layout at this level that shows the arithmetic.
    ///
    /// # Errors
    ///
    /// [`BelowLevel`] if such a proof would be worth less than its level says.
    pub fn new(layout: &SegmentLayout, security: Security) -> Result<Self, BelowLevel> {
        Self::of(layout.main_part(), layout, security)
    }

    /// The structures of all proofs of this layout, in the order of the segment file. They are all as high:
    /// a tree that two of them open has one height.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn all(layout: &SegmentLayout, security: Security) -> Result<Vec<Self>, BelowLevel> {
        let of_part = |part| Self::of(part, layout, security);
        layout.parts().map(of_part).collect()
    }

    /// The structures of all proofs of a segment with this statement.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Layout`] if the relation cannot carry the statement's shape, [`VerifyError::BelowLevel`] if
    /// such a proof would be worth less than its level says.
    pub fn of_statement(statement: &SegmentStatement) -> Result<Vec<Self>, VerifyError> {
        let layout = SegmentLayout::of(statement)?;
        Ok(Self::all(&layout, statement.security())?)
    }

    fn of(part: ProofPart, layout: &SegmentLayout, security: Security) -> Result<Self, BelowLevel> {
        let parameters = security.parameters();
        let ProofColumns {
            log_sizes,
            mut samples,
            tuples,
            constraints,
            components,
        } = ProofColumns::of(layout, part);
        samples.push(vec![1; COMPOSITION_COLUMNS]);
        let order = TreeOrder::of(layout, part);
        let log_rows = layout.max_log_rows();
        let layers = fri_layers(log_rows, &parameters);
        let combines = order.all().contains(&Tree::Rlc);
        let folds = layers.iter().map(|layer| {
            let rows = layer.log_size - parameters.log_blowup;
            (rows.saturating_sub(layer.fold_step), layer.fold_step)
        });
        let counts = Counts {
            log_rows,
            combined_values: if combines {
                layout.combined_values()
            } else {
                0
            },
            tuples,
            constraints,
            samples_of_column: samples.iter().flatten().copied().max().unwrap_or(1),
            batched: batched(&samples),
            folds: folds.collect(),
        };
        Ok(Self {
            order,
            security,
            parameters,
            lifting_log_size: layout.lifting_log_size(parameters.log_blowup),
            claimed_sums: components.len(),
            samples,
            column_log_sizes: log_sizes,
            components,
            layers,
            grinding: counts.grinding(security)?,
            counts,
        })
    }

    /// The order of their trees.
    pub fn order(&self) -> &TreeOrder {
        &self.order
    }

    /// What the proofs show of a segment.
    pub fn part(&self) -> ProofPart {
        self.order.part()
    }

    /// The commitment trees in order.
    pub fn trees(&self) -> &[Tree] {
        self.order.all()
    }

    /// Place of a tree among all.
    ///
    /// # Panics
    ///
    /// If these proofs have no such tree.
    pub fn place(&self, tree: Tree) -> usize {
        self.order.place(tree)
    }

    /// Level and profile.
    pub fn security(&self) -> Security {
        self.security
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
    pub fn column_log_sizes(&self) -> &[Vec<u32>] {
        &self.column_log_sizes
    }

    /// Columns and samples of every component, the preprocessed ones left out.
    pub fn components(&self) -> &[ComponentColumns] {
        &self.components
    }

    /// Layers of the low-degree test, first to last.
    pub fn layers(&self) -> &[FriLayer] {
        &self.layers
    }

    /// Tuples of all relations, over all rows of all components.
    pub fn tuples(&self) -> u64 {
        self.counts.tuples
    }

    /// What the error terms depend on.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What every term of the error is worth in a regime, the work included, in the order of the transcript.
    pub fn bits(&self, regime: Regime) -> Vec<(Term, f64)> {
        self.counts.bits(regime, &self.parameters, &self.grinding)
    }

    /// The work before the challenges.
    pub fn grinding(&self) -> &Grinding {
        &self.grinding
    }

    /// The same structure with so many tuples, which no layout has.
    #[cfg(test)]
    pub(crate) fn with_tuples(mut self, tuples: u64) -> Self {
        self.counts.tuples = tuples;
        self
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

/// Words that the batching coefficient combines: one for each opened sample, and one for the periodicity of each
/// column with two samples.
fn batched(samples: &[Vec<usize>]) -> usize {
    let samples = samples.iter().flatten();
    samples.map(|it| it + usize::from(*it == 2)).sum()
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
