//! All segments of a chain together: their sizes, and the policy that lists their circuits.

use std::collections::BTreeSet;

use matchmark_prover::{ChainTerms, ProveError, SegmentSizes};
use matchmark_quant::StepRange;
use matchmark_runtime::KvCache;
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Cut, CutPattern, EndTokens, PortCommitment, TokenId,
};

use crate::proving::error::PlanError;
use crate::proving::provers::Provers;

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

/// The policy for a chain of these provers that is given these tokens, ends with one of those or after so many, and
/// begins with these caches, one for each group of layers: the circuits of all segment lengths in use. It is for a chain
/// of these steps alone: where they generate fewer tokens than that, an answer has no more.
pub(crate) fn chain_policy(
    provers: &Provers,
    given: Vec<TokenId>,
    (end_tokens, answer_tokens): (EndTokens, u32),
    first: Vec<KvCache>,
    steps: StepRange,
    cuts: &CutPattern,
) -> Result<AcceptancePolicy, PlanError> {
    let terms = provers.terms();
    let kinds: BTreeSet<(usize, Cut)> = (0..)
        .zip(steps.segments(terms.shape.segment_steps()))
        .map(|(segment, steps)| (steps.steps(), cuts.of(segment)))
        .collect();
    let (mut circuits, mut states) = (Vec::new(), Vec::new());
    for (group, cache) in (0..).zip(first) {
        let prover = provers.get(group)?;
        states.push(prover.state(cache)?.commitment());
        for (steps, cut) in &kinds {
            circuits.extend(prover.circuits(*cut, *steps)?);
        }
    }
    let mut parts = AcceptancePolicyParts {
        terms: terms.shared().clone(),
        prompt: given,
        end_tokens,
        answer_tokens,
        first_state: PortCommitment::of_groups(&states),
        steps,
        circuits,
        // Their trees are of other heights.
        shorter: Vec::new(),
    };
    parts.answer_tokens = answer_tokens.min(parts.generated_tokens());
    Ok(AcceptancePolicy::new(parts)?)
}
