//! What chains of a trace and of a model have in common.

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::Utf8Path;
use matchmark_prover::{ChainTerms, ProveError, SegmentProver, SegmentSizes};
use matchmark_quant::{AttentionShape, StepRange};
use matchmark_runtime::{KvCache, TraceError};
use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, Cut, CutPattern, PortCommitment, TokenId,
};

use crate::proving::directory;
use crate::proving::error::{ChainProveError, PlanError};
use crate::proving::executors::{ModelExecutor, TraceExecutor};
use crate::proving::front::Front;
use crate::proving::manifest::ChainManifest;
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;
use crate::proving::storage::FileSystem;

/// What is to be proven.
#[derive(Clone, Debug)]
pub enum ChainWork {
    /// The decode of a trace.
    Trace(Box<ChainPlan>),
    /// The tokens of a model.
    Model(Box<ModelPlan>),
}

impl From<ChainPlan> for ChainWork {
    fn from(plan: ChainPlan) -> Self {
        Self::Trace(Box::new(plan))
    }
}

impl From<ModelPlan> for ChainWork {
    fn from(plan: ModelPlan) -> Self {
        Self::Model(Box::new(plan))
    }
}

/// The manifest, and the contents of the copies by name.
pub(crate) struct PlanFiles {
    pub(crate) manifest: ChainManifest,
    pub(crate) copies: Vec<(&'static str, Vec<u8>)>,
}

impl ChainWork {
    /// The work of a chain directory, from its manifest and the copies of its inputs. Segment files
    /// play no part in it.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Directory`] if the manifest or a copy is missing, changed or malformed;
    /// [`ChainProveError::Plan`] if they make no chain.
    pub fn open(chain: &Utf8Path) -> Result<Self, ChainProveError> {
        directory::read_work(&FileSystem, chain, None)
    }

    /// The steps of the whole chain.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        match self {
            Self::Trace(plan) => plan.steps(),
            Self::Model(plan) => plan.steps(),
        }
    }

    /// The model that is to be executed, if it is one's tokens that are to be proven.
    #[must_use]
    pub fn model(&self) -> Option<&ModelPlan> {
        match self {
            Self::Trace(_) => None,
            Self::Model(plan) => Some(plan),
        }
    }

    /// Number of segments.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        match self {
            Self::Trace(plan) => plan.segment_count(),
            Self::Model(plan) => plan.segment_count(),
        }
    }

    /// The policy that accepts this chain and no other, computed from the inputs and the terms.
    ///
    /// # Errors
    ///
    /// [`PlanError`], for no plan that is known.
    pub fn policy(&self) -> Result<AcceptancePolicy, PlanError> {
        match self {
            Self::Trace(plan) => plan.policy(),
            Self::Model(plan) => plan.policy(),
        }
    }

    pub(crate) fn files(&self) -> Result<PlanFiles, TraceError> {
        match self {
            Self::Trace(plan) => plan.files(),
            Self::Model(plan) => Ok(plan.files()),
        }
    }

    /// Heads of the cache.
    pub(crate) fn attention(&self) -> AttentionShape {
        match self {
            Self::Trace(plan) => plan.trace().shape(),
            Self::Model(plan) => plan.prover().terms().shape.attention(),
        }
    }

    /// Sizes of all segments, in order.
    pub(crate) fn sizes(&self) -> Result<Vec<SegmentSizes>, ProveError> {
        match self {
            Self::Trace(plan) => plan.sizes(),
            Self::Model(plan) => plan.sizes(),
        }
    }

    pub(crate) fn prover(&self) -> Result<Arc<SegmentProver>, ProveError> {
        match self {
            Self::Trace(plan) => SegmentProver::new(plan.terms().clone()).map(Arc::new),
            Self::Model(plan) => Ok(Arc::clone(plan.prover())),
        }
    }

    pub(crate) fn front<'a>(
        &'a self,
        prover: &'a SegmentProver,
    ) -> Result<Front<'a>, ChainProveError> {
        match self {
            Self::Trace(plan) => {
                let first = KvCache::from_prefix(plan.trace());
                let executor = Box::new(TraceExecutor(plan));
                Front::new(prover, first, plan.segments(), executor)
            }
            Self::Model(plan) => {
                let executor =
                    Box::new(ModelExecutor::new(plan.model(), plan.prompt(), plan.cuts()));
                Front::new(prover, plan.first_cache(), plan.segments(), executor)
            }
        }
    }

    /// [`Self::policy`], with a prover of these terms and the first state at hand.
    pub(crate) fn policy_with(
        &self,
        prover: &SegmentProver,
        first_state: PortCommitment,
    ) -> Result<AcceptancePolicy, PlanError> {
        let (given, cuts) = match self {
            Self::Trace(plan) => (Vec::new(), plan.cuts().clone()),
            Self::Model(plan) => (plan.given(), plan.cuts().clone()),
        };
        chain_policy(prover, given, first_state, self.steps(), &cuts)
    }
}

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

/// The policy for a chain of these terms that is given these tokens and begins with this state: the circuits of
/// all segment lengths and cuts in use.
pub(crate) fn chain_policy(
    prover: &SegmentProver,
    given: Vec<TokenId>,
    first_state: PortCommitment,
    steps: StepRange,
    cuts: &CutPattern,
) -> Result<AcceptancePolicy, PlanError> {
    let terms = prover.terms();
    let kinds: BTreeSet<(usize, Cut)> = (0..)
        .zip(steps.segments(terms.shape.segment_steps()))
        .map(|(segment, steps)| (steps.steps(), cuts.of(segment)))
        .collect();
    let mut circuits = Vec::new();
    for (steps, cut) in kinds {
        circuits.extend(prover.circuits(cut, steps)?);
    }
    Ok(AcceptancePolicy::new(AcceptancePolicyParts {
        terms: terms.shared().clone(),
        prompt: given,
        first_state,
        steps,
        circuits,
    })?)
}

/// The policy that would accept the chain of a directory, computed anew from the copies of its inputs
/// and from the terms in its manifest. The segment files, finished or not, play no part in it.
///
/// # Errors
///
/// Those of [`ChainWork::open`].
pub fn policy_for(chain: &Utf8Path) -> Result<AcceptancePolicy, ChainProveError> {
    Ok(ChainWork::open(chain)?.policy()?)
}
