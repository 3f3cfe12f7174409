//! Which segments of a chain are fused, and which are split.

use std::fmt;
use std::str::FromStr;

use matchmark_statement::{Boundary, StatementError};
use serde::{Deserialize, Serialize};

/// How the segments of a chain are proven, one after the other: a list that begins anew at its end.
///
/// `fused` and `split` stand for all segments; `fused,split` for every other one. `Default` is `fused`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Boundary>", into = "Vec<Boundary>")]
pub struct BoundaryPattern(Vec<Boundary>);

impl BoundaryPattern {
    /// How this segment is proven.
    #[must_use]
    pub fn of(&self, segment: u64) -> Boundary {
        let period = self.0.len() as u64;
        usize::try_from(segment % period).map_or(Boundary::Fused, |place| self.0[place])
    }
}

impl Default for BoundaryPattern {
    fn default() -> Self {
        Boundary::default().into()
    }
}

impl From<Boundary> for BoundaryPattern {
    fn from(boundary: Boundary) -> Self {
        Self(vec![boundary])
    }
}

impl TryFrom<Vec<Boundary>> for BoundaryPattern {
    type Error = &'static str;

    fn try_from(boundaries: Vec<Boundary>) -> Result<Self, Self::Error> {
        if boundaries.is_empty() {
            return Err("expected fused or split at least once, got an empty list");
        }
        Ok(Self(boundaries))
    }
}

impl From<BoundaryPattern> for Vec<Boundary> {
    fn from(pattern: BoundaryPattern) -> Self {
        pattern.0
    }
}

impl FromStr for BoundaryPattern {
    type Err = StatementError;

    /// Names, separated by commas.
    fn from_str(text: &str) -> Result<Self, StatementError> {
        // Splitting gives one piece at least.
        text.split(',')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl fmt::Display for BoundaryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|boundary| boundary.name()).collect();
        f.write_str(&names.join(","))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn patterns_repeat() {
        let pattern: BoundaryPattern = "fused,split,split".parse().unwrap();
        assert_eq!(pattern.to_string(), "fused,split,split");
        let of = |segment| pattern.of(segment);
        assert_eq!(
            [of(0), of(1), of(2), of(3), of(4)],
            [
                Boundary::Fused,
                Boundary::Split,
                Boundary::Split,
                Boundary::Fused,
                Boundary::Split
            ]
        );
        assert_eq!(BoundaryPattern::default().of(u64::MAX), Boundary::Fused);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", ",", "fused,", "fused split", "FUSED"] {
            let error = bad.parse::<BoundaryPattern>().unwrap_err();
            assert!(
                matches!(error, StatementError::UnknownBoundary { .. }),
                "{bad}"
            );
        }
        assert!(BoundaryPattern::try_from(vec![]).is_err());
    }
}
