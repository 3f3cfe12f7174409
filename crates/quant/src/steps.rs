//! Which decode steps are spoken of, in absolute cache positions.

use serde::{Deserialize, Serialize};

use crate::{AttentionShape, CacheCapacity, QuantError, SegmentSteps};

/// Consecutive decode steps: `P` cache entries before the first one, `S >= 1` steps.
///
/// Step `t` appends entry `P + t` and attends to entries `0 ..= P + t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSteps", into = "RawSteps")]
pub struct StepRange {
    entries_before: u32,
    steps: u32,
}

/// What is written of a step range; reading goes through [`StepRange::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSteps {
    entries_before: u32,
    steps: u32,
}

impl StepRange {
    /// `steps` steps after `entries_before` cache entries.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] if there is no step, or if the cache would hold more
    /// than [`CacheCapacity::MAX`] entries afterwards.
    pub const fn new(entries_before: u32, steps: u32) -> Result<Self, QuantError> {
        if steps == 0 {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "number of steps",
                minimum: 1,
                maximum: CacheCapacity::MAX as u64,
                got: 0,
            });
        }
        let after = entries_before as u64 + steps as u64;
        if after > CacheCapacity::MAX as u64 {
            return Err(QuantError::ParameterOutOfRange {
                parameter: "number of cache entries after the last step",
                minimum: 1,
                maximum: CacheCapacity::MAX as u64,
                got: after,
            });
        }
        Ok(Self {
            entries_before,
            steps,
        })
    }

    /// `P`, the number of cache entries before the first step.
    #[must_use]
    pub const fn entries_before(&self) -> usize {
        self.entries_before as usize
    }

    /// `S`, the number of steps.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps as usize
    }

    /// `P + S`, the number of cache entries after the last step.
    #[must_use]
    pub const fn entries_after(&self) -> usize {
        self.entries_before() + self.steps()
    }

    /// `P + t + 1`, the number of cache entries that step `t` (0-based) attends to.
    #[must_use]
    pub const fn scores(&self, t: usize) -> usize {
        self.entries_before() + t + 1
    }

    /// `sum_t (P + t + 1)`, the number of scores of one query head over all steps.
    #[must_use]
    pub const fn scores_per_head(&self) -> u64 {
        let (p, s) = (self.entries_before as u64, self.steps as u64);
        p * s + s * (s + 1) / 2
    }

    /// `H * sum_t (P + t + 1)`, the number of uses of the weight table.
    #[must_use]
    pub const fn lookup_claims(&self, shape: &AttentionShape) -> u64 {
        shape.query_heads() as u64 * self.scores_per_head()
    }

    /// Whether these steps begin exactly where `previous` ends.
    #[must_use]
    pub const fn follows(&self, previous: &StepRange) -> bool {
        self.entries_before() == previous.entries_after()
    }

    /// Whether all of `part`'s steps are among these.
    #[must_use]
    pub const fn contains(&self, part: &StepRange) -> bool {
        self.entries_before <= part.entries_before && part.entries_after() <= self.entries_after()
    }

    /// Cuts these steps into consecutive ranges of `segment_steps` steps; the last one may be
    /// shorter.
    #[must_use]
    pub const fn segments(&self, segment_steps: SegmentSteps) -> Segments {
        Segments {
            next: self.entries_before,
            remaining: self.steps,
            length: segment_steps.get(),
        }
    }
}

/// Iterator over the consecutive parts of a [`StepRange`], made by [`StepRange::segments`].
#[derive(Clone, Debug)]
pub struct Segments {
    next: u32,
    remaining: u32,
    length: u32,
}

impl Iterator for Segments {
    type Item = StepRange;

    fn next(&mut self) -> Option<StepRange> {
        let steps = self.remaining.min(self.length);
        if steps == 0 {
            return None;
        }
        let part = StepRange {
            entries_before: self.next,
            steps,
        };
        self.next += steps;
        self.remaining -= steps;
        Some(part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = self.remaining.div_ceil(self.length) as usize;
        (count, Some(count))
    }
}

impl ExactSizeIterator for Segments {}

impl TryFrom<RawSteps> for StepRange {
    type Error = QuantError;

    fn try_from(raw: RawSteps) -> Result<Self, QuantError> {
        Self::new(raw.entries_before, raw.steps)
    }
}

impl From<StepRange> for RawSteps {
    fn from(range: StepRange) -> Self {
        Self {
            entries_before: range.entries_before,
            steps: range.steps,
        }
    }
}

impl core::fmt::Display for StepRange {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} steps after {} entries",
            self.steps, self.entries_before
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{HeadDim, KvHeads, QueryHeads};
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn known_claims() {
        let shape = AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(4).unwrap(),
            HeadDim::new(64).unwrap(),
        )
        .unwrap();
        assert_eq!(StepRange::new(2, 64).unwrap().lookup_claims(&shape), 8_832);
        assert_eq!(StepRange::new(2, 32).unwrap().lookup_claims(&shape), 2_368);
    }

    #[test]
    fn refused_ranges() {
        assert!(StepRange::new(0, 0).is_err());
        assert!(StepRange::new(u32::MAX, u32::MAX).is_err());
        assert!(StepRange::new(CacheCapacity::MAX - 1, 1).is_ok());
        assert!(StepRange::new(CacheCapacity::MAX, 1).is_err());
        assert!(serde_json::from_str::<StepRange>(r#"{"entries_before":1,"steps":0}"#).is_err());
    }

    #[test]
    fn ranges_beside_each_other() {
        let range = |entries_before, steps| StepRange::new(entries_before, steps).unwrap();
        let five = range(10, 5);
        for (other, follows, within) in [
            (range(15, 2), true, false),
            (range(14, 2), false, false),
            (range(16, 2), false, false),
            (range(10, 5), false, true),
            (range(12, 2), false, true),
            (range(9, 2), false, false),
            (range(9, 6), false, false),
            (range(10, 6), false, false),
            (range(2, 3), false, false),
        ] {
            assert_eq!(other.follows(&five), follows, "{other}");
            assert_eq!(five.contains(&other), within, "{other}");
        }
    }

    proptest! {
        #[test]
        fn segments_tile_the_range(p in 0u32..100, s in 1u32..100, k in 1u32..120) {
            let range = StepRange::new(p, s).unwrap();
            let segments = range.segments(SegmentSteps::new(k).unwrap());
            let expected = segments.len();
            let parts: Vec<_> = segments.collect();
            prop_assert_eq!(parts.len(), expected);
            prop_assert_eq!(parts[0].entries_before(), range.entries_before());
            prop_assert_eq!(parts[parts.len() - 1].entries_after(), range.entries_after());
            prop_assert!(parts.windows(2).all(|pair| pair[1].follows(&pair[0])));
            prop_assert!(parts.iter().all(|part| range.contains(part)));
            let claims: u64 = parts.iter().map(StepRange::scores_per_head).sum();
            prop_assert_eq!(claims, range.scores_per_head());
            let counted: usize = (0..range.steps()).map(|t| range.scores(t)).sum();
            prop_assert_eq!(claims, counted as u64);
        }
    }
}
