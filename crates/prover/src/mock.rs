//! Checking a segment's constraints without a proof.
use matchmark_air::components::state::witness::entries;
use matchmark_air::mock::{check, MockFailure};
use matchmark_air::segment::public_columns;
use matchmark_air::witness::SegmentWitness;
use matchmark_runtime::{KvCache, SegmentExecution};
use matchmark_statement::Boundary;

use matchmark_verifier::key::ChainTerms;

use crate::error::ProveError;
use crate::segment::public_values;

/// Why a segment fails the mock checker.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MockError {
    /// The segment is none of these terms, so that there is nothing to check.
    #[error(transparent)]
    Segment(#[from] ProveError),
    /// A constraint does not hold, or a relation does not balance.
    #[error(transparent)]
    Failure(#[from] MockFailure),
}

/// Checks all constraints and relations of a segment on its witness, row by row, those of both
/// proofs if it is split. Nothing is
/// committed and nothing is proven; caches and execution are taken as they are.
///
/// # Errors
///
/// [`MockError::Failure`] with the first constraint and row that fail, or the first tuple that is
/// left over; [`MockError::Segment`] if caches or execution do not fit the terms.
pub fn mock_segment(
    terms: &ChainTerms,
    execution: &SegmentExecution,
    before: &KvCache,
    after: &KvCache,
    boundary: Boundary,
) -> Result<(), MockError> {
    let steps = execution.steps;
    for (which, expected, got) in [
        ("first", steps.entries_before(), before.entries()),
        ("last", steps.entries_after(), after.entries()),
    ] {
        if got != expected {
            return Err(MockError::Segment(ProveError::StateEntries {
                which,
                expected,
                got,
            }));
        }
    }
    let layout = terms.layout(steps.steps()).map_err(ProveError::from)?;
    let layout = layout.with_boundary(boundary);
    if after.entries() > layout.capacity() {
        return Err(MockError::Segment(ProveError::StateEntries {
            which: "last",
            expected: layout.capacity(),
            got: after.entries(),
        }));
    }
    let public = public_columns(&layout, &public_values(terms, execution)?);
    let witness = SegmentWitness::generate(
        &layout,
        execution,
        &public,
        entries(&layout, before),
        entries(&layout, after),
        &terms.table,
    );
    Ok(check(&layout, steps.entries_before(), &witness)?)
}
