//! Certified enclosures of `exp(-x)` for rational `x >= 0`, on integers alone.
//!
//! Numbers of `0 ..= 1` are held as integers in units of `2^-120`. Every operation is done twice,
//! rounded down and rounded up, so that the two results enclose the real one. With `x = i + f`
//! (`i` an integer, `0 <= f < 1`), `exp(-x) = exp(-1)^i * exp(-f)`; both exponentials are the
//! alternating Taylor series, whose terms decrease for arguments of at most 1, so that the first
//! term left out bounds what is left out. An enclosure is at most `2^-112` wide (tested), far
//! narrower than anything that is rounded from it.

use crate::Rational;

/// Fraction bits.
pub(crate) const FRACTION_BITS: u32 = 120;
/// The number 1.
pub(crate) const ONE: u128 = 1 << FRACTION_BITS;
/// From this exponent on, `exp(-x) < 2^-92` is enclosed as such.
const LARGEST_WHOLE: u128 = 64;
/// Terms of the series; `1 / 36!` is below `2^-138`.
const TERMS: u128 = 36;

/// Two numbers in units of `2^-120` with a real one between them, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Enclosure {
    pub(crate) low: u128,
    pub(crate) high: u128,
}

impl Enclosure {
    const EXACTLY_ONE: Self = Self {
        low: ONE,
        high: ONE,
    };

    fn times(self, other: Self) -> Self {
        Self {
            low: multiply(self.low, other.low).0,
            high: multiply_up(self.high, other.high),
        }
    }

    fn divided_by(self, divisor: u128) -> Self {
        Self {
            low: self.low / divisor,
            high: self.high.div_ceil(divisor),
        }
    }
}

/// Computes `exp(-g * delta)` for many `g`; holds the powers of `exp(-1)`.
pub(crate) struct Exponential {
    delta: Rational,
    /// `exp(-1)^i` for `i` from 0.
    whole_powers: alloc::vec::Vec<Enclosure>,
}

impl Exponential {
    pub(crate) fn new(delta: Rational) -> Self {
        let inverse_e = series(Enclosure::EXACTLY_ONE);
        let whole_powers = (0..LARGEST_WHOLE)
            .scan(Enclosure::EXACTLY_ONE, |power, _| {
                let current = *power;
                *power = current.times(inverse_e);
                Some(current)
            })
            .collect();
        Self {
            delta,
            whole_powers,
        }
    }

    /// Encloses `exp(-g * delta)`.
    pub(crate) fn at(&self, g: u32) -> Enclosure {
        let denominator = u128::from(self.delta.denominator());
        let numerator = u128::from(g) * u128::from(self.delta.numerator());
        let whole = usize::try_from(numerator / denominator).unwrap_or(usize::MAX);
        match self.whole_powers.get(whole) {
            Some(power) => power.times(series(fraction(numerator % denominator, denominator))),
            // exp(-64) < 2^-92.
            None => Enclosure {
                low: 0,
                high: ONE >> 92,
            },
        }
    }
}

/// Encloses `numerator / denominator`, for `numerator < denominator < 2^64`.
fn fraction(numerator: u128, denominator: u128) -> Enclosure {
    // Twice 60 bits of long division: no intermediate value reaches 2^124.
    let first = numerator << 60;
    let second = (first % denominator) << 60;
    let low = ((first / denominator) << 60) + second / denominator;
    Enclosure {
        low,
        high: low + u128::from(!second.is_multiple_of(denominator)),
    }
}

/// Encloses `exp(-f)` for `0 <= f <= 1`: `1 - f + f^2/2! - f^3/3! + ...`.
fn series(f: Enclosure) -> Enclosure {
    let mut term = Enclosure::EXACTLY_ONE;
    // Sums of the even (positive) and of the odd (negative) terms, neither above 2.
    let mut sums = [Enclosure { low: 0, high: 0 }; 2];
    for n in 1..=TERMS {
        let sum = &mut sums[usize::from(n % 2 == 0)];
        sum.low += term.low;
        sum.high += term.high;
        term = term.times(f).divided_by(n);
    }
    let [positive, negative] = sums;
    // The terms decrease, so that the first one left out bounds the rest, on either side.
    Enclosure {
        low: positive.low.saturating_sub(negative.high + term.high),
        high: (positive.high - negative.low + term.high).min(ONE),
    }
}

/// Floor of the product of two numbers of at most 1, and whether something was cut off.
fn multiply(a: u128, b: u128) -> (u128, bool) {
    const LOW: u128 = u64::MAX as u128;
    let (a1, a0) = (a >> 64, a & LOW);
    let (b1, b0) = (b >> 64, b & LOW);
    // Each factor is below 2^121, so that a1 and b1 are below 2^57 and nothing here overflows.
    let bottom = a0 * b0;
    let middle = a1 * b0 + a0 * b1 + (bottom >> 64);
    let low = (middle << 64) | (bottom & LOW);
    let high = a1 * b1 + (middle >> 64);
    let product = (high << (128 - FRACTION_BITS)) | (low >> FRACTION_BITS);
    (product, low & (ONE - 1) != 0)
}

