//! Sizes of a segment that follow from its layout alone.
use matchmark_statement::Boundary;
use matchmark_verifier::structure::ProofStructure;

use crate::error::ProveError;
use matchmark_verifier::key::ChainTerms;

/// Sizes of a segment's trace and of the commitments to it, summed over its proofs. All segments of a
/// chain have the same: a shorter one is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    /// Rows of all components.
    pub trace_rows: u64,
    /// Cells of all commitment trees but the composition.
    pub committed_cells: u64,
    /// Columns opened at the queries, over all trees.
    pub opened_columns: u64,
    /// Commitment trees, the composition's included.
    pub trees: u64,
    /// Log size of the domain of all commitment trees.
    pub lifting_log_size: u32,
}

impl SegmentSizes {
    pub(crate) fn new(structures: &[ProofStructure]) -> Self {
        let mut sizes = Self {
            trace_rows: 0,
            committed_cells: 0,
            opened_columns: 0,
            trees: 0,
            lifting_log_size: 0,
        };
        for structure in structures {
            let cells = structure.column_log_sizes().iter().flatten();
            let rows = structure.components().iter().map(|it| 1_u64 << it.log_rows);
            sizes.trace_rows += rows.sum::<u64>();
            sizes.committed_cells += cells.map(|log| 1_u64 << log).sum::<u64>();
            sizes.opened_columns += structure.columns() as u64;
            sizes.trees += structure.samples().len() as u64;
            sizes.lifting_log_size = structure.lifting_log_size();
        }
        sizes
    }

    /// Sizes of a segment of `steps` steps of a chain of these terms that is proven in this way.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`].
    pub fn of(terms: &ChainTerms, boundary: Boundary, steps: usize) -> Result<Self, ProveError> {
        let layout = terms.layout(steps)?.with_boundary(boundary);
        let structures = ProofStructure::all(&layout, terms.security);
        Ok(Self::new(&structures))
    }
}
