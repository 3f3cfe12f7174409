//! The rules of a decode.

use matchmark_quant::{
    AccumulatorBounds, AttentionShape, CacheCapacity, QuantError, Rounding, ScoreStep, ValueBits,
};
use matchmark_tables::WeightTable;

/// Everything beside the tensors that an output depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeRules {
    /// From clipped gap quotient to weight.
    pub table: WeightTable,
    /// How an output is rounded.
    pub rounding: Rounding,
    /// `D`, the units of score that one table index spans.
    pub score_step: ScoreStep,
    /// Width of all values.
    pub value_bits: ValueBits,
}

impl DecodeRules {
    /// The bounds of all intermediate values for a cache of at most `entries` entries.
    ///
    /// # Errors
    /// [`QuantError::AccumulatorTooLarge`] and [`QuantError::TooManyEntries`] if one could leave its range, and
    /// [`QuantError::ParameterOutOfRange`] for a cache that is too long or empty.
    pub fn bounds(
        &self,
        shape: &AttentionShape,
        entries: usize,
    ) -> Result<AccumulatorBounds, QuantError> {
        let capacity = CacheCapacity::new(crate::dimension::to_u32(entries))?;
        AccumulatorBounds::new(
            shape,
            capacity,
            self.value_bits,
            self.score_step,
            self.table.bounds(),
        )
    }
}
