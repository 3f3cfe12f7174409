//! Grinding an edited proof of a sample again; see [`matchmark_fuzz_targets::regrind`].
use matchmark_fuzz_targets::regrind;
use matchmark_verifier::SegmentProof;
use stwo::core::queries::Queries;

use super::bytes::Sample;

/// Finds a nonce for an edited proof, from `from` on.
pub fn grind(sample: &Sample, proof: &mut SegmentProof, from: u64) -> Queries {
    regrind::grind(sample.file.statement(), &sample.structure, proof, from)
}

/// Gives every list the length that the queries ask for, filled up by repetition.
pub fn fit(sample: &Sample, proof: &mut SegmentProof, queries: &Queries) {
    regrind::fit(&sample.structure, proof, queries);
}
