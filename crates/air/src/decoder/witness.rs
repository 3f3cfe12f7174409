//! The decoder's witness: everything around the attention that does not depend on a challenge.
use std::sync::Arc;

use matchmark_model::{IntegerModel, ModelExecution};
use stwo::core::fields::m31::M31;

use super::components::{choice, gated, norms, rotary, stream, values};
use super::layout::{DecoderLayout, LOG_RANGE_ROWS, MANTISSA_BITS};
use crate::layout::{SegmentLayout, MIN_LOG_ROWS};
use crate::witness::columns::UseCounts;
use crate::witness::{Column, TableUses};

/// How often each number of each width is looked up.
#[derive(Clone, Debug)]
pub struct RangeUses(UseCounts);

impl RangeUses {
    fn new() -> Self {
        Self(UseCounts::new(0, 1 << LOG_RANGE_ROWS))
    }

    /// Counts one use. A number that does not fit is not counted: no proof will follow from it.
    pub fn add(&mut self, bits: u32, value: i64) {
        if (0..1 << bits).contains(&value) {
            // Row 0 repeats the number of no width, which nothing looks up.
            self.0.add((1 << bits) + value);
        }
    }

    /// Counts a column.
    pub fn add_all(&mut self, bits: u32, column: &[M31]) {
        for value in column {
            self.add(bits, i64::from(value.0));
        }
    }

    /// Counts a column of two's complement numbers.
    pub fn add_signed(&mut self, bits: u32, column: &[M31]) {
        for value in column {
            self.add(bits, matchmark_quant::centered(value.0) + (1 << (bits - 1)));
        }
    }
}

/// How often each entry of the decoder's own tables is used.
#[derive(Clone, Debug)]
pub struct DecoderUses {
    /// Range table.
    pub ranges: RangeUses,
    /// Reciprocal roots, by mantissa.
    pub roots: UseCounts,
    /// Exponents.
    pub exponents: UseCounts,
    /// SiLU table, by gate.
    pub activations: UseCounts,
    /// Rotary table, by position and pair.
    pub rotations: UseCounts,
}

impl DecoderUses {
    /// No uses yet.
    pub fn new(decoder: &DecoderLayout) -> Self {
        let limit = i64::from(decoder.arithmetic().value_bits().max_value());
        let rows = decoder.log_rows();
        Self {
            ranges: RangeUses::new(),
            roots: UseCounts::new(0, 1 << MANTISSA_BITS),
            exponents: UseCounts::new(0, 1 << MIN_LOG_ROWS),
            activations: UseCounts::new(-limit, 1 << rows.silu),
            rotations: UseCounts::new(0, 1 << rows.rotations),
        }
    }

    /// Uses by number.
    pub fn of_ranges(&self) -> &UseCounts {
        &self.ranges.0
    }
}

/// Witness columns of the decoder's components, and the model tree.
#[derive(Clone, Debug, Default)]
pub struct DecoderWitness {
    /// Tokens before the segment.
    pub entries_before: usize,
    /// Tokens consumed.
    pub consumed: Vec<u32>,
    /// Tokens chosen.
    pub chosen: Vec<u32>,
    /// How many columns of the model tree are weights.
    pub width: usize,
    /// The model tree.
    pub model: Arc<Vec<Column>>,
    /// Witness columns of the stream component.
    pub stream: Vec<Column>,
    /// Witness columns of the norms component.
    pub norms: Vec<Column>,
    /// Witness columns of the rotary component.
    pub rotary: Vec<Column>,
    /// Witness columns of the values component.
    pub values: Vec<Column>,
    /// Witness columns of the gated component.
    pub gated: Vec<Column>,
    /// Witness columns of the choice component.
    pub choice: Vec<Column>,
}

impl DecoderWitness {
    /// The witness of an honest execution of a model, whose tree has these columns; counts what it looks
    /// up.
    ///
    /// # Panics
    ///
    /// If the layout has no decoder, or the execution is of another shape.
    pub fn generate(
        layout: &SegmentLayout,
        execution: &ModelExecution,
        model: &IntegerModel,
        columns: Arc<Vec<Column>>,
        uses: &mut TableUses,
    ) -> Self {
        let decoder = layout.expect_decoder();
        Self {
            entries_before: execution.steps.entries_before(),
            consumed: execution.tokens.clone(),
            chosen: execution.choices.clone(),
            width: decoder.width(),
            model: columns,
            stream: stream::witness::generate(decoder, execution, uses),
            norms: norms::witness::generate(decoder, execution, uses),
            rotary: rotary::witness::generate(decoder, execution, &model.tables().rotary, uses),
            values: values::witness::generate(decoder, execution, uses),
            gated: gated::witness::generate(decoder, execution, &model.tables().silu, uses),
            choice: choice::witness::generate(decoder, execution, uses),
        }
    }

    /// Columns of the witness tree, in order.
    pub fn witness_tree(&self) -> impl Iterator<Item = &Column> {
        [
            &self.stream,
            &self.norms,
            &self.rotary,
            &self.values,
            &self.gated,
            &self.choice,
        ]
        .into_iter()
        .flatten()
    }
}

/// Rescales an accumulator that the execution rescaled, too.
///
/// # Panics
///
/// If it cannot be rescaled: the execution would have refused it.
pub(crate) fn rescaled(rescale: matchmark_quant::Rescale, x: i64) -> matchmark_quant::Rescaled {
    match rescale.apply(x) {
        Ok(rescaled) => rescaled,
        Err(error) => unreachable!("an execution has no such value: {error}"),
    }
}
