//! Rescaling: an accumulator, divided by a power of two, rounded and clamped.

use crate::{QuantError, ValueBits};

/// A value may lie less than `2^15` outside of its range before it is clamped: what a proof carries
/// as the excess.
pub const EXCESS_BITS: u8 = 15;
/// The product of a stream value and the reciprocal root of its norm is at most `2^26` in magnitude, so
/// that a value normalized by `2^shift` lies less than `2^(26 - shift)` outside of its range: no
/// normalization of anything ends in an error.
///
/// With `e` the exponent of the norm: for `e > 0` mantissas are at least `2^12` and their roots at most
/// `2^11`, and a stream value has a magnitude of at most `2^15`. For `e = 0` the square of a value is below
/// `2^15 (m + 1)`, with `m` the mantissa and a root of at most `2^17 / sqrt(m)`, or `2^15` for `m = 0`, so
/// the product is below `2^24.5 sqrt(2)`.
pub const NORM_PRODUCT_BITS: u8 = 26;
/// A sum on the stream lies less than `2^30` outside of the range, before it is divided: what a proof carries
/// as two limbs of [`EXCESS_BITS`] bits, the higher one in units of `2^15` before the division.
pub const STREAM_EXCESS_BITS: u8 = 2 * EXCESS_BITS;

/// `clamp(floor((x + 2^(shift-1)) / 2^shift), min, max)`: division by `2^shift`, rounded to nearest
/// with halves up, then clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rescale {
    shift: u8,
    min: i32,
    max: i32,
    excess: Excess,
}

/// How far outside of its range a value may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Excess {
    /// Less than `2^15`.
    OneLimb,
    /// Less than `2^30` before the division.
    Stream,
    /// Less than `2^26` before the division.
    Norm,
}

/// What a rescaling gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rescaled {
    /// The clamped value.
    pub out: i32,
    /// How far the value was outside of the range: below `2^15`, on the stream below `2^29`.
    pub excess: u32,
    /// `x + 2^(shift-1) - v * 2^shift` with `v` the value before clamping: `0 .. 2^shift`.
    pub remainder: u32,
}

impl Rescale {
    /// Smallest shift.
    pub const MIN_SHIFT: u8 = 1;
    /// Largest shift.
    pub const MAX_SHIFT: u8 = 23;

    /// To the symmetric range `[-M, M]` of a value width.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for a shift outside of 1 to 23.
    pub const fn symmetric(shift: u8, bits: ValueBits) -> Result<Self, QuantError> {
        let max = bits.max_value();
        Self::new(shift, -max, max)
    }

