//! The LogUp tree. Its fractions come from the constraints themselves: the component is evaluated on
//! every row, and the tuples that it states are collected, so that no second copy of the relations
//! exists.
use num_traits::Zero;
use rayon::prelude::*;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::QM31;
use stwo::core::Fraction;
use stwo::prover::backend::simd::qm31::PackedSecureField;
use stwo_constraint_framework::LogupTraceGenerator;

use crate::circuit::Circuit;
use crate::column::Evaluation;
use crate::harness::component::AnyEvaluation;
use crate::harness::evaluator::Rows;
use crate::harness::trace::PartTrace;

/// The columns of the lookups tree and the claimed sums, component after component.
pub fn lookups_tree(circuit: &Circuit, trace: &PartTrace) -> (Vec<Evaluation>, Vec<QM31>) {
    let (columns, sums): (Vec<_>, Vec<_>) = circuit
        .iter()
        .zip(&trace.components)
        .map(|(component, columns)| {
            let rows = Rows::in_library_order(&trace.preprocessed, columns);
            lookup_columns(component.evaluation(), component.log_rows(), &rows)
        })
        .unzip();
    (columns.into_iter().flatten().collect(), sums)
}

/// The LogUp columns of a component, and its claimed sum.
fn lookup_columns(
    evaluation: &dyn AnyEvaluation,
    log_rows: u32,
    columns: &Rows<'_>,
) -> (Vec<Evaluation>, QM31) {
    let rows: Vec<Vec<_>> = (0..columns.vectors())
        .into_par_iter()
        .with_min_len(16)
        .map(|vector| {
            let fractions = evaluation.fractions(columns.evaluator(vector));
            fractions.chunks(2).map(add_fractions).collect()
        })
        .collect();
    let mut generator = LogupTraceGenerator::new(log_rows);
    for batch in 0..rows[0].len() {
        generator.col_from_iter(rows.iter().map(|row: &Vec<_>| row[batch]));
    }
    generator.finalize_last()
}

fn add_fractions(
    pair: &[Fraction<PackedSecureField, PackedSecureField>],
) -> (PackedSecureField, PackedSecureField) {
    match pair {
        [a, b] => (
            a.numerator * b.denominator + b.numerator * a.denominator,
            a.denominator * b.denominator,
        ),
        [a] => (a.numerator, a.denominator),
        _ => (
            PackedSecureField::zero(),
            PackedSecureField::broadcast(QM31::from(BaseField::from(1))),
        ),
    }
}
