//! Values and outputs in two digits, where a weighted sum of whole values could wrap around the field.
use matchmark_quant::DigitBounds;

use super::limbs::NonNegative;

/// How a layout carries values: `v = 2^h high + low`.
///
/// The high digit has a column and stands with the value in the table of digits; the low one is what is left.
/// Of an output, `N_high = o_high Z + c` and `N_low = o_low Z + u - 2^h c` are stated, with a carry `c` whose
/// range check keeps both from wrapping ([`DigitBounds`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueDigits {
    bounds: DigitBounds,
    carry: NonNegative,
}

impl ValueDigits {
    /// The digits of a layout whose limbs have so many bits; `None` if two limbs do not hold a carry.
    pub(super) fn new(bounds: &DigitBounds, limb_bits: u32) -> Option<Self> {
        let offset = bounds.max_denominator();
        // A carry is smaller than the denominator in magnitude, and the offset is the largest denominator.
        let accepts = |slack: u64| bounds.allow_carries(offset.max(slack.saturating_sub(offset)));
        Some(Self {
            bounds: *bounds,
            carry: NonNegative::covering(2 * offset - 1, limb_bits, accepts)?,
        })
    }

    /// `2^h`: what a high digit counts.
    pub fn base(&self) -> u32 {
        1 << self.bounds.low_bits()
    }

    /// `floor(v / 2^h)`.
    pub fn high(&self, value: i64) -> i64 {
        self.bounds.high(value)
    }

    /// Range check of a carry, offset by [`Self::carry_offset`].
    pub fn carry(&self) -> NonNegative {
        self.carry
    }

    /// What is added to a carry so that it is not negative: the largest denominator.
    pub fn carry_offset(&self) -> u32 {
        // Checked with the bounds: at most 2^27.
        u32::try_from(self.bounds.max_denominator()).unwrap_or(u32::MAX)
    }
}
