//! The references: of attention by a trace, and of a model by its tokens.

use matchmark_models::{execute_model, IntegerModel, ModelError, ModelExecution, ModelState};
use matchmark_quant::StepRange;
use matchmark_runtime::{execute_segment, KvCache};
use matchmark_statement::CutPattern;

use crate::proving::error::ChainProveError;
use crate::proving::front::{Execution, Executor};
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
        Ok((Execution::Attention(execution, plan.cut(segment)), after))
    }
}

/// Takes the tokens of the prompt, and then what the model chooses.
pub(crate) struct ModelExecutor<'a> {
    model: &'a IntegerModel,
    prompt: &'a [u32],
    cuts: &'a CutPattern,
    /// The choice after the segment before.
    next: Option<u32>,
}

impl<'a> ModelExecutor<'a> {
    pub(crate) fn new(model: &'a IntegerModel, prompt: &'a [u32], cuts: &'a CutPattern) -> Self {
        Self {
            model,
            prompt,
            cuts,
            next: None,
        }
    }

    /// The tokens that these steps consume: known one after the other, as each that is not given is
    /// the choice after the one before.
    fn tokens(&self, steps: StepRange, before: &ModelState) -> Result<Vec<u32>, ModelError> {
        let (model, prompt) = (self.model, self.prompt);
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

    /// Executes the steps of a segment that begins with this cache; gives the cache after them.
    pub(crate) fn run(
        &mut self,
        steps: StepRange,
        before: &KvCache,
    ) -> Result<(ModelExecution, KvCache), ModelError> {
        let before = ModelState::from_cache(self.model, before.clone())?;
        let tokens = self.tokens(steps, &before)?;
        let (execution, after) = execute_model(self.model, &before, &tokens)?;
        self.next = execution.choices.last().copied();
        Ok((execution, after.cache().clone()))
    }
}

impl Executor for ModelExecutor<'_> {
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &KvCache,
    ) -> Result<(Execution, KvCache), ChainProveError> {
        let (execution, after) = self
            .run(steps, before)
            .map_err(|source| ChainProveError::ExecuteModel { segment, source })?;
        let execution = Execution::Model(Box::new(execution), self.cuts.of(segment));
        Ok((execution, after))
    }
}
