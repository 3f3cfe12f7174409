//! What the prover asks of a component, as traits.
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::ComponentProver;
use stwo_constraint_framework::expr::ExprEvaluator;

use super::row::Observer;
use crate::column::Column;
use crate::execution::Execution;
use crate::harness::evaluator::{Fractions, RowEvaluator};
use crate::preprocessed::Preprocessed;
use crate::tables::Table;

/// What the prover asks of constraints.
pub trait GeneratesAndRuns {
    /// The columns that the component makes itself, in reading order: those that are neither random linear
    /// combinations nor columns of a port that is given to it.
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column>;

    /// The tables whose entries the rows are.
    fn tables(&self) -> &[Table];

    /// The preprocessed columns that a row reads, in reading order.
    fn preprocessed_reads(&self) -> Vec<Preprocessed>;

    /// Runs the constraints over sixteen rows, and shows an observer what they state.
    fn run<'t>(&self, rows: &mut RowEvaluator<'t>, observer: &mut dyn Observer<RowEvaluator<'t>>);
}

/// What the library evaluates of a component.
pub trait AnyEvaluation: Send + Sync {
    /// The fractions of the LogUp columns on sixteen rows.
    fn fractions(&self, rows: RowEvaluator<'_>) -> Fractions;

    /// The constraints as expressions.
    fn expressions(&self) -> ExprEvaluator;
}

/// What the prover asks of a component.
pub trait Proves: ComponentProver<SimdBackend> {
    /// What the library evaluates of the constraints: all of them, but in a system that lacks something.
    fn evaluation(&self) -> &dyn AnyEvaluation;

    /// Extends the public columns, at the blowup of the committed ones.
    fn extend_public_columns(&mut self, twiddles: &TwiddleTree<SimdBackend>, log_blowup: u32);
}
