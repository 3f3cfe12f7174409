//! Honest executions, of which components make their columns.
use matchmark_graph::ModelArithmetic;
use matchmark_models::{IntegerModel, ModelExecution};
use matchmark_quant::{Rescale, Rescaled};
use matchmark_runtime::SegmentExecution;
use matchmark_tables::WeightTable;

use crate::column::Column;
use crate::preprocessed::Constants;
use crate::tables::Table;

/// An honest execution, of which components make their columns.
#[derive(Clone, Copy)]
pub struct Execution<'a> {
    /// The attention, of all layers in a decoder.
    pub attention: &'a SegmentExecution,
    /// The columns of the cache after the segment, as in its tree.
    pub after: &'a [Column],
    /// Queries, keys, values and outputs by row of the vectors component.
    pub entries: &'a [Column],
    /// The weight table.
    pub table: &'a WeightTable,
    /// What is around the attention of a decoder.
    pub decoder: Option<DecoderExecution<'a>>,
}

/// An honest execution of a model, or of a group of its layers.
#[derive(Clone, Copy)]
pub struct DecoderExecution<'a> {
    /// What it computed.
    pub execution: &'a ModelExecution,
    /// The model.
    pub model: &'a IntegerModel,
    /// The constants of the nodes of its layers.
    pub arithmetic: &'a ModelArithmetic,
}

impl<'a> Execution<'a> {
    /// What its preprocessed columns hold.
    pub fn constants(&self) -> Constants<'a> {
        Constants {
            table: self.table,
            arithmetic: self.decoder.map(|decoder| decoder.arithmetic),
        }
    }

    /// That of the model.
    ///
    /// # Panics
    ///
    /// If it is an execution of attention alone: an error in the program.
    pub fn expect_decoder(&self) -> DecoderExecution<'a> {
        match self.decoder {
            Some(decoder) => decoder,
            None => unreachable!("only a decoder has these components"),
        }
    }
}

/// Makes the columns of a component.
pub trait Generate {
    /// The columns that are neither random linear combinations nor those of a port that is given to the
    /// component, in reading order.
    fn generate(&self, execution: &Execution<'_>) -> Vec<Column>;

    /// The tables whose entries the rows are. Their columns are counted over all components.
    fn tables(&self) -> &[Table] {
        &[]
    }
}

/// Rescales an accumulator that the execution rescaled, too.
///
/// # Panics
///
/// If it cannot be rescaled: the execution would have refused it.
pub(crate) fn rescaled(rescale: Rescale, x: i64) -> Rescaled {
    match rescale.apply(x) {
        Ok(rescaled) => rescaled,
        Err(error) => unreachable!("an execution has no such value: {error}"),
    }
}
