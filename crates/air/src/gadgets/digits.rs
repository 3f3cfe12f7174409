//! A value in two digits, `v = 2^h high + low`, whose vectors are combined digit by digit.
//!
//! **Contract.** The value and the high digit are columns. The gadget guarantees that the value is an integer
//! in `-M ..= M` and that the high digit is `floor(v / 2^h)`; the low one, `v - 2^h high`, is then an integer in
//! `0 .. 2^h`.
//!
//! **Why.** The pair stands in a table that has one row for each value. *Trap:* a range check of one digit
//! alone leaves `v / 2^h` in the field, a fraction, for the other; so does one of a low digit that is scaled into
//! a wider table.
//!
//! In random linear combinations over dimensions a value is two elements, the high digit first: a step is then
//! `r^2`, and the value adds `high r + low`.
use stwo::core::fields::m31::M31;
use stwo::core::fields::qm31::QM31;
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::Row;
pub use crate::layout::digits::ValueDigits;
use crate::relation;

impl ValueDigits {
    /// So many times `2^h`, as an expression of the same degree.
    pub fn raise<E: EvalAtRow>(&self, high: E::F) -> E::F {
        high * M31::from_u32_unchecked(self.base())
    }

    /// The low digit as an expression of degree one.
    pub fn low<E: EvalAtRow>(&self, value: E::F, high: E::F) -> E::F {
        value - self.raise::<E>(high)
    }

    /// What two elements add to a random linear combination at this point.
    pub fn combine<E: EvalAtRow>(point: QM31, high: E::F, low: E::F) -> E::EF {
        E::EF::from(high) * point + E::EF::from(low)
    }

    /// Adds the lookup that keeps the value in its range and the high digit to the value.
    pub fn constrain<E: EvalAtRow>(&self, row: &mut Row<'_, E>, value: E::F, high: E::F) {
        row.require(relation::ValueDigits { value, high });
    }
}
