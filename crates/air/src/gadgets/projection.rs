//! Columns over the extension field that carry random projections.
//!
//! A projection replaces a vector of base field values `x_0 .. x_n` by `sum_i r^(n-i) x_i`, built
//! row by row as a running sum. Two vectors that were committed before `r` was drawn and that differ
//! anywhere have the same projection with probability at most `n / |QM31|` (Schwartz-Zippel).
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::Row;

/// One extension field value of a row: its four coordinates, and their combination.
pub struct Extension<E: EvalAtRow> {
    /// Base field coordinates, as relations carry them.
    pub coordinates: [E::F; 4],
    /// The value.
    pub value: E::EF,
}

impl<E: EvalAtRow> Extension<E> {
    /// Reads the next four columns of the projections tree.
    pub fn read(row: &mut Row<'_, E>) -> Self {
        let coordinates = core::array::from_fn(|_| {
            let [x] = row.carried([0]);
            x
        });
        Self::new(coordinates)
    }

    fn new(coordinates: [E::F; 4]) -> Self {
        let value = E::combine_ef(coordinates.clone());
        Self { coordinates, value }
    }
}

/// A running sum over the extension field: its value at an earlier row, and at this one.
pub struct RunningSum<E: EvalAtRow> {
    /// Value `distance` rows before.
    pub previous: E::EF,
    /// Value at this row.
    pub current: Extension<E>,
}

impl<E: EvalAtRow> RunningSum<E> {
    /// Reads the next four columns of the projections tree at this row and `distance` rows before.
    pub fn read(row: &mut Row<'_, E>, distance: isize) -> Self {
        let pairs: [[E::F; 2]; 4] = core::array::from_fn(|_| row.carried([-distance, 0]));
        Self {
            previous: E::combine_ef(pairs.clone().map(|[previous, _]| previous)),
            current: Extension::new(pairs.map(|[_, current]| current)),
        }
    }
}
