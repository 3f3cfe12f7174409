//! The references: of attention by a trace, and of a model by its tokens.

use matchmark_model::{execute_model, ModelError, ModelState};
use matchmark_quant::StepRange;
use matchmark_runtime::{execute_segment, KvCache};

use crate::proving::error::ChainProveError;
use crate::proving::front::{Execution, Executor};
use crate::proving::model_plan::ModelPlan;
use crate::proving::plan::ChainPlan;

/// Takes the steps of a trace.
pub(crate) struct TraceExecutor<'a>(pub(crate) &'a ChainPlan);

impl Executor for TraceExecutor<'_> {
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &KvCache,
    ) -> Result<(Execution, KvCache), ChainProveError> {
        let Self(plan) = self;
        let (execution, after) = plan
            .trace()
            .segment(steps)
            .and_then(|inputs| execute_segment(before, &inputs, plan.rules()))
            .map_err(|source| ChainProveError::Execute { segment, source })?;
        Ok((
            Execution::Attention(execution, plan.boundary(segment)),
            after,
        ))
    }
}

/// Takes the tokens of the prompt, and then what the model chooses.
pub(crate) struct ModelExecutor<'a> {
    plan: &'a ModelPlan,
    /// The choice after the segment before.
    next: Option<u32>,
}

impl<'a> ModelExecutor<'a> {
    pub(crate) fn new(plan: &'a ModelPlan) -> Self {
        Self { plan, next: None }
    }

    /// The tokens that these steps consume: known one after the other, as each that is not given is
    /// the choice after the one before.
    fn tokens(&self, steps: StepRange, before: &ModelState) -> Result<Vec<u32>, ModelError> {
        let (model, prompt) = (self.plan.model(), self.plan.prompt());
        let (first, end) = (steps.entries_before(), steps.entries_after());
        let mut tokens = prompt[first.min(prompt.len())..end.min(prompt.len())].to_vec();
        if tokens.is_empty() {
            tokens.extend(self.next);
        }
        let (mut state, mut done) = (before.clone(), 0);
        while tokens.len() < steps.steps() {
            let (execution, after) = execute_model(model, &state, &tokens[done..])?;
            done = tokens.len();
            tokens.extend(execution.choices.last());
            state = after;
        }
        Ok(tokens)
    }
}

impl Executor for ModelExecutor<'_> {
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &KvCache,
    ) -> Result<(Execution, KvCache), ChainProveError> {
        let model = self.plan.model();
        let (execution, after) = ModelState::from_cache(model, before.clone())
            .and_then(|before| {
                let tokens = self.tokens(steps, &before)?;
                execute_model(model, &before, &tokens)
            })
            .map_err(|source| ChainProveError::ExecuteModel { segment, source })?;
        self.next = execution.choices.last().copied();
        let cache = after.cache().clone();
        Ok((Execution::Model(Box::new(execution)), cache))
    }
}
