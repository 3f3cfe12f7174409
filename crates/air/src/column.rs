//! Columns in row order, and in the library's order.
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use num_traits::Zero;
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE};
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_coset_to_circle_domain_order;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::CircleEvaluation;
use stwo::prover::poly::BitReversedOrder;

/// A column in row order. Copies share their entries until one of them is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column(Arc<Vec<M31>>);

impl From<Vec<M31>> for Column {
    fn from(entries: Vec<M31>) -> Self {
        Self(Arc::new(entries))
    }
}

impl FromIterator<M31> for Column {
    fn from_iter<I: IntoIterator<Item = M31>>(entries: I) -> Self {
        entries.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for Column {
    type Target = [M31];

    fn deref(&self) -> &[M31] {
        &self.0
    }
}

impl DerefMut for Column {
    fn deref_mut(&mut self) -> &mut [M31] {
        let entries: &mut Vec<M31> = Arc::make_mut(&mut self.0);
        entries
    }
}

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

/// Splits a column of the extension field into columns of its coordinates.
pub fn coordinates(column: &[QM31]) -> [Column; SECURE_EXTENSION_DEGREE] {
    let mut columns = [(); SECURE_EXTENSION_DEGREE].map(|()| vec![M31::zero(); column.len()]);
    for (row, value) in column.iter().enumerate() {
        for (column, coordinate) in columns.iter_mut().zip(value.to_m31_array()) {
            column[row] = coordinate;
        }
    }
    columns.map(Column::from)
}
