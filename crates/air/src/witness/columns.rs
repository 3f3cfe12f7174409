//! Columns between row order and the library's order.
use stwo::core::fields::m31::M31;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::CircleEvaluation;
use stwo::prover::poly::BitReversedOrder;

/// A column as the library commits it.
pub type Evaluation = CircleEvaluation<SimdBackend, M31, BitReversedOrder>;

/// An integer as a field element.
pub fn field(value: i64) -> M31 {
    M31::from_u32_unchecked(matchmark_quant::embed(value))
}

/// A column of `2^n` rows in the library's order.
pub fn to_library_order(column: &[M31]) -> BaseColumn {
    let mut column = column.to_vec();
    bit_reverse_coset_to_circle_domain_order(&mut column);
    BaseColumn::from_iter(column)
}

/// A column of `2^n` rows as an evaluation over its trace domain.
pub fn to_evaluation(column: &[M31]) -> Evaluation {
    let domain = CanonicCoset::new(column.len().ilog2()).circle_domain();
    CircleEvaluation::new(domain, to_library_order(column))
}
