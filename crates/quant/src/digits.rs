//! Values in two digits: how sums of long caches stay sums of small integers.

use crate::{ValueBits, MAX_LIMB_BITS, MODULUS};

/// How a value is taken apart, and how large the sums of its parts can become.
///
/// `v = 2^h high + low`, with `low` in `0 .. 2^h` and `high = floor(v / 2^h)`. An output `o` is taken apart
/// likewise, and a proof shows of one division `N = o*Z + u` two equations:
///
/// - `N_high = o_high * Z + c`,
/// - `N_low = o_low * Z + u - 2^h c`,
///
/// with `N_high` and `N_low` the weighted sums of the digits, and a carry `c`. `2^h` times the first and the
/// second add up to the division. None of the sums is larger than `2^h Z` or `2^(b-1-h) Z`, where `N` itself
/// can be `2^(b-1) Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigitBounds {
    low_bits: u32,
    /// `2^(b-1-h)`: no high digit is larger in magnitude.
    max_high: u64,
    max_denominator: u64,
}

impl DigitBounds {
    /// Digits of values of this width, whose weights add up to at most `max_denominator`; `None` if that is
    /// more than [`Self::max_denominator_of`].
    pub(crate) fn new(bits: ValueBits, max_denominator: u64) -> Option<Self> {
        let digits = Self {
            low_bits: low_bits(bits),
            max_high: 1 << (u32::from(bits.get()) - 1 - low_bits(bits)),
            max_denominator,
        };
        (max_denominator <= Self::max_denominator_of(bits)).then_some(digits)
    }

    /// The largest sum of weights with which two digits of values of this width are enough.
    ///
    /// With it [`Self::allow_carries`] allows carries of up to a whole limb more than the largest that there
    /// are, so that no carry has to be held to its maximum exactly, and two limbs hold twice the sum.
    #[must_use]
    pub fn max_denominator_of(bits: ValueBits) -> u64 {
        let low_bits = low_bits(bits);
        let (largest, limb) = (u64::from(MODULUS) - 1, 1_u64 << MAX_LIMB_BITS);
        let high = 1_u64 << (u32::from(bits.get()) - low_bits);
        let low = (1_u64 << (low_bits + 2)) - 1;
        let of_high = (largest - limb) / high;
        let of_low = (largest - (limb << (low_bits + 1))) / low;
        of_high.min(of_low).min(1 << (2 * MAX_LIMB_BITS - 1))
    }

    /// `h`: the width of a low digit.
    #[must_use]
    pub const fn low_bits(&self) -> u32 {
        self.low_bits
    }

    /// `floor(v / 2^h)`.
    #[must_use]
    pub const fn high(&self, value: i64) -> i64 {
        value >> self.low_bits
    }

    /// `v - 2^h floor(v / 2^h)`.
    #[must_use]
    pub const fn low(&self, value: i64) -> i64 {
        value - (self.high(value) << self.low_bits)
    }

    /// The largest sum of weights, `Z`. Carries are smaller in magnitude: `2^h c = o_low Z + u - N_low`, where
    /// `N_low` and `o_low Z` lie in `0 ..= (2^h - 1) Z`, and `u` is smaller than `Z`.
    #[must_use]
    pub const fn max_denominator(&self) -> u64 {
        self.max_denominator
    }

    /// Whether both equations, in the field, are equations of integers if the carry is an integer of at most
    /// this magnitude.
    ///
    /// `N_high` and `o_high Z` lie in `-A Z ..= (A - 1) Z` with `A = 2^(b-1-h)`, so that the sides of the first
    /// differ by at most `(2 A - 1) Z + |c|`. The second is stated with `u = (r - Z) / 2` where that is halved
    /// in the field; twice its sides, `2 N_low - 2 o_low Z - r + Z + 2^(h+1) c`, are at most
    /// `(2^(h+1) - 1) Z + 2^(h+1) |c|`, as `r` lies in `0 .. 2Z`. Both have to stay below `p`.
    #[must_use]
    pub const fn allow_carries(&self, carry: u64) -> bool {
        let (modulus, base) = (MODULUS as u64, 2_u64 << self.low_bits);
        let of_high = (2 * self.max_high - 1) * self.max_denominator;
        let of_low = (base - 1) * self.max_denominator;
        // No sum is larger than 2^50: the denominator is below 2^28, and a carry below 2^32 is refused before.
        carry < modulus && of_high + carry < modulus && of_low + base * carry < modulus
    }
}

/// Both digits are about as wide, and the low one is the narrower: its equation is doubled.
fn low_bits(bits: ValueBits) -> u32 {
    (u32::from(bits.get()) - 1) / 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn widths() -> impl Iterator<Item = ValueBits> {
        (4..=12).map(|bits| ValueBits::new(bits).unwrap())
    }

    #[test]
    fn digits_make_up_the_value() {
        for bits in widths() {
            let digits = DigitBounds::new(bits, 1).unwrap();
            let (limit, high) = (bits.max_value(), i64::try_from(digits.max_high).unwrap());
            for value in (-limit..=limit).map(i64::from) {
                let base = 1 << digits.low_bits();
                assert_eq!(base * digits.high(value) + digits.low(value), value);
                assert!((0..base).contains(&digits.low(value)), "{value}");
                assert!((-high..high).contains(&digits.high(value)), "{value}");
            }
        }
    }

    /// At the limit a carry may be a limb larger than it gets; beyond it there is no room for that.
    #[test]
    fn the_limit_is_the_last_that_allows_a_limb_more() {
        for bits in widths() {
            let limit = DigitBounds::max_denominator_of(bits);
            let digits = DigitBounds::new(bits, limit).unwrap();
            let limb = 1 << MAX_LIMB_BITS;
            assert!(digits.allow_carries(limit + limb), "{bits}");
            assert_eq!(DigitBounds::new(bits, limit + 1), None);
            let beyond = DigitBounds {
                max_denominator: limit + 1,
                ..digits
            };
            let is_room = 2 * (limit + 1) <= 1 << (2 * MAX_LIMB_BITS);
            assert!(
                !is_room || !beyond.allow_carries(limit + 1 + limb),
                "{bits}"
            );
            assert!(!digits.allow_carries(u64::MAX));
        }
    }

    /// The two equations, over all corners of what the digits can be, stay as small as they are said to, and
    /// a carry smaller than the denominator solves them.
    #[test]
    fn equations_hold_and_stay_small() {
        let bits = ValueBits::new(11).unwrap();
        let digits = DigitBounds::new(bits, 1 << 22).unwrap();
        let (base, limit) = (1_i64 << digits.low_bits(), i64::from(bits.max_value()));
        for z in [1_i64, 2, 3, 1000, 4_194_303, 1 << 22] {
            for value in [-limit, -33, -32, -1, 0, 1, 31, 32, limit] {
                for other in [-limit, -1, 0, 1, limit] {
                    // All weight but one unit on the one value.
                    let sum = |digit: &dyn Fn(i64) -> i64| (z - 1) * digit(value) + digit(other);
                    let (high, low) = (sum(&|v| digits.high(v)), sum(&|v| digits.low(v)));
                    let (out, rem) = crate::Rounding::NearestTiesUp.divide(base * high + low, z);
                    let carry = high - digits.high(out) * z;
                    assert!(carry.abs() < z, "{value} {other} {z}");
                    let doubled = 2 * low - 2 * digits.low(out) * z - rem + z;
                    assert_eq!(doubled, -2 * base * carry);
                    assert!(doubled.abs() <= (2 * base - 1) * z);
                }
            }
        }
    }
}
