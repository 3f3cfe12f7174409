//! Sizes of a segment that follow from its layout alone.
use matchmark_air::layout::SegmentLayout;
use matchmark_air::segment::table_groups;
use matchmark_verifier::structure::ProofStructure;

use crate::error::ProveError;
use crate::setup::ChainTerms;

/// Sizes of a segment's trace and of the commitments to it. All segments of a chain have the same:
/// a shorter one is padded.
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
    pub(crate) fn new(layout: &SegmentLayout, structure: &ProofStructure) -> Self {
        let rows = layout.log_rows();
        let components = [rows.vectors, rows.candidates, rows.state];
        let tables = table_groups(layout);
        let logs = components
            .into_iter()
            .chain(tables.iter().map(|(log, _)| *log));
        let cells = structure.column_log_sizes().iter().flatten();
        Self {
            trace_rows: logs.map(|log| 1_u64 << log).sum(),
            committed_cells: cells.map(|log| 1_u64 << log).sum(),
            opened_columns: structure.columns() as u64,
            trees: structure.samples().len() as u64,
            lifting_log_size: structure.lifting_log_size(),
        }
    }
}

impl ChainTerms {
    /// Sizes of a segment of `steps` steps.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`].
    pub fn sizes(&self, steps: usize) -> Result<SegmentSizes, ProveError> {
        let layout = self.layout(steps)?;
        let structure = ProofStructure::new(&layout, self.security);
        Ok(SegmentSizes::new(&layout, &structure))
    }
}
