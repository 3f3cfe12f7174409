//! Trace generation of the stream-out component, all of whose columns are those of a port.
use super::constraints::StreamOut;
use crate::column::Column;
use crate::execution::{Execution, Generate};

impl Generate for StreamOut {
    fn generate(&self, _execution: &Execution<'_>) -> Vec<Column> {
        vec![]
    }
}
