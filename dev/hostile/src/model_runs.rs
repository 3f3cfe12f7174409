//! What the model of a case computes, and the witness that the prover makes of it.
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_models::{execute_model, synthetic_tokens, ModelExecution, ModelState};

use super::cases::{Case, DecoderPart};

/// An honest run of a segment.
pub struct HonestRun {
    pub before: ModelState,
    pub execution: ModelExecution,
    pub after: ModelState,
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
        HonestRun {
            before,
            execution,
            after,
        }
    }

    /// The honest witness of a run, as the prover makes it.
    pub fn witness(&self, case: &Case, run: &HonestRun) -> SegmentWitness {
        let (layout, execution) = (&case.layout, &run.execution);
        let attention = &execution.attention;
        let columns = entry_columns(
            layout,
            [&attention.q, &attention.k, &attention.v, &attention.out],
        );
        let entry_columns = columns.columns().iter().cloned().map(Column::from);
        let ports = [
            (Tree::Model, self.columns.clone()),
            (Tree::StateBefore, entries(layout, run.before.cache())),
            (Tree::StateAfter, entries(layout, run.after.cache())),
        ];
        let honest = Execution {
            attention,
            after: &ports[2].1,
            entries: &entry_columns.collect::<Vec<_>>(),
            table: case.terms.weight_table(),
            decoder: Some(DecoderExecution {
                execution,
                model: &self.model,
                arithmetic: self.model.arithmetic(),
            }),
        };
        SegmentWitness::generate(layout, &honest, &ports)
    }
}
