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
    /// What normalization divides by where the exponent is zero.
    pub unit: T,
}

/// Columns of the witness tree.
#[derive(Clone, Debug)]
pub struct Witness<T> {
    /// Sum over the channels of the squares of the high limbs.
    pub high_sum: T,
    /// The sum of the products of limbs modulo `2^6`: what the unit of a sum of squares leaves.
    pub cross_low: T,
    /// Low limb of that sum divided by `2^6`, with an offset.
    pub cross_quotient_low: T,
    /// High limb of it.
    pub cross_quotient_high: T,
    /// The sum of the squares of the low limbs, modulo `2^15`.
    pub low: T,
    /// The same sum, divided by `2^15`.
    pub carry: T,
    /// `2^e` for the exponent `e`.
    pub scale: T,
    /// `4^e`.
    pub power: T,
    /// The smallest mantissa that goes with the exponent.
    pub smallest: T,
    /// The divisor of the normalization, `2^(shift + e)`.
    pub divisor: T,
    /// The limit of the excess of normalized values, `2^(26 - shift - e)`.
    pub excess_limit: T,
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
            cross_low,
            cross_quotient_low,
            cross_quotient_high,
            low,
            carry,
            scale,
            power,
            smallest,
            divisor,
            excess_limit,
            mantissa,
            remainder,
            factor,
        } = self;
        [
            high_sum,
            cross_low,
            cross_quotient_low,
            cross_quotient_high,
            low,
            carry,
            scale,
            power,
            smallest,
            divisor,
            excess_limit,
            mantissa,
            remainder,
            factor,
        ]
    }
}

impl<T> From<[T; COLUMNS]> for Witness<T> {
    /// From the columns in reading order.
    fn from(columns: [T; COLUMNS]) -> Self {
        let [high_sum, cross_low, cross_quotient_low, cross_quotient_high, low, carry, scale, power, smallest, divisor, excess_limit, mantissa, remainder, factor] =
            columns;
        Self {
            high_sum,
            cross_low,
            cross_quotient_low,
            cross_quotient_high,
            low,
            carry,
            scale,
            power,
            smallest,
            divisor,
            excess_limit,
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
pub const COLUMNS: usize = 14;

impl<T> Columns<T> {
    /// Reads a row.
    pub fn read<E: EvalAtRow<F = T>>(row: &mut Row<'_, E>) -> Self {
        Self {
            selectors: Selectors {
                active: row.decoder(DecoderSelector::NormActive),
                row: row.decoder(DecoderSelector::NormRow),
                epsilon: row.decoder(DecoderSelector::NormEpsilon),
                unit: row.decoder(DecoderSelector::NormUnit),
            },
            witness: Witness {
                high_sum: row.witness("high sum"),
                cross_low: row.witness("cross low"),
                cross_quotient_low: row.witness("cross quotient low"),
                cross_quotient_high: row.witness("cross quotient high"),
                low: row.witness("low"),
                carry: row.witness("carry"),
                scale: row.witness("scale"),
                power: row.witness("power"),
                smallest: row.witness("smallest"),
                divisor: row.witness("divisor"),
                excess_limit: row.witness("excess limit"),
                mantissa: row.witness("mantissa"),
                remainder: row.witness("remainder"),
                factor: row.witness("factor"),
            },
        }
    }
}
