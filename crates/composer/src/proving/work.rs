//! What chains of a trace and of a model have in common.

use std::sync::Arc;

use matchmark_prover::{ProveError, SegmentProver, SegmentSizes};
use matchmark_quant::{AttentionShape, StepRange};
use matchmark_runtime::{KvCache, TraceError};
use matchmark_statement::{AcceptancePolicy, EndTokens, PortCommitment};

use crate::proving::error::{ChainProveError, PlanError};
use crate::proving::executors::{ModelExecutor, TraceExecutor};
use crate::proving::front::Front;
use crate::proving::manifest::PlanFiles;
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;
use crate::proving::segments::chain_policy;

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

impl ChainWork {
    /// The steps of the whole chain, or the most that it has where an end token ends it before.
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

    /// Number of segments, or the most that there are where an end token ends the chain before.
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
                Front::new(prover, first, plan.segments(), executor, EndTokens::NONE)
            }
            Self::Model(plan) => {
                let executor =
                    Box::new(ModelExecutor::new(plan.model(), plan.prompt(), plan.cuts()));
                let ends = plan.end_tokens().clone();
                Front::new(prover, plan.first_cache(), plan.segments(), executor, ends)
            }
        }
    }

    /// [`Self::policy`], with a prover of these terms and the first state at hand.
    pub(crate) fn policy_with(
        &self,
        prover: &SegmentProver,
        first_state: PortCommitment,
    ) -> Result<AcceptancePolicy, PlanError> {
        let steps = self.steps();
        match self {
            Self::Trace(plan) => {
                let none = EndTokens::NONE;
                chain_policy(prover, Vec::new(), none, first_state, steps, plan.cuts())
            }
            Self::Model(plan) => {
                let ends = plan.end_tokens().clone();
                chain_policy(prover, plan.given(), ends, first_state, steps, plan.cuts())
            }
        }
    }
}
