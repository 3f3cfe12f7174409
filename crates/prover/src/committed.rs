//! Columns in a commitment tree with a fingerprint: what two proofs agree on.
use matchmark_air::fingerprint::{fingerprint_point, Opening};
use matchmark_air::witness::Column;
use tracing::info_span;

use crate::part::ProverTree;
use crate::setup::SegmentProver;

/// Committed columns, with root and fingerprint.
pub(crate) struct CommittedColumns {
    pub(crate) tree: ProverTree,
    pub(crate) columns: Vec<Column>,
    pub(crate) opening: Opening,
}

impl SegmentProver {
    /// Commits columns, and evaluates them at the point that follows from their root.
    pub(crate) fn commit_with_fingerprint(&self, columns: Vec<Column>) -> CommittedColumns {
        let tree = self.commit(&columns);
        let _span = info_span!("open columns").entered();
        let root = tree.commitment.root();
        let point = fingerprint_point(root);
        let fingerprint = tree
            .polynomials
            .iter()
            .map(|polynomial| {
                let doublings = self.lifting_log_size() - polynomial.evals.domain.log_size();
                polynomial.eval_at_point(point.repeated_double(doublings), None)
            })
            .collect();
        CommittedColumns {
            tree,
            columns,
            opening: Opening { root, fingerprint },
        }
    }
}
