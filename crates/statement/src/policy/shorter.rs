//! Shorter chains: what a policy accepts in the place of the whole chain where an end token ends the answer.
//!
//! **Invariant:** a shorter chain differs from the whole one in what its length decides and in nothing else: the
//! capacity of its cache, its longest segments, and what is committed and proven at the heights that follow from
//! these. Prompt, model, domain, level and rounding are those of the policy.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange};
use serde::{Deserialize, Serialize};

use super::circuits::{self, PolicyCircuit};
use super::{AcceptancePolicyParts, PolicyError};
use crate::error::StatementError;
use crate::identity::{PortCommitment, RelationDigest};
use crate::shape::SegmentShape;
use crate::terms::{SharedTerms, TermsDifference};

/// A chain with fewer steps than the longest answer takes. Its cache holds these steps and no more, its segments are
/// as long as those of the whole chain or, if it has fewer steps, as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShorterChain {
    /// Number of its steps.
    pub steps: u32,
    /// Digest of the relation: that of values in one digit or in two, by the capacity.
    pub relation_digest: RelationDigest,
    /// Commitment to the model's weights in trees of the chain's height.
    pub weights: PortCommitment,
    /// Commitment to the cache that it begins with.
    pub first_state: PortCommitment,
    /// The circuits of each segment length in use, as those of the whole chain.
    pub circuits: Vec<PolicyCircuit>,
}

impl ShorterChain {
    /// Its steps in the cache, where the whole chain has these.
    pub(super) fn steps_in(&self, whole: StepRange) -> Result<StepRange, StatementError> {
        let before = u32::try_from(whole.entries_before()).unwrap_or(u32::MAX);
        Ok(StepRange::new(before, self.steps)?)
    }

    /// Its shape, where the whole chain has this one and these steps.
    pub(super) fn shape(
        &self,
        shape: SegmentShape,
        whole: StepRange,
    ) -> Result<SegmentShape, StatementError> {
        let entries = self.steps_in(whole)?.entries_after();
        let capacity = CacheCapacity::new(u32::try_from(entries).unwrap_or(u32::MAX))?;
        let own = SegmentSteps::new(self.steps)?;
        SegmentShape::new(shape.attention(), capacity, shape.segment_steps().min(own))
    }

    /// Its terms, where the whole chain has these terms and steps.
    pub(super) fn terms(
        &self,
        whole: &SharedTerms,
        steps: StepRange,
    ) -> Result<SharedTerms, StatementError> {
        let mut terms = SharedTerms {
            relation_digest: self.relation_digest,
            shape: self.shape(whole.shape, steps)?,
            ..whole.clone()
        };
        if let Some(decoder) = &mut terms.decoder {
            decoder.weights = self.weights;
        }
        Ok(terms)
    }

    /// All of it in words.
    fn in_words(&self) -> String {
        let Self {
            steps,
            relation_digest,
            weights,
            first_state,
            circuits,
        } = self;
        format!(
            "{steps} steps, relation {relation_digest}, weights {weights}, first state {first_state}, {}",
            circuits::in_words(circuits)
        )
    }
}

/// Puts the shorter chains and their circuits in order, and checks them against the whole one.
pub(super) fn check(parts: &mut AcceptancePolicyParts) -> Result<(), PolicyError> {
    let mut shorter = core::mem::take(&mut parts.shorter);
    shorter.sort_unstable();
    for pair in shorter.windows(2) {
        if pair[0].steps == pair[1].steps {
            return Err(PolicyError::DuplicateShorter { got: pair[0].steps });
        }
    }
    let count = shorter.len();
    if count > 0 && parts.end_tokens.is_empty() {
        return Err(PolicyError::ShorterWithoutEnd { got: count });
    }
    for chain in &mut shorter {
        let got = chain.steps;
        check_one(parts, chain).map_err(|source| match source {
            PolicyError::ShorterSteps { .. } => source,
            source => PolicyError::Shorter {
                steps: got,
                source: Box::new(source),
            },
        })?;
    }
    parts.shorter = shorter;
    Ok(())
}

fn check_one(parts: &AcceptancePolicyParts, chain: &mut ShorterChain) -> Result<(), PolicyError> {
    // It generates a token at least, so that one can end it, and fewer than the longest answer has: with as many an
    // answer could end at its limit.
    let given = parts.prompt.len();
    let least = (given.saturating_sub(parts.steps.entries_before())).max(1);
    let least = u32::try_from(least).unwrap_or(u32::MAX);
    let most = (least - 1).saturating_add(parts.answer_tokens.saturating_sub(1));
    let got = chain.steps;
    if got < least || got > most {
        let expected = [least, most];
        return Err(PolicyError::ShorterSteps { expected, got });
    }
    let steps = chain.steps_in(parts.steps)?;
    let terms = chain.terms(&parts.terms, parts.steps)?;
    terms.shape.check_entries(&steps)?;
    terms.check()?;
    circuits::check(&terms, &mut chain.circuits)
}

/// The first shorter chain in which two lists differ, in words.
pub(super) fn first_difference(
    own: &[ShorterChain],
    others: &[ShorterChain],
) -> Option<TermsDifference> {
    let in_words =
        |it: Option<&ShorterChain>| it.map_or_else(|| String::from("none"), ShorterChain::in_words);
    let at = (0..own.len().max(others.len())).find(|at| own.get(*at) != others.get(*at))?;
    Some(TermsDifference {
        field: "shorter",
        expected: in_words(own.get(at)),
        got: in_words(others.get(at)),
    })
}
