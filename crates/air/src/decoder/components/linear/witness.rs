//! Trace generation of the linear component: all its columns are the model's, or projections.
use super::constraints::Linear;
use crate::witness::{Column, Execution, Generate};

impl Generate for Linear {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }
}
