//! The shape that all segments of a chain share.

use core::fmt;

use matchmark_graph::{LayerGroup, ModelShape};
use matchmark_quant::{AttentionShape, CacheCapacity, SegmentSteps, StepRange};
use serde::{Deserialize, Serialize};

use crate::error::StatementError;

/// Heads and head dimension, and the sizes that a chain's commitments are laid out for.
///
/// A state commitment depends on the height of the trees, so the segments of one chain share these
/// sizes, whatever each one's own number of steps is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawShape", into = "RawShape")]
pub struct SegmentShape {
    attention: AttentionShape,
    capacity: CacheCapacity,
    segment_steps: SegmentSteps,
}

/// What is written of a shape; reading goes through [`SegmentShape::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawShape {
    attention: AttentionShape,
    capacity: CacheCapacity,
    segment_steps: SegmentSteps,
}

impl SegmentShape {
    /// Puts a shape together: `capacity` is the number of cache entries at the end of the chain,
    /// `segment_steps` the largest number of steps of any of its segments.
    ///
    /// # Errors
    ///
    /// [`StatementError::SegmentStepsAboveCapacity`] if a segment could append more entries than the
    /// cache ever holds.
    pub const fn new(
        attention: AttentionShape,
        capacity: CacheCapacity,
        segment_steps: SegmentSteps,
    ) -> Result<Self, StatementError> {
        if segment_steps.get() > capacity.get() {
            return Err(StatementError::SegmentStepsAboveCapacity {
                expected: capacity.get(),
                got: segment_steps.get(),
            });
        }
        Ok(Self {
            attention,
            capacity,
            segment_steps,
        })
    }

    /// Heads and head dimension.
    #[must_use]
    pub const fn attention(&self) -> AttentionShape {
        self.attention
    }

    /// Cache entries at the end of the chain.
    #[must_use]
    pub const fn capacity(&self) -> CacheCapacity {
        self.capacity
    }

    /// Largest number of steps of a segment.
    #[must_use]
    pub const fn segment_steps(&self) -> SegmentSteps {
        self.segment_steps
    }

    /// The same for some layers of a decoder: with the attention of these layers taken as one.
    ///
    /// # Errors
    ///
    /// [`StatementError::Quantity`] if there is no attention of so many heads.
    pub fn of_layers(
        &self,
        model: &ModelShape,
        layers: &LayerGroup,
    ) -> Result<Self, StatementError> {
        Self::new(
            model.attention_of(layers.count())?,
            self.capacity,
            self.segment_steps,
        )
    }

    /// Whether a segment of these steps fits.
    pub(crate) const fn check_steps(&self, steps: &StepRange) -> Result<(), StatementError> {
        let (expected, got) = (self.segment_steps.get() as usize, steps.steps());
        if got > expected {
            return Err(StatementError::StepsAboveSegment { expected, got });
        }
        self.check_entries(steps)
    }

    /// Whether the cache has room for these steps, which may be those of a whole chain.
    pub(crate) const fn check_entries(&self, steps: &StepRange) -> Result<(), StatementError> {
        let (expected, got) = (self.capacity.get() as usize, steps.entries_after());
        if got > expected {
            return Err(StatementError::EntriesAboveCapacity { expected, got });
        }
        Ok(())
    }
}

impl TryFrom<RawShape> for SegmentShape {
    type Error = StatementError;

    fn try_from(raw: RawShape) -> Result<Self, StatementError> {
        Self::new(raw.attention, raw.capacity, raw.segment_steps)
    }
}

impl From<SegmentShape> for RawShape {
    fn from(shape: SegmentShape) -> Self {
        Self {
            attention: shape.attention,
            capacity: shape.capacity,
            segment_steps: shape.segment_steps,
        }
    }
}

impl fmt::Display for SegmentShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, capacity {}, segments of up to {} steps",
            self.attention, self.capacity, self.segment_steps
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use matchmark_quant::{HeadDim, KvHeads, QueryHeads};

    fn shape(capacity: u32, segment_steps: u32) -> Result<SegmentShape, StatementError> {
        SegmentShape::new(
            AttentionShape::new(
                QueryHeads::new(4).unwrap(),
                KvHeads::new(2).unwrap(),
                HeadDim::new(8).unwrap(),
            )
            .unwrap(),
            CacheCapacity::new(capacity).unwrap(),
            SegmentSteps::new(segment_steps).unwrap(),
        )
    }

    #[test]
    fn segments_are_no_longer_than_the_cache() {
        assert!(shape(8, 8).is_ok());
        assert_eq!(
            shape(8, 9),
            Err(StatementError::SegmentStepsAboveCapacity {
                expected: 8,
                got: 9
            })
        );
    }

    #[test]
    fn steps_must_fit() {
        let shape = shape(10, 4).unwrap();
        let steps = |before, steps| StepRange::new(before, steps).unwrap();
        assert_eq!(shape.check_steps(&steps(6, 4)), Ok(()));
        assert_eq!(
            shape.check_steps(&steps(7, 4)),
            Err(StatementError::EntriesAboveCapacity {
                expected: 10,
                got: 11
            })
        );
        assert_eq!(
            shape.check_steps(&steps(0, 5)),
            Err(StatementError::StepsAboveSegment {
                expected: 4,
                got: 5
            })
        );
        assert_eq!(shape.check_entries(&steps(0, 10)), Ok(()));
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        let json = serde_json::to_string(&shape(8, 8).unwrap()).unwrap();
        assert_eq!(
            serde_json::from_str::<SegmentShape>(&json).unwrap(),
            shape(8, 8).unwrap()
        );
        let bad = json.replace("\"segment_steps\":8", "\"segment_steps\":9");
        assert!(serde_json::from_str::<SegmentShape>(&bad).is_err());
    }
}
