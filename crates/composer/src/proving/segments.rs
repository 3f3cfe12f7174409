//! All segments of a chain together: their sizes, and the policy that lists their circuits.

use std::collections::BTreeSet;

use matchmark_prover::{ChainTerms, ProveError, SegmentProver, SegmentSizes};
use matchmark_quant::StepRange;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Cut, CutPattern, EndTokens, PortCommitment, TokenId,
};

use crate::proving::error::PlanError;

/// Sizes of all segments of a chain, of at most so many steps each, in order.
pub(crate) fn segment_sizes(
    terms: &ChainTerms,
    steps: usize,
    cuts: &CutPattern,
    segments: u64,
) -> Result<Vec<SegmentSizes>, ProveError> {
    let of = |cut| SegmentSizes::of(terms, cut, steps);
    let (fused, split) = (of(Cut::Fused)?, of(Cut::Split)?);
    let sizes = (0..segments).map(|segment| match cuts.of(segment) {
        Cut::Fused => fused,
        Cut::Split => split,
    });
    Ok(sizes.collect())
}

/// The policy for a chain of these terms that is given these tokens, ends with one of those, and begins with
/// this state: the circuits of all segment lengths in use.
pub(crate) fn chain_policy(
    provers: &[SegmentProver],
    given: Vec<TokenId>,
    end_tokens: EndTokens,
    first_state: PortCommitment,
    steps: StepRange,
    cuts: &CutPattern,
) -> Result<AcceptancePolicy, PlanError> {
    let terms = provers[0].terms();
    let kinds: BTreeSet<(usize, Cut)> = (0..)
        .zip(steps.segments(terms.shape.segment_steps()))
        .map(|(segment, steps)| (steps.steps(), cuts.of(segment)))
        .collect();
    let mut circuits = Vec::new();
    for (steps, cut) in kinds {
        for prover in provers {
            circuits.extend(prover.circuits(cut, steps)?);
        }
    }
    Ok(AcceptancePolicy::new(AcceptancePolicyParts {
        terms: terms.shared().clone(),
        prompt: given,
        end_tokens,
        first_state,
        steps,
        circuits,
    })?)
}
