//! How far a table is from the function that it stands for.

use core::fmt;

use crate::fixed::{Exponential, FRACTION_BITS};
use crate::{Rational, TableKind, WeightTable};

/// Fraction bits of a distance; what is below is rounded up.
const DISTANCE_BITS: u32 = 60;

/// A proven upper bound of `max |T[g] / 2^s - exp(-g * delta)|` over the table's domain.
///
/// It says nothing of indices beyond the domain: those are clipped to the last entry by the
/// semantics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Distance(Rational);

impl Distance {
    /// The bound, a fraction whose denominator is a power of two of at most `2^60`.
    #[must_use]
    pub const fn upper_bound(self) -> Rational {
        self.0
    }

    /// The bound as a float.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.0.to_f64()
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3e}", self.to_f64())
    }
}

impl WeightTable {
    /// A proven bound on the distance of an exponential table from the real exponential, by
    /// interval arithmetic on integers; `None` for tables that do not stand for a real function.
    ///
    /// A correctly rounded table with scale `2^s` is within `2^-(s+1)`.
    #[must_use]
    pub fn certified_distance(&self) -> Option<Distance> {
        let TableKind::Exponential { delta, log_scale } = self.kind() else {
            return None;
        };
        let exponential = Exponential::new(*delta);
        let largest = (0u32..)
            .zip(self.entries())
            .map(|(g, &entry)| {
                let real = exponential.at(g);
                let approximate = u128::from(entry) << (FRACTION_BITS - u32::from(*log_scale));
                // The real number may be at either end of its enclosure.
                approximate
                    .abs_diff(real.low)
                    .max(approximate.abs_diff(real.high))
            })
            .max()?;
        let rounded_up = largest.div_ceil(1 << (FRACTION_BITS - DISTANCE_BITS));
        let numerator = u64::try_from(rounded_up).ok()?;
        Rational::new(numerator, 1 << DISTANCE_BITS)
            .ok()
            .map(Distance)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn only_exponentials_have_one() {
        assert_eq!(WeightTable::essay9().certified_distance(), None);
        let custom = WeightTable::custom(vec![2, 1], "two").unwrap();
        assert_eq!(custom.certified_distance(), None);
    }

    #[test]
    fn default_table() {
        let distance = WeightTable::exp256_default().certified_distance().unwrap();
        assert!(distance.upper_bound() <= Rational::new(1, 1 << 13).unwrap());
        // Some entry among 256 comes close to half a unit: the bound is not a trivial zero.
        assert!(distance.to_f64() > 0.9 / 8192.0);
        assert!(distance.to_f64() <= 1.0 / 8192.0);
    }

    proptest! {
        #[test]
        fn never_above_half_a_unit(n in 1u64..1 << 40, d in 1u64..1 << 40, s in 0u8..=23, len in 2usize..300) {
            let table = WeightTable::exponential(Rational::new(n, d).unwrap(), s, len).unwrap();
            let half = Rational::new(1, 1 << (s + 1)).unwrap();
            // The width of an enclosure, rounded up to the next 2^-60.
            let bound = table.certified_distance().unwrap().upper_bound();
            prop_assert!(bound <= Rational::new((1 << (59 - s)) + 1, 1 << 60).unwrap());
            prop_assert!(bound.to_f64() <= half.to_f64() * (1.0 + 1e-9));
        }
    }
}