fn multiply_up(a: u128, b: u128) -> u128 {
    let (product, cut) = multiply(a, b);
    product + u128::from(cut)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to_f64(x: u128) -> f64 {
        x as f64 / ONE as f64
    }

    /// `a * b` by schoolbook multiplication in 32-bit limbs, shifted right.
    fn multiply_slowly(a: u128, b: u128) -> (u128, bool) {
        let limbs = |x: u128| [0, 32, 64, 96].map(|s| (x >> s) & 0xffff_ffff);
        let mut product = [0u128; 9];
        for (i, x) in limbs(a).into_iter().enumerate() {
            for (j, y) in limbs(b).into_iter().enumerate() {
                product[i + j] += (x * y) & 0xffff_ffff;
                product[i + j + 1] += (x * y) >> 32;
            }
        }
        for i in 0..8 {
            product[i + 1] += product[i] >> 32;
            product[i] &= 0xffff_ffff;
        }
        let bit = |n: usize| (product[n / 32] >> (n % 32)) & 1;
        let value = (0..127).fold(0, |sum, n| sum | (bit(n + 120) << n));
        (value, (0..120).any(|n| bit(n) == 1))
    }

    #[test]
    fn exact_where_it_should_be() {
        let exponential = Exponential::new(Rational::ONE_SIXTEENTH);
        assert_eq!(exponential.at(0), Enclosure::EXACTLY_ONE);
        assert_eq!(multiply(ONE, ONE), (ONE, false));
    }

    #[test]
    fn known_digits_of_exp_minus_one() {
        // 0.36787944117144232159552377016146086744581113103176...
        let e = Exponential::new(Rational::new(1, 1).unwrap()).at(1);
        let digits = 367_879_441_171_442_321_595_523_770_161_460_867u128;
        // digits * 10^-36, times 2^120: compare in units of 10^-36 through division.
        let scaled = |x: u128| {
            // floor(x * 10^36 / 2^120) by two steps of 10^18.
            let step = 10u128.pow(18);
            let (whole, rest) = ((x >> 64) * step, (x & u128::from(u64::MAX)) * step);
            let first = whole + (rest >> 64); // x * 10^18 in units of 2^-56
            let (top, low) = (first >> 56, first & ((1 << 56) - 1));
            top * step + ((low * step) >> 56)
        };
        let (low, high) = (scaled(e.low), scaled(e.high));
        assert!(
            low <= digits + 1_000_000 && high + 1_000_000 >= digits,
            "{low} {high}"
        );
        assert!(high - low < 1_000_000);
    }

    #[test]
    fn tiny_results() {
        let exponential = Exponential::new(Rational::new(u64::MAX, 1).unwrap());
        assert_eq!(exponential.at(16_383).low, 0);
        let steep = Exponential::new(Rational::new(63, 1).unwrap()).at(1);
        assert!((to_f64(steep.high) / (-63f64).exp() - 1.0).abs() < 1e-6);
        // Beyond the powers that are held, a result is still below its bound.
        let beyond = Exponential::new(Rational::new(64, 1).unwrap()).at(1);
        assert!(to_f64(beyond.high) > (-64f64).exp());
    }

    /// `floor(numerator * 2^120 / denominator)` bit by bit, and whether something is left.
    fn fraction_slowly(numerator: u64, denominator: u64) -> (u128, bool) {
        let (mut rest, denominator) = (u128::from(numerator), u128::from(denominator));
        let mut quotient = 0;
        for _ in 0..FRACTION_BITS {
            rest *= 2;
            quotient *= 2;
            if rest >= denominator {
                rest -= denominator;
                quotient += 1;
            }
        }
        (quotient, rest > 0)
    }

    proptest! {
        #[test]
        fn products_are_exact(a in 0..=ONE, b in 0..=ONE) {
            prop_assert_eq!(multiply(a, b), multiply_slowly(a, b));
        }

        #[test]
        fn fractions_are_exact(n: u64, d: u64, small in 1u64..1000) {
            for (n, d) in [(n.min(d), n.max(d)), (n % small, small), (small, 1 << 63)] {
                if n < d {
                    let (low, is_cut) = fraction_slowly(n, d);
                    let high = low + u128::from(is_cut);
                    let got = fraction(u128::from(n), u128::from(d));
                    prop_assert_eq!(got, Enclosure { low, high });
                }
            }
        }

        #[test]
        fn narrow_and_near_the_float(n in 1u64..1 << 50, d in 1u64.., g in 0u32..16_384) {
            let delta = Rational::new(n, d).unwrap();
            let enclosure = Exponential::new(delta).at(g);
            prop_assert!(enclosure.low <= enclosure.high && enclosure.high <= ONE);
            let x = f64::from(g) * delta.to_f64();
            if x < 64.0 {
                prop_assert!(enclosure.high - enclosure.low <= 1 << 8);
            }
            prop_assert!((to_f64(enclosure.low) - (-x).exp()).abs() < 1e-13);
        }
    }
}
