//! What a row (stage, step) of the norms component is.
use stwo_constraint_framework::EvalAtRow;

use crate::harness::row::Row;
use crate::preprocessed::decoder::DecoderSelector;

/// Selectors, fixed by the shape.
#[derive(Clone, Debug)]
pub struct Selectors<T> {
    /// 1 on rows of a stage, 0 on padding.
    pub active: T,
    /// Number of (stage, step).
    pub row: T,
    /// Epsilon of the stage.
    pub epsilon: T,
}

/// Columns of the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T> {
    /// Sum over the channels of the high parts of squares.
    pub high_sum: T,
    /// The low parts' sum, divided by `2^14`.
    pub carry: T,
    /// The low parts' sum modulo `2^14`.
    pub low: T,
    /// Exponent `e`.
    pub exponent: T,
    /// `4^e`.
    pub power: T,
    /// The smallest mantissa that goes with the exponent.
    pub smallest: T,
    /// The divisor of the normalization, `2^(norm + e)`.
    pub divisor: T,
    /// `floor(q / 4^e)`.
    pub mantissa: T,
    /// `q mod 4^e`.
    pub remainder: T,
    /// The factor, from the table of reciprocal roots.
    pub factor: T,
}

impl<T> Witness<T> {
    /// The columns in reading order.
    pub fn into_columns(self) -> [T; COLUMNS] {
        let Self {
            high_sum,
            carry,
            low,
            exponent,
            power,
            smallest,
            divisor,
            mantissa,
            remainder,
            factor,
        } = self;
        [
            high_sum, carry, low, exponent, power, smallest, divisor, mantissa, remainder, factor,
        ]
    }
}

impl<T> From<[T; COLUMNS]> for Witness<T> {
    /// From the columns in reading order.
    fn from(columns: [T; COLUMNS]) -> Self {
        let [high_sum, carry, low, exponent, power, smallest, divisor, mantissa, remainder, factor] =
            columns;
        Self {
            high_sum,
            carry,
            low,
            exponent,
            power,
            smallest,
            divisor,
            mantissa,
            remainder,
            factor,
        }
    }
}

/// A whole row, in reading order.
#[derive(Clone, Debug)]
pub struct Columns<T> {
    /// Selectors.
    pub selectors: Selectors<T>,
    /// Witness columns.
    pub witness: Witness<T>,
}

/// Number of columns in the witness tree.
pub const COLUMNS: usize = 10;

impl<T> Columns<T> {
    /// Reads a row.
    pub fn read<E: EvalAtRow<F = T>>(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                active: row.decoder(DecoderSelector::NormActive),
                row: row.decoder(DecoderSelector::NormRow),
                epsilon: row.decoder(DecoderSelector::NormEpsilon),
            },
            witness: Witness {
                high_sum: row.witness("high sum"),
                carry: row.witness("carry"),
                low: row.witness("low"),
                exponent: row.witness("exponent"),
                power: row.witness("power"),
                smallest: row.witness("smallest"),
                divisor: row.witness("divisor"),
                mantissa: row.witness("mantissa"),
                remainder: row.witness("remainder"),
                factor: row.witness("factor"),
            },
        }
    }
}
