//! Trace generation of the table components: multiplicities are counted over all other components.
use super::constraints::Tables;
use crate::column::Column;
use crate::execution::{Execution, Generate};
use crate::tables::Table;

impl Generate for Tables {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }

    fn tables(&self) -> &[Table] {
        &self.tables
    }
}
