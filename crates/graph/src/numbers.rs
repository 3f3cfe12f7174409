//! Numbers of an arithmetic: read one by one, and held to their ranges.

use matchmark_quant::QuantError;

/// Largest shift of every kind but that of normalization.
pub(crate) const MAX_SHIFT: u8 = 14;

/// Reads numbers of which there are enough.
pub(crate) struct Numbers<'a>(core::slice::Iter<'a, u32>);

impl<'a> Numbers<'a> {
    pub(crate) fn new(numbers: &'a [u32]) -> Self {
        Self(numbers.iter())
    }

    /// The next one.
    pub(crate) fn number(&mut self) -> Result<u32, QuantError> {
        let next = self.0.next().copied();
        next.ok_or(QuantError::ParameterOutOfRange {
            parameter: "count of numbers of an arithmetic that are left",
            minimum: 1,
            maximum: u64::MAX,
            got: 0,
        })
    }

    /// The next one, which is small.
    pub(crate) fn byte(&mut self, name: &'static str) -> Result<u8, QuantError> {
        let number = self.number()?;
        in_range(name, number.into(), 0, u8::MAX.into())?;
        Ok(number.to_le_bytes()[0])
    }

    /// There is none left.
    pub(crate) fn finish(self) -> Result<(), QuantError> {
        let left = self.0.len() as u64;
        in_range("count of numbers behind an arithmetic", left, 0, 0)
    }
}

/// A shift of every kind but that of normalization: from 1 on.
pub(crate) fn shift(name: &'static str, got: u8) -> Result<(), QuantError> {
    in_range(name, got.into(), 1, MAX_SHIFT.into())
}

pub(crate) const fn in_range(
    parameter: &'static str,
    got: u64,
    minimum: u64,
    maximum: u64,
) -> Result<(), QuantError> {
    if minimum <= got && got <= maximum {
        return Ok(());
    }
    Err(QuantError::ParameterOutOfRange {
        parameter,
        minimum,
        maximum,
        got,
    })
}
