//! Columns over the extension field that carry random linear combinations.
//!
//! A random linear combination replaces a vector of base field values `x_0 .. x_n` by `sum_i r^(n-i) x_i`,
//! built row by row as a running sum. Two vectors that were committed before `r` was drawn and that differ
//! anywhere have the same random linear combination with probability at most `n / |QM31|` (Schwartz-Zippel).
use stwo_constraint_framework::EvalAtRow;

/// The four coordinates of an RLC column: which of the carried columns is the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(pub(super) usize);

impl Place {
    /// Number of the first coordinate's column among the carried ones, in reading order.
    pub fn first(self) -> usize {
        self.0
    }
}

/// One extension field value of a row: its four coordinates, and their combination.
pub struct Extension<E: EvalAtRow> {
    /// Which columns it is.
    pub place: Place,
    /// Base field coordinates, as relations carry them.
    pub coordinates: [E::F; 4],
    /// The value.
    pub value: E::EF,
}

impl<E: EvalAtRow> Extension<E> {
    /// The value with these coordinates.
    pub fn new(place: Place, coordinates: [E::F; 4]) -> Self {
        let value = E::combine_ef(coordinates.clone());
        Self {
            place,
            coordinates,
            value,
        }
    }
}

/// A running sum over the extension field: its value at an earlier row, and at this one.
pub struct RunningSum<E: EvalAtRow> {
    /// How many rows before the earlier one is.
    pub distance: usize,
    /// Value `distance` rows before.
    pub previous: E::EF,
    /// Value at this row.
    pub current: Extension<E>,
}
