//! How an output is rounded from numerator and denominator.

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;
use serde::{Deserialize, Serialize};

use crate::QuantError;

/// The rule by which `N / Z` becomes an integer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Rounding {
    /// Towards minus infinity: `N = o*Z + r`, `0 <= r < Z`.
    #[serde(rename = "floor")]
    Floor,
    /// To the nearest integer, halves up: `2N + Z = o*2Z + r`, `0 <= r < 2Z`.
    #[default]
    #[serde(rename = "nearest")]
    NearestTiesUp,
}

impl Rounding {
    /// Quotient `o` and remainder `r` of `numerator` by `denominator`, exactly as the semantics
    /// define them: under [`Rounding::Floor`] `r` is that of `N = o*Z + r`, under
    /// [`Rounding::NearestTiesUp`] that of `2N + Z = o*2Z + r`.
    ///
    /// `2N + Z` itself is never formed, so that no numerator overflows.
    ///
    /// # Panics
    /// If the denominator is not in `1 ..= 2^62`. Denominators of the semantics are sums of
    /// weights of which the first is positive, and stay below `2^30`.
    #[must_use]
    pub fn divide(self, numerator: i64, denominator: i64) -> (i64, i64) {
        assert!(
            (1..=1 << 62).contains(&denominator),
            "denominator is {denominator}, expected 1 to 2^62"
        );
        let quotient = numerator.div_euclid(denominator);
        let remainder = numerator.rem_euclid(denominator);
        match self {
            Self::Floor => (quotient, remainder),
            // 2N + Z = q*2Z + (2u + Z) with 0 <= u < Z, and 2u + Z reaches 2Z when 2u >= Z.
            // Both branches are written so that they stay below 2Z <= 2^63 - 1 even at Z = 2^62.
            Self::NearestTiesUp => {
                let above = remainder - (denominator - remainder);
                if above >= 0 {
                    (quotient + 1, above)
                } else {
                    (quotient, remainder + remainder + denominator)
                }
            }
        }
    }

    /// The `u` of `N = o*Z + u` that belongs to a remainder of [`divide`](Self::divide).
    ///
    /// Under [`Rounding::Floor`] it is the remainder itself, `0 <= u < Z`. Under
    /// [`Rounding::NearestTiesUp`] `r = 2u + Z`, hence `-Z <= 2u < Z`: a form in which neither `2N`
    /// nor `2Z` appears.
    #[must_use]
    pub const fn offset(self, remainder: i64, denominator: i64) -> i64 {
        match self {
            Self::Floor => remainder,
            Self::NearestTiesUp => (remainder - denominator) / 2,
        }
    }

    /// The name used in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::NearestTiesUp => "nearest",
        }
    }
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Rounding {
    type Err = QuantError;

    fn from_str(text: &str) -> Result<Self, QuantError> {
        match text {
            "floor" => Ok(Self::Floor),
            "nearest" => Ok(Self::NearestTiesUp),
            _ => Err(QuantError::UnknownRounding {
                got: text.to_string(),
            }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn defining_equation(rule: Rounding, n: i64, z: i64) {
        let (o, r) = rule.divide(n, z);
        let (n, z, o, r) = (i128::from(n), i128::from(z), i128::from(o), i128::from(r));
        match rule {
            Rounding::Floor => {
                assert_eq!(n, o * z + r);
                assert!((0..z).contains(&r));
            }
            Rounding::NearestTiesUp => {
                assert_eq!(2 * n + z, o * 2 * z + r);
                assert!((0..2 * z).contains(&r));
            }
        }
    }

    #[test]
    fn small_domain_exhaustively() {
        for rule in [Rounding::Floor, Rounding::NearestTiesUp] {
            for z in 1..=40 {
                for n in -400..=400 {
                    defining_equation(rule, n, z);
                    let (o, r) = rule.divide(n, z);
                    let u = rule.offset(r, z);
                    assert_eq!(n, o * z + u);
                    match rule {
                        Rounding::Floor => assert!((0..z).contains(&u)),
                        Rounding::NearestTiesUp => assert!(-z <= 2 * u && 2 * u < z),
                    }
                }
            }
        }
    }

    /// Every denominator to 2^12 with every remainder, on both sides of zero: the quotient is the one
    /// that the rule names, found without a division.
    #[test]
    fn all_remainders_of_all_denominators() {
        for z in 1..=1 << 12 {
            for u in 0..z {
                for whole in [-3, 0] {
                    let n = whole * z + u;
                    assert_eq!(Rounding::Floor.divide(n, z), (whole, u));
                    assert_eq!(Rounding::Floor.offset(u, z), u);
                    let nearest = if 2 * u < z {
                        (whole, 2 * u + z)
                    } else {
                        (whole + 1, 2 * u - z)
                    };
                    assert_eq!(Rounding::NearestTiesUp.divide(n, z), nearest);
                    let offset = Rounding::NearestTiesUp.offset(nearest.1, z);
                    assert_eq!(nearest.0 * z + offset, n);
                }
            }
        }
    }

    #[test]
    fn ties_go_up() {
        assert_eq!(Rounding::NearestTiesUp.divide(1, 2).0, 1);
        assert_eq!(Rounding::NearestTiesUp.divide(-1, 2).0, 0);
        assert_eq!(Rounding::NearestTiesUp.divide(-3, 2).0, -1);
        assert_eq!(Rounding::Floor.divide(-1, 2).0, -1);
    }

    #[test]
    fn names() {
        for rule in [Rounding::Floor, Rounding::NearestTiesUp] {
            assert_eq!(rule.to_string().parse::<Rounding>().unwrap(), rule);
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(json, std::format!("\"{rule}\""));
        }
        assert!(matches!(
            "up".parse::<Rounding>(),
            Err(QuantError::UnknownRounding { .. })
        ));
        assert_eq!(Rounding::default(), Rounding::NearestTiesUp);
    }

    #[test]
    #[should_panic(expected = "denominator is 0")]
    fn zero_denominator() {
        let _ = Rounding::Floor.divide(1, 0);
    }

    proptest! {
        #[test]
        fn any_numerator(n: i64, z in 1i64..=1 << 62) {
            // The quotient of a denominator of 1 is the numerator itself; i64::MAX would not
            // survive a carry, but a carry needs 2u >= Z > 2u.
            defining_equation(Rounding::Floor, n, z);
            defining_equation(Rounding::NearestTiesUp, n, z);
        }
    }
}
