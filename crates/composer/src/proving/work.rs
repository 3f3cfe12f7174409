//! What chains of a trace and of a model have in common.

use std::sync::Arc;

use matchmark_prover::{ProveError, SegmentProver, SegmentSizes};
use matchmark_quant::{AttentionShape, StepRange};
use matchmark_runtime::{KvCache, TraceError};
use matchmark_statement::{AcceptancePolicy, EndTokens, LayerGroups};

use crate::proving::error::{ChainProveError, PlanError};
use crate::proving::executors::{ModelExecutor, TraceExecutor};
use crate::proving::front::Front;
use crate::proving::manifest::PlanFiles;
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;
use crate::proving::provers::Provers;
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
            Self::Model(plan) => plan.terms().shape.attention(),
        }
    }

    /// Sizes of all segments, in order.
    pub(crate) fn sizes(&self) -> Result<Vec<SegmentSizes>, ProveError> {
        match self {
            Self::Trace(plan) => plan.sizes(),
            Self::Model(plan) => plan.sizes(),
        }
    }

    /// Into how many groups of layers the decoder is cut: parts of a segment.
    #[must_use]
    pub fn groups(&self) -> LayerGroups {
        match self {
            Self::Trace(_) => LayerGroups::ONE,
            Self::Model(plan) => plan.terms().groups(),
        }
    }

    /// Number of parts, or the most that there are where an end token ends the chain before: segments times groups
    /// of layers.
    #[must_use]
    pub fn part_count(&self) -> u64 {
        self.segment_count() * u64::from(self.groups().get())
    }

    /// The provers of all groups of layers.
    pub(crate) fn provers(&self) -> Result<Arc<Provers>, ProveError> {
        match self {
            Self::Trace(plan) => {
                let prover = SegmentProver::new(plan.terms().clone())?;
                Ok(Arc::new(Provers::of_one(prover)))
            }
            Self::Model(plan) => Ok(Arc::clone(plan.provers())),
        }
    }

    pub(crate) fn front<'a>(&'a self, provers: &'a Provers) -> Result<Front<'a>, ChainProveError> {
        match self {
            Self::Trace(plan) => {
                let first = vec![KvCache::from_prefix(plan.trace())];
                let executor = Box::new(TraceExecutor(plan));
                let ends = EndTokens::NONE;
                Ok(Front::new(provers, first, plan.segments(), executor, ends))
            }
            Self::Model(plan) => {
                let failed = |source| ChainProveError::ExecuteModel { segment: 0, source };
                let groups = plan.terms().groups();
                let executor = ModelExecutor::new(plan.model(), groups, plan.prompt(), plan.cuts());
                let executor = Box::new(executor.map_err(failed)?);
                let ends = plan.end_tokens().clone();
                let first = plan.first_caches().map_err(failed)?;
                let segments = plan.segments();
                Ok(Front::new(provers, first, segments, executor, ends))
            }
        }
    }

    /// Most tokens of the answer; 0 for a trace.
    pub(crate) fn answer_tokens(&self) -> u32 {
        match self {
            Self::Trace(_) => 0,
            Self::Model(plan) => plan.answer_tokens(),
        }
    }

    /// [`Self::policy`], with the provers of these terms at hand.
    pub(crate) fn policy_with(&self, provers: &Provers) -> Result<AcceptancePolicy, PlanError> {
        let steps = self.steps();
        match self {
            Self::Trace(plan) => {
                let first = vec![KvCache::from_prefix(plan.trace())];
                let none = (EndTokens::NONE, 0);
                chain_policy(provers, Vec::new(), none, first, steps, plan.cuts())
            }
            Self::Model(plan) => {
                let first = plan.first_caches().map_err(ProveError::from)?;
                let ends = (plan.end_tokens().clone(), plan.answer_tokens());
                chain_policy(provers, plan.given(), ends, first, steps, plan.cuts())
            }
        }
    }
}
