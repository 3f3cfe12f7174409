//! Chains of a model whose constraints are checked, without a proof.

use std::fmt;
use std::sync::Arc;

use matchmark_models::IntegerModel;
use matchmark_quant::{SegmentSteps, StepRange};
use matchmark_runtime::KvCache;
use matchmark_statement::{CutPattern, EndTokens, LayerGroups, PromptLength, TokenId};
use matchmark_verifier::ModelOptions;

use crate::proving::end_tokens::end_tokens;
use crate::proving::error::{ChainProveError, PlanError};
use crate::proving::executors::ModelExecutor;
use crate::proving::model_plan::{behind_prefix, first_caches};

/// A chain of a model whose constraints can be checked: nothing of it is committed.
pub struct ModelMock {
    model: Arc<IntegerModel>,
    prompt: Vec<u32>,
    prompt_length: PromptLength,
    steps: StepRange,
    segment_steps: SegmentSteps,
    cuts: CutPattern,
    end_tokens: EndTokens,
    groups: LayerGroups,
    mocks: Vec<matchmark_prover::ModelMock>,
}

impl ModelMock {
    /// Plans the check of a prompt and of the tokens that the model chooses after it.
    ///
    /// # Errors
    ///
    /// [`PlanError`] if there is no such chain.
    pub fn new(
        model: Arc<IntegerModel>,
        prompt: Vec<u32>,
        options: &ModelOptions,
    ) -> Result<Self, PlanError> {
        let prompt = behind_prefix(&model, &prompt);
        let given: Vec<TokenId> = prompt.iter().copied().map(TokenId::new).collect();
        let prefix = model.prefix().tokens.len();
        let (chain, steps) = options.chain(model.shape(), prefix, &given)?;
        Ok(Self {
            end_tokens: end_tokens(&options.stop, &model)?,
            prompt_length: chain.prompt,
            groups: chain.groups,
            mocks: (0..chain.groups.get())
                .map(|group| matchmark_prover::ModelMock::new(&chain, Arc::clone(&model), group))
                .collect::<Result<_, _>>()?,
            cuts: options.cuts.clone(),
            segment_steps: chain.segment_steps,
            model,
            prompt,
            steps,
        })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &IntegerModel {
        &self.model
    }

    /// The steps of the whole chain, or the most that it has where an end token ends it before.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.steps
    }

    /// Number of segments, or the most that there are.
    #[must_use]
    pub fn segment_count(&self) -> u64 {
        self.steps.segments(self.segment_steps).len() as u64
    }

    /// Checks the constraints of all segments on their witnesses, up to that of an end token. `on_segment` is called after each segment
    /// with its index and steps.
    ///
    /// # Errors
    ///
    /// [`ChainProveError::Prove`] with the first constraint and row that fail,
    /// [`ChainProveError::Execute`] and [`ChainProveError::ExecuteModel`] for a segment that the reference
    /// does not execute.
    pub fn run(&self, mut on_segment: impl FnMut(u64, StepRange)) -> Result<(), ChainProveError> {
        let executor = ModelExecutor::new(&self.model, self.groups, &self.prompt, &self.cuts);
        let failed = |segment| move |source| ChainProveError::ExecuteModel { segment, source };
        let mut executor = executor.map_err(failed(0))?;
        let mut caches = first_caches(&self.model, self.groups).map_err(failed(0))?;
        for (segment, steps) in (0..).zip(self.steps.segments(self.segment_steps)) {
            let before: Vec<&KvCache> = caches.iter().collect();
            let mut runs = Vec::new();
            executor
                .run_groups(steps, &before, |_, _, execution, after| {
                    runs.push((execution, after));
                })
                .map_err(failed(segment))?;
            // What was chosen is known behind the last group.
            let choices = runs.last().map(|(last, _)| last.choices.clone());
            let choices = choices.unwrap_or_default();
            let cut = self.cuts.of(segment);
            for ((mock, (execution, after)), before) in self.mocks.iter().zip(&mut runs).zip(before)
            {
                execution.choices.clone_from(&choices);
                mock.check(execution, before, after, cut)
                    .map_err(|source| ChainProveError::Prove { segment, source })?;
            }
            on_segment(segment, steps);
            let chosen: Vec<TokenId> = choices.into_iter().map(TokenId::new).collect();
            let end = self.end_tokens.first_in(steps, self.prompt_length, &chosen);
            if end.is_some() {
                break;
            }
            caches = runs.into_iter().map(|(_, after)| after).collect();
        }
        Ok(())
    }
}

impl fmt::Debug for ModelMock {
    /// The checker without its weights.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelMock")
            .field("model", &self.model.identity())
            .field("prompt", &self.prompt)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}
