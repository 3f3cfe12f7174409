//! Rows of the boundary of a split segment: every pair (index, weight) is an entry of the weight
//! table. The component of the lookup proof, which knows nothing of what the pairs are used for.
use stwo_constraint_framework::EvalAtRow;

use crate::challenges::Challenges;
use crate::harness::row::{Constraints, Row};
use crate::relation::RelationTag;

/// The membership component of one segment.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Log of the number of rows: that of the candidates component.
    pub log_rows: u32,
    /// Challenges of the proof.
    pub challenges: Challenges,
}

impl Constraints for Membership {
    fn log_rows(&self) -> u32 {
        self.log_rows
    }

    fn state<E: EvalAtRow>(&self, row: &mut Row<'_, E>) {
        // Both columns are opened at their fingerprint as well, and the arithmetic proof opens the same
        // tree: without that the pairs here could be others than those used there.
        let [index] = row.carried([0]);
        let [weight] = row.carried([0]);
        // Without this a weight could be any number.
        row.require(
            &self.challenges.lookup,
            RelationTag::Weight,
            &[index, weight],
        );
    }
}
