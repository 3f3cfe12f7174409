//! Trace generation of the linear component: all its columns are the model's, or random linear combinations.
use super::constraints::Linear;
use crate::column::Column;
use crate::execution::{Execution, Generate};

impl Generate for Linear {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }
}
