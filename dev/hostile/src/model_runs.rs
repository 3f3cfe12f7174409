//! What the model of a case computes, and the witness that the prover makes of it.
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::ops::stream_in::witness::stream_column;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_graph::LayerGroup;
use matchmark_models::{
    execute_group, execute_model, synthetic_tokens, GroupInput, IntegerModel, ModelExecution,
    ModelState,
};
use matchmark_runtime::KvCache;

use super::cases::{Case, DecoderPart};

/// An honest run of a segment.
pub struct HonestRun {
    /// The caches of the case's layers.
    pub before: KvCache,
    pub execution: ModelExecution,
    pub after: KvCache,
}

/// The cache of some of a model's layers.
pub fn cache_of_layers(model: &IntegerModel, cache: &KvCache, group: &LayerGroup) -> KvCache {
    let heads = model.shape().attention().kv_heads();
    let range = group.layers();
    let shape = model.shape().attention_of(group.count()).unwrap();
    let heads = range.start * heads..range.end * heads;
    cache.of_heads(shape, heads).unwrap()
}

impl DecoderPart {
    /// What the model makes of seeded tokens.
    pub fn run(&self, case: &Case, seed: u64) -> HonestRun {
        let entries = case.steps.entries_after();
        self.run_of(case, &synthetic_tokens(self.model.shape(), entries, seed))
    }

    /// A run whose segment begins with so many `given` tokens, seeded ones, and goes on with what the
    /// model chooses.
    pub fn greedy_run(&self, case: &Case, given: usize, seed: u64) -> HonestRun {
        let entries = case.steps.entries_after();
        let mut tokens = synthetic_tokens(self.model.shape(), entries, seed);
        let mut run = self.run_of(case, &tokens);
        for step in given..case.steps.steps() {
            // A choice depends on no later token.
            tokens[case.steps.entries_before() + step] = run.execution.choices[step - 1];
            run = self.run_of(case, &tokens);
        }
        run
    }

    fn run_of(&self, case: &Case, tokens: &[u32]) -> HonestRun {
        let (model, steps) = (&*self.model, case.steps);
        let (given, consumed) = tokens.split_at(steps.entries_before());
        let empty = ModelState::initial(model);
        let before = match given.is_empty() {
            true => empty,
            false => execute_model(model, &empty, given).unwrap().1,
        };
        let (execution, after) = execute_model(model, &before, consumed).unwrap();
        let group = self.group.layers();
        if group.count() == group.of() {
            let [before, after] = [before, after].map(|state| state.cache().clone());
            return HonestRun {
                before,
                execution,
                after,
            };
        }
        let stream = match self.index.checked_sub(1) {
            None => &[],
            Some(index) => {
                let groups = self.chain.groups;
                let group = groups.group(group.of(), index.into()).unwrap();
                execution.stream_behind(&group)
            }
        };
        let before = cache_of_layers(model, before.cache(), &group);
        let input = GroupInput {
            tokens: consumed,
            choices: &execution.choices,
            stream,
            cache: &before,
        };
        let (execution, after) = execute_group(model, &self.group, &input).unwrap();
        HonestRun {
            before,
            execution,
            after,
        }
    }

    /// The streams that a run takes in and gives out, by the trees in which they stand.
    pub fn streams(&self, case: &Case, run: &HonestRun) -> Vec<(Tree, Vec<Column>)> {
        let (_, decoder) = case.expect_decoder();
        let (execution, ends) = (&run.execution, case.layout.streams());
        let first = &execution.stream[..execution.stream_out().len()];
        let mut streams = vec![];
        for (is_there, tree, stream) in [
            (ends.goes_in, Tree::StreamIn, first),
            (ends.goes_out, Tree::StreamOut, execution.stream_out()),
        ] {
            if is_there {
                streams.push((tree, vec![stream_column(decoder, stream)]));
            }
        }
        streams
    }

    /// The honest witness of a run, as the prover makes it.
    pub fn witness(&self, case: &Case, run: &HonestRun) -> SegmentWitness {
        let (layout, execution) = (&case.layout, &run.execution);
        let attention = &execution.attention;
        let columns = entry_columns(
            layout,
            [&attention.q, &attention.k, &attention.v, &attention.out],
        );
        let entry_columns = columns.columns().into_iter().map(Column::from);
        let mut ports = vec![
            (Tree::Model, self.columns.clone()),
            (Tree::StateBefore, entries(layout, &run.before)),
            (Tree::StateAfter, entries(layout, &run.after)),
        ];
        ports.extend(self.streams(case, run));
        let honest = Execution {
            attention,
            after: &ports[2].1,
            entries: &entry_columns.collect::<Vec<_>>(),
            table: case.terms.weight_table(),
            decoder: Some(DecoderExecution {
                execution,
                model: &self.model,
                arithmetic: self.group.arithmetic(),
            }),
        };
        SegmentWitness::generate(layout, &honest, &ports)
    }
}
