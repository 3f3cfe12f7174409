//! Nonnegative fractions in lowest terms.

use alloc::string::ToString;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::TableError;

/// A nonnegative fraction in lowest terms with a nonzero denominator. Zero is `0/1`.
///
/// Written `numerator/denominator`; a text without a slash is an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawRational", into = "RawRational")]
pub struct Rational {
    numerator: u64,
    denominator: u64,
}

/// What is written of a fraction; reading goes through [`Rational::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRational {
    numerator: u64,
    denominator: u64,
}

impl Rational {
    /// One sixteenth: the exponent per index of the default table.
    pub const ONE_SIXTEENTH: Self = Self {
        numerator: 1,
        denominator: 16,
    };

    /// Reduces a fraction to lowest terms.
    ///
    /// # Errors
    /// [`TableError::ZeroDenominator`] if the denominator is zero.
    pub const fn new(numerator: u64, denominator: u64) -> Result<Self, TableError> {
        if denominator == 0 {
            return Err(TableError::ZeroDenominator);
        }
        let (mut a, mut b) = (numerator, denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Ok(Self {
            numerator: numerator / a,
            denominator: denominator / a,
        })
    }

    /// The numerator.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The denominator, at least 1.
    #[must_use]
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// The nearest float, up to one rounding of each part and one of the quotient.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        let left = u128::from(self.numerator) * u128::from(other.denominator);
        let right = u128::from(other.numerator) * u128::from(self.denominator);
        left.cmp(&right)
    }
}

impl TryFrom<RawRational> for Rational {
    type Error = TableError;

    fn try_from(raw: RawRational) -> Result<Self, TableError> {
        Self::new(raw.numerator, raw.denominator)
    }
}

impl From<Rational> for RawRational {
    fn from(rational: Rational) -> Self {
        Self {
            numerator: rational.numerator,
            denominator: rational.denominator,
        }
    }
}

impl fmt::Display for Rational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl FromStr for Rational {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        match (decimal(numerator), decimal(denominator)) {
            (Some(numerator), Some(denominator)) => Self::new(numerator, denominator),
            _ => Err(TableError::FractionSyntax {
                got: text.to_string(),
            }),
        }
    }
}

/// Parses plain decimal digits: no sign, no space.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        assert_eq!("2/32".parse::<Rational>().unwrap(), Rational::ONE_SIXTEENTH);
        assert_eq!(
            "3".parse::<Rational>().unwrap(),
            Rational::new(3, 1).unwrap()
        );
        assert_eq!(
            "0/7".parse::<Rational>().unwrap(),
            Rational::new(0, 1).unwrap()
        );
        assert_eq!("1/0".parse::<Rational>(), Err(TableError::ZeroDenominator));
        for bad in [
            "",
            "/",
            "1/",
            "/2",
            "+1/2",
            "-1/2",
            "1/2/3",
            " 1/2",
            "1.5",
            "99999999999999999999",
        ] {
            assert!(
                matches!(
                    bad.parse::<Rational>(),
                    Err(TableError::FractionSyntax { .. })
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn order_is_that_of_the_numbers() {
        let ascending = [
            (0, 1),
            (1, u64::MAX),
            (1, 3),
            (1, 2),
            (2, 3),
            (3, 2),
            (7, 2),
            (u64::MAX, 1),
        ]
        .map(|(numerator, denominator)| Rational::new(numerator, denominator).unwrap());
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    proptest! {
        #[test]
        fn lowest_terms(n: u64, d in 1u64..) {
            let r = Rational::new(n, d).unwrap();
            prop_assert_eq!(
                u128::from(r.numerator()) * u128::from(d),
                u128::from(n) * u128::from(r.denominator())
            );
            let again = Rational::new(r.numerator(), r.denominator()).unwrap();
            prop_assert_eq!(again.denominator(), r.denominator());
            prop_assert_eq!(r.to_string().parse::<Rational>().unwrap(), r);
        }
    }
}
