//! Trace generation of the table components.
use stwo::core::fields::m31::M31;

use crate::witness::columns::UseCounts;
use crate::witness::Column;

/// The multiplicity column of a table.
pub fn multiplicities(uses: &UseCounts) -> Column {
    uses.counts()
        .iter()
        .map(|count| M31::from(*count))
        .collect()
}
