//! Columns between row order and the library's order.
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
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

/// The four coordinate columns of an extension field column.
pub fn coordinates(column: &[QM31]) -> [Vec<M31>; 4] {
    let mut columns: [Vec<M31>; 4] = Default::default();
    for columns in &mut columns {
        columns.reserve(column.len());
    }
    for value in column {
        for (column, coordinate) in columns.iter_mut().zip(value.to_m31_array()) {
            column.push(coordinate);
        }
    }
    columns
}

/// Counts how often each entry of a table of consecutive integers is looked up.
#[derive(Clone, Debug)]
pub struct UseCounts {
    smallest: i64,
    counts: Vec<u32>,
}

impl UseCounts {
    /// A table of `entries` integers from `smallest` on.
    pub fn new(smallest: i64, entries: usize) -> Self {
        Self {
            smallest,
            counts: vec![0; entries],
        }
    }

    /// Counts one use. A value outside the table is not counted: no proof will follow from it.
    pub fn add(&mut self, value: i64) {
        self.add_times(value, 1);
    }

    /// Counts several uses.
    pub fn add_times(&mut self, value: i64, times: u32) {
        let index = usize::try_from(value - self.smallest);
        if let Some(count) = index.ok().and_then(|index| self.counts.get_mut(index)) {
            *count += times;
        }
    }

    /// The counts, entry after entry.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }
}
