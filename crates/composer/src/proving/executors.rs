//! The references: of attention by a trace, and of a model by its tokens.

use matchmark_graph::LayerGroups;
use matchmark_models::{
    execute_group, execute_model, GroupInput, IntegerModel, ModelError, ModelExecution, ModelGroup,
    ModelState,
};
use matchmark_quant::StepRange;
use matchmark_runtime::{execute_segment, KvCache};
use matchmark_statement::CutPattern;

use crate::proving::error::ChainProveError;
use crate::proving::front::{Executed, Execution, Executor, LayersRun};
use crate::proving::plan::ChainPlan;

/// Takes the steps of a trace.
pub(crate) struct TraceExecutor<'a>(pub(crate) &'a ChainPlan);

impl Executor for TraceExecutor<'_> {
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &[&KvCache],
    ) -> Result<Vec<Executed>, ChainProveError> {
        let Self(plan) = self;
        let before = before[0];
        let (execution, after) = plan
            .trace()
            .segment(steps)
            .and_then(|inputs| execute_segment(before, &inputs, plan.rules()))
            .map_err(|source| ChainProveError::Execute { segment, source })?;
        let execution = Execution::Attention(execution, plan.cut(segment));
        Ok(vec![Executed { execution, after }])
    }
}

/// Takes the tokens of the prompt, and then what the model chooses.
pub(crate) struct ModelExecutor<'a> {
    model: &'a IntegerModel,
    groups: Vec<ModelGroup>,
    prompt: &'a [u32],
    cuts: &'a CutPattern,
    /// The choice after the segment before.
    next: Option<u32>,
}

impl<'a> ModelExecutor<'a> {
    pub(crate) fn new(
        model: &'a IntegerModel,
        groups: LayerGroups,
        prompt: &'a [u32],
        cuts: &'a CutPattern,
    ) -> Result<Self, ModelError> {
        let groups = groups.all(model.shape().layers());
        Ok(Self {
            model,
            groups: groups
                .map(|group| ModelGroup::new(model, group))
                .collect::<Result<_, _>>()?,
            prompt,
            cuts,
            next: None,
        })
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

    /// Executes the steps of a segment group by group; `visit` is given what happened in each.
    pub(crate) fn run_groups(
        &mut self,
        steps: StepRange,
        before: &[&KvCache],
        mut visit: impl FnMut(&ModelGroup, &[i32], ModelExecution, KvCache),
    ) -> Result<(), ModelError> {
        let attention = self.model.shape().all_layers_attention();
        let all = ModelState::from_cache(self.model, KvCache::joined(attention, before)?)?;
        let tokens = self.tokens(steps, &all)?;
        let mut stream = Vec::new();
        for (group, cache) in self.groups.iter().zip(before) {
            let input = GroupInput {
                tokens: &tokens,
                choices: &[],
                stream: &stream,
                cache,
            };
            let (execution, after) = execute_group(self.model, group, &input)?;
            let stream_out = match group.layers().is_last() {
                true => Vec::new(),
                false => execution.stream_out().to_vec(),
            };
            self.next = execution.choices.last().copied();
            visit(group, &stream, execution, after);
            stream = stream_out;
        }
        Ok(())
    }
}

impl Executor for ModelExecutor<'_> {
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &[&KvCache],
    ) -> Result<Vec<Executed>, ChainProveError> {
        let cut = self.cuts.of(segment);
        let failed = |source| ChainProveError::ExecuteModel { segment, source };
        if let [before] = before {
            let (execution, after) = self.run(steps, before).map_err(failed)?;
            let execution = Execution::Model(Box::new(execution), cut);
            return Ok(vec![Executed { execution, after }]);
        }
        // What happened within a group is computed once more when its part is proven, so that that of one group
        // is held at a time.
        let mut runs: Vec<(LayersRun, KvCache)> = Vec::new();
        let mut choices = Vec::new();
        self.run_groups(steps, before, |group, stream_in, execution, after| {
            choices.clone_from(&execution.choices);
            let stream_out = match group.layers().is_last() {
                true => Vec::new(),
                false => execution.stream_out().to_vec(),
            };
            let run = LayersRun {
                steps,
                tokens: execution.tokens,
                choices: Vec::new(),
                stream_in: stream_in.to_vec(),
                stream_out,
            };
            runs.push((run, after));
        })
        .map_err(failed)?;
        let runs = runs.into_iter().map(|(mut run, after)| {
            run.choices.clone_from(&choices);
            let execution = Execution::Layers(Box::new(run), cut);
            Executed { execution, after }
        });
        Ok(runs.collect())
    }
}