    /// To two's complement of `bits` bits, `[-2^(bits-1), 2^(bits-1) - 1]`.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for a shift outside of 1 to 23, or a width outside of 2
    /// to 16.
    pub const fn twos_complement(shift: u8, bits: u8) -> Result<Self, QuantError> {
        if bits < 2 || bits > 16 {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "two's complement width in bits",
                minimum: 2,
                maximum: 16,
                got: bits as u64,
            });
        }
        Self::new(shift, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    }

    const fn new(shift: u8, min: i32, max: i32) -> Result<Self, QuantError> {
        if shift < Self::MIN_SHIFT || shift > Self::MAX_SHIFT {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "rescaling shift",
                minimum: Self::MIN_SHIFT as u64,
                maximum: Self::MAX_SHIFT as u64,
                got: shift as u64,
            });
        }
        Ok(Self {
            shift,
            min,
            max,
            excess: Excess::OneLimb,
        })
    }

    /// The same, for a normalized value: with all the excess that one can have, see
    /// [`NORM_PRODUCT_BITS`].
    #[must_use]
    pub const fn of_norm(mut self) -> Self {
        self.excess = Excess::Norm;
        self
    }

    /// The same, for a value of the stream: with all the excess that one can have, see
    /// [`STREAM_EXCESS_BITS`].
    #[must_use]
    pub const fn of_stream(mut self) -> Self {
        self.excess = Excess::Stream;
        self
    }

    /// Values lie less than two to this power outside of the range.
    #[must_use]
    pub const fn excess_bits(self) -> u8 {
        match self.excess {
            Excess::OneLimb => EXCESS_BITS,
            Excess::Stream => STREAM_EXCESS_BITS - self.shift,
            Excess::Norm => NORM_PRODUCT_BITS - self.shift,
        }
    }

    /// The division is by two to this power.
    #[must_use]
    pub const fn shift(self) -> u8 {
        self.shift
    }

    /// The smallest result.
    #[must_use]
    pub const fn min(self) -> i32 {
        self.min
    }

    /// The largest result.
    #[must_use]
    pub const fn max(self) -> i32 {
        self.max
    }

    /// Rescales a number.
    ///
    /// ```
    /// use matchmark_quant::{Rescale, ValueBits};
    /// # fn main() -> Result<(), matchmark_quant::QuantError> {
    /// let rescale = Rescale::symmetric(2, ValueBits::DEFAULT)?;
    /// let rescaled = rescale.apply(-10)?;
    /// assert_eq!((rescaled.out, rescaled.excess, rescaled.remainder), (-2, 0, 0));
    /// assert_eq!(rescale.apply(600)?.out, 127);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`QuantError::ExcessTooLarge`] if the value lies `2^excess_bits` or more outside of its range.
    pub fn apply(self, x: i64) -> Result<Rescaled, QuantError> {
        let half = 1i128 << (self.shift - 1);
        // 128 bits, so that no input overflows.
        let shifted = x as i128 + half;
        let value = shifted >> self.shift;
        let clamped = if value < self.min as i128 {
            self.min
        } else if value > self.max as i128 {
            self.max
        } else {
            #[allow(
                clippy::cast_possible_truncation,
                reason = "between min and max, which are i32"
            )]
            {
                value as i32
            }
        };
        let excess = (value - clamped as i128).unsigned_abs();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the excess of an i64 is below 2^64, and a remainder below 2^23"
        )]
        let (excess, remainder) = (excess as u64, (shifted - (value << self.shift)) as u32);
        if excess >= 1 << self.excess_bits() {
            return Err(QuantError::ExcessTooLarge {
                input: x,
                shift: self.shift,
                limit: 1 << self.excess_bits(),
                got: excess,
            });
        }
        Ok(Rescaled {
            out: clamped,
            #[allow(clippy::cast_possible_truncation, reason = "below 2^29 by the check")]
            excess: excess as u32,
            remainder,
        })
    }

    /// The largest magnitude that a proof's excess within its limits makes up, before rescaling. On the
    /// stream its lower limb has all of its bits, beside the higher one.
    #[must_use]
    pub const fn reach(self) -> u64 {
        let end = self.min.unsigned_abs() as u64;
        let limbs = match self.excess {
            Excess::OneLimb | Excess::Norm => 1 << self.excess_bits(),
            Excess::Stream => (1 << EXCESS_BITS) + (1 << self.excess_bits()),
        };
        (end + limbs) << self.shift
    }

    /// Whether every number of at most this magnitude can be rescaled: whether no excess can reach its
    /// limit.
    #[must_use]
    pub fn carries(self, magnitude: i64) -> bool {
        self.apply(magnitude).is_ok() && self.apply(magnitude.saturating_neg()).is_ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges() {
        let symmetric = Rescale::symmetric(3, ValueBits::new(11).unwrap()).unwrap();
        assert_eq!((symmetric.min(), symmetric.max()), (-1023, 1023));
        assert_eq!(symmetric.excess_bits(), EXCESS_BITS);
        assert_eq!(symmetric.of_norm().excess_bits(), 23);
        assert_eq!(symmetric.of_stream().excess_bits(), 27);
        let last = Rescale::symmetric(Rescale::MAX_SHIFT, ValueBits::MAX).unwrap();
        assert_eq!(last.of_norm().excess_bits(), 3);
        let twos = Rescale::twos_complement(3, 15).unwrap();
        assert_eq!((twos.min(), twos.max()), (-16_384, 16_383));
        for shift in [0, 24, u8::MAX] {
            assert!(matches!(
                Rescale::twos_complement(shift, 15),
                Err(QuantError::ParameterOutOfRange { .. })
            ));
        }
        for bits in [0, 1, 17] {
            assert!(Rescale::twos_complement(1, bits).is_err());
        }
    }

    #[test]
    fn halves_go_up() {
        let rescale = Rescale::twos_complement(1, 15).unwrap();
        for (x, out) in [(1, 1), (-1, 0), (3, 2), (-3, -1), (2, 1), (-2, -1)] {
            assert_eq!(rescale.apply(x).unwrap().out, out, "{x}");
        }
    }

    #[test]
    fn the_excess_has_a_limit_on_both_sides() {
        let rescale = Rescale::symmetric(4, ValueBits::DEFAULT).unwrap();
        // v = max + 2^15 - 1 is the last value with an excess that fits.
        let last = (127 + (1 << 15) - 1) * 16 + 7;
        assert_eq!(rescale.apply(last).unwrap().excess, (1 << 15) - 1);
        assert!(matches!(
            rescale.apply(last + 1),
            Err(QuantError::ExcessTooLarge { got: 32_768, limit: 32_768, shift: 4, input }) if input == last + 1
        ));
        let last = -(127 + (1 << 15) - 1) * 16 - 8;
        assert_eq!(rescale.apply(last).unwrap().excess, (1 << 15) - 1);
        assert!(rescale.apply(last - 1).is_err());
        assert!(rescale.carries(1000));
        // The numbers that are carried end at the nearer of both ends, which is the upper one.
        assert!(rescale.carries(-last - 1));
        assert!(rescale.apply(last).is_ok());
        assert!(!rescale.carries(-last));
        assert!(!rescale.carries(-last + 1));
        for x in [i64::MIN, i64::MAX] {
            assert!(rescale.apply(x).is_err());
            assert!(!rescale.carries(x));
        }
    }

    proptest! {
        #[test]
        fn defining_equations(x in -(1i64 << 31)..1 << 31, shift in 1u8..=23, bits in 2u8..=16) {
            let rescale = Rescale::twos_complement(shift, bits).unwrap();
            let Ok(Rescaled { out, excess, remainder }) = rescale.apply(x) else {
                let value = (x + (1 << (shift - 1))).div_euclid(1 << shift);
                prop_assert!(!(-(1 << 15)..1 << 15).contains(&value));
                return Ok(());
            };
            prop_assert!((rescale.min()..=rescale.max()).contains(&out));
            prop_assert!(excess < 1 << 15 && remainder < 1 << shift);
            // An excess stands for a clamp at the nearer end.
            let value = match out {
                _ if excess == 0 => i64::from(out),
                _ if out == rescale.max() => i64::from(out) + i64::from(excess),
                _ => {
                    prop_assert_eq!(out, rescale.min());
                    i64::from(out) - i64::from(excess)
                }
            };
            prop_assert_eq!(x + (1 << (shift - 1)), value * (1 << shift) + i64::from(remainder));
        }
    }
}
