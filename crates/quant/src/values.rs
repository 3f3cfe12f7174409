//! The width of a quantized value.

use serde::{Deserialize, Serialize};

use crate::QuantError;

/// Width of the values in bits, 4 to 12: values lie in `[-M, M]` with `M = 2^(bits-1) - 1`.
///
/// The range is symmetric; `-M - 1` (-128 at 8 bits) is not a member of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct ValueBits(u8);

impl ValueBits {
    /// Smallest width.
    pub const MIN: Self = Self(4);
    /// Largest width.
    pub const MAX: Self = Self(12);
    /// The width in use where nothing else is said: 8 bits.
    pub const DEFAULT: Self = Self(8);

    /// Takes a width in bits.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] outside of 4 to 12.
    pub const fn new(bits: u8) -> Result<Self, QuantError> {
        if bits < Self::MIN.0 || bits > Self::MAX.0 {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "value width in bits",
                minimum: Self::MIN.0 as u64,
                maximum: Self::MAX.0 as u64,
                got: bits as u64,
            });
        }
        Ok(Self(bits))
    }

    /// Every width, ascending.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::MIN.0..=Self::MAX.0).map(Self)
    }

    /// The width in bits.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// One bit more, at most 12.
    #[must_use]
    pub const fn one_more(self) -> Self {
        if self.0 < Self::MAX.0 {
            Self(self.0 + 1)
        } else {
            self
        }
    }

    /// `M = 2^(bits-1) - 1`, the largest magnitude: 7 to 2047.
    #[must_use]
    pub const fn max_value(self) -> i32 {
        (1 << (self.0 - 1)) - 1
    }

    /// Bytes in which a value is stored: 1 (I8) up to 8 bits, 2 (I16) above.
    #[must_use]
    pub const fn bytes_per_value(self) -> usize {
        if self.0 <= 8 {
            1
        } else {
            2
        }
    }

    /// Checks that a value lies in `[-M, M]`.
    ///
    /// # Errors
    /// [`QuantError::ValueIsExcludedMinimum`] for `-M - 1`, [`QuantError::ValueOutOfRange`] for
    /// anything else outside of the range.
    pub const fn check(self, value: i32) -> Result<(), QuantError> {
        let maximum = self.max_value();
        if value >= -maximum && value <= maximum {
            Ok(())
        } else if value == -maximum - 1 {
            Err(QuantError::ValueIsExcludedMinimum {
                bits: self.0,
                maximum,
                got: value,
            })
        } else {
            Err(QuantError::ValueOutOfRange {
                bits: self.0,
                maximum,
                got: value,
            })
        }
    }
}

impl Default for ValueBits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u8> for ValueBits {
    type Error = QuantError;

    fn try_from(bits: u8) -> Result<Self, QuantError> {
        Self::new(bits)
    }
}

impl From<ValueBits> for u8 {
    fn from(bits: ValueBits) -> u8 {
        bits.0
    }
}

impl core::fmt::Display for ValueBits {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn every_width() {
        for bits in 0..=u8::MAX {
            let made = ValueBits::new(bits);
            assert_eq!(made.is_ok(), (4..=12).contains(&bits));
            if let Ok(made) = made {
                assert_eq!(made.get(), bits);
                assert_eq!(made.bytes_per_value(), if bits <= 8 { 1 } else { 2 });
            }
        }
        assert_eq!(ValueBits::all().count(), 9);
        assert_eq!(ValueBits::DEFAULT.max_value(), 127);
    }

    #[test]
    fn every_value_near_the_range() {
        for bits in ValueBits::all() {
            let m = bits.max_value();
            for value in -5000..5000 {
                match bits.check(value) {
                    Ok(()) => assert!(value.abs() <= m),
                    Err(QuantError::ValueIsExcludedMinimum { got, .. }) => {
                        assert_eq!((value, got), (-m - 1, -m - 1));
                    }
                    Err(QuantError::ValueOutOfRange { got, .. }) => {
                        assert!(value.abs() > m && value != -m - 1 && got == value);
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            assert!(bits.check(i32::MIN).is_err());
            assert!(bits.check(i32::MAX).is_err());
        }
        let text = ValueBits::DEFAULT.check(-128).unwrap_err().to_string();
        assert!(text.contains("-128"), "{text}");
    }
}
