//! Rows hold the pairs of a split segment, as the scores component has them: each pair (index, weight) is an entry of the weight table.
//! The component of the lookup proof, which knows nothing of what the pairs are used for.
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::{Constraints, Row, Source};
use crate::layout::SegmentLayout;
use crate::relation::Weight;
use crate::trees::Tree;

/// The membership component of one segment.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Log of the number of rows: that of the scores component.
    pub log_rows: u32,
    /// Pairs of a row: the lanes of the scores component.
    pub lanes: usize,
}

impl Membership {
    /// The component of a segment.
    pub fn new(layout: &SegmentLayout) -> Self {
        Self {
            log_rows: layout.log_rows().scores,
            lanes: layout.score_lanes(),
        }
    }
}

impl Constraints for Membership {
    fn name(&self) -> &'static str {
        "membership"
    }

    fn log_rows(&self) -> u32 {
        self.log_rows
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        // Both columns are opened at their fingerprint as well, and the arithmetic proof opens the same
        // tree: without that the pairs here could be others than those used there.
        let pairs = Source::Tree(Tree::Pairs);
        for _ in 0..self.lanes {
            let index = row.carried("index", pairs);
            let weight = row.carried("weight", pairs);
            // Without this a weight could be any number.
            row.require(Weight { index, weight });
        }
    }
}

#[cfg(feature = "prover")]
impl crate::execution::Generate for Membership {
    fn generate(&self, _execution: &crate::witness::Execution<'_>) -> Vec<crate::witness::Column> {
        vec![]
    }
}
