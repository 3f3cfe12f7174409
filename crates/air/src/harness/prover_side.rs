//! What components give the prover: what [`super::asked`] says.
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::mempool::BaseColumnPool;
use stwo::prover::poly::circle::{CircleEvaluation, PolyOps};
use stwo::prover::poly::twiddles::TwiddleTree;
use stwo::prover::{ComponentProver, DomainEvaluationAccumulator, Trace};
use stwo_constraint_framework::expr::ExprEvaluator;
use stwo_constraint_framework::{FrameworkEval, InfoEvaluator};

use super::asked::{AnyEvaluation, GeneratesAndRuns, Proves};
use super::component::{Routed, Stated};
use super::row::{Evaluator, Observer};
use crate::column::Column;
use crate::execution::Execution;
use crate::harness::evaluator::{Fractions, RowEvaluator};
use crate::preprocessed::Preprocessed;
use crate::tables::Table;

impl<C: Stated> GeneratesAndRuns for Evaluator<C> {
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column> {
        self.constraints.generate(execution)
    }

    fn tables(&self) -> &[Table] {
        self.constraints.tables()
    }

    fn preprocessed_reads(&self) -> Vec<Preprocessed> {
        let mut reads = PreprocessedReads(vec![]);
        self.observe(&mut InfoEvaluator::empty(), &mut reads);
        reads.0
    }

    fn run<'t>(&self, rows: &mut RowEvaluator<'t>, observer: &mut dyn Observer<RowEvaluator<'t>>) {
        self.observe(rows, observer);
    }
}

impl<F: FrameworkEval + Send + Sync> AnyEvaluation for F {
    fn fractions(&self, rows: RowEvaluator<'_>) -> Fractions {
        self.evaluate(rows).into_fractions()
    }

    fn expressions(&self) -> ExprEvaluator {
        self.evaluate(ExprEvaluator::new())
    }
}

impl<C: Stated, F: FrameworkEval + Send + Sync + 'static> Proves for Routed<C, F> {
    fn evaluation(&self) -> &dyn AnyEvaluation {
        let evaluation: &F = &self.inner;
        evaluation
    }

    fn extend_public_columns(&mut self, twiddles: &TwiddleTree<SimdBackend>, log_blowup: u32) {
        let Some(public) = &self.public else { return };
        let domain = CanonicCoset::new(public.log_rows()).circle_domain();
        let evaluations = public
            .columns()
            .iter()
            .map(|column| {
                let mut column = column.clone();
                bit_reverse_coset_to_circle_domain_order(&mut column);
                CircleEvaluation::new(domain, BaseColumn::from_iter(column))
            })
            .collect();
        self.public_polynomials = SimdBackend::evaluate_polynomials(
            SimdBackend::interpolate_columns(evaluations, twiddles),
            log_blowup,
            twiddles,
            true,
            &BaseColumnPool::new(),
        );
    }
}

/// Preprocessed columns in the order in which a row reads them.
struct PreprocessedReads(Vec<Preprocessed>);

impl Observer<InfoEvaluator> for PreprocessedReads {
    fn preprocessed(&mut self, column: Preprocessed) {
        self.0.push(column);
    }
}

impl<C, F: FrameworkEval + Sync> ComponentProver<SimdBackend> for Routed<C, F> {
    fn evaluate_constraint_quotients_on_domain(
        &self,
        trace: &Trace<'_, SimdBackend>,
        accumulator: &mut DomainEvaluationAccumulator<SimdBackend>,
    ) {
        let public: Vec<_> = self.public_polynomials.iter().collect();
        let polys = self.gather(&trace.polys, &public);
        self.inner
            .evaluate_constraint_quotients_on_domain(&Trace { polys }, accumulator);
    }
}
