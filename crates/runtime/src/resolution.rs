//! How finely a trace's exponential table resolves score gaps.

use std::fmt;

use matchmark_quant::ValueBits;
use matchmark_tables::{Rational, TableError, WeightTable};
use serde::Serialize;

/// What one index of an exponential table is worth in the exponent, how many indices there are, and
/// the scale of the weights: the table's first entry is `2^log_scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct TableResolution {
    delta: Rational,
    len: u32,
    log_scale: u8,
}

impl TableResolution {
    /// Takes delta, above zero, and the number of entries, 2 to 16384; weights have the default scale
    /// of `2^12`.
    ///
    /// # Errors
    /// [`TableError::ZeroDelta`] or [`TableError::LengthOutOfRange`].
    pub fn new(delta: Rational, len: u32) -> Result<Self, TableError> {
        if delta.numerator() == 0 {
            return Err(TableError::ZeroDelta);
        }
        let entries = usize::try_from(len).unwrap_or(usize::MAX);
        if !(WeightTable::MIN_LEN..=WeightTable::MAX_LEN).contains(&entries) {
            return Err(TableError::LengthOutOfRange {
                minimum: WeightTable::MIN_LEN,
                maximum: WeightTable::MAX_LEN,
                got: entries,
            });
        }
        Ok(Self {
            delta,
            len,
            log_scale: WeightTable::DEFAULT_LOG_SCALE,
        })
    }

    /// The resolution that quantization aims at: delta 1/16 with 256 entries up to 8 bits; above,
    /// twice as fine for each bit, so that the table always reaches `exp(-16)`, where weights round
    /// to zero: 1/256 with 4096 entries at 12 bits.
    ///
    /// The clipped index is a floor, which makes weights too large by up to the factor
    /// `exp(delta)`. At 8 bits that is hidden behind the rounding of the values. At 12 bits delta
    /// 1/16 would be several times the rest of the error: on the fixture 0.77 % instead of 0.16 %.
    ///
    /// Above 8 bits the scale of the weights is `2^11`: numerators have to stay far from the modulus, and
    /// so twice as many cache entries fit. On the fixture that costs 0.03 % of 0.16 %.
    ///
    /// # Errors
    /// None for any width; the signature is that of [`TableResolution::new`].
    pub fn for_bits(bits: ValueBits) -> Result<Self, TableError> {
        let finer = bits.get().saturating_sub(8);
        let default = Self::new(Rational::new(1, 16 << finer)?, 256 << finer)?;
        default.with_log_scale(WeightTable::DEFAULT_LOG_SCALE - u8::from(finer > 0))
    }

    /// The same resolution with weights of scale `2^log_scale`.
    ///
    /// # Errors
    /// [`TableError`] for a scale that tables do not have.
    pub fn with_log_scale(self, log_scale: u8) -> Result<Self, TableError> {
        let scaled = Self { log_scale, ..self };
        if log_scale > WeightTable::MAX_LOG_SCALE {
            // The table itself names the limit.
            scaled.table()?;
        }
        Ok(scaled)
    }

    /// Log of the first weight.
    #[must_use]
    pub const fn log_scale(self) -> u8 {
        self.log_scale
    }

    /// What one index is worth in the exponent.
    #[must_use]
    pub const fn delta(self) -> Rational {
        self.delta
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(self) -> u32 {
        self.len
    }

    /// Always false: a table has at least two entries.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        false
    }

    /// The same number of entries with another delta.
    ///
    /// # Errors
    /// [`TableError::ZeroDelta`].
    pub fn with_delta(self, delta: Rational) -> Result<Self, TableError> {
        Self::new(delta, self.len)?.with_log_scale(self.log_scale)
    }

    /// The table.
    ///
    /// # Errors
    /// [`TableError::RoundingUndecided`], for a delta that was made to bring a weight within `2^-100` of
    /// the middle between two integers.
    pub fn table(self) -> Result<WeightTable, TableError> {
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        WeightTable::exponential(self.delta, self.log_scale, len)
    }
}

impl fmt::Display for TableResolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries of scale 2^{}, delta {} = {:.6}",
            self.len,
            self.log_scale,
            self.delta,
            self.delta.to_f64()
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_width_reaches_weight_zero() {
        for bits in ValueBits::all() {
            let resolution = TableResolution::for_bits(bits).unwrap();
            let table = resolution.table().unwrap();
            assert_eq!(table.entries().last(), Some(&0));
            assert_eq!(table.len(), 256.max(1 << bits.get()));
        }
        let eight = TableResolution::for_bits(ValueBits::DEFAULT).unwrap();
        assert_eq!(eight.table().unwrap(), WeightTable::exp256_default());
    }

    #[test]
    fn refused() {
        let delta = Rational::ONE_SIXTEENTH;
        for len in [0, 1, 16_385, u32::MAX] {
            assert!(matches!(
                TableResolution::new(delta, len),
                Err(TableError::LengthOutOfRange { .. })
            ));
        }
        let zero = Rational::new(0, 1).unwrap();
        assert_eq!(TableResolution::new(zero, 256), Err(TableError::ZeroDelta));
    }
}
