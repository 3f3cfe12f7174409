//! What proving needs of memory, before anything is made.

use matchmark_prover::{HeldSizes, SegmentMemory};

/// Bytes of a process that has nothing to prove yet.
const BASE: u64 = 10 << 20;

/// Bytes of one that runs a model besides: what it computes, and small trees.
const MODEL: u64 = 24 << 20;

/// Bytes that a weight of a model takes: in the model, and in its file while that is read or copied.
const WEIGHT: u64 = 4;

/// Memory of proving: what all segments share, and what each that is being proven has of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// Whether there is a decoder, whose columns take less than those of attention alone.
    decoder: bool,
    fixed: u64,
    shared: HeldSizes,
    own: HeldSizes,
}

impl Need {
    /// The need of segments that are proven in these ways, in so many lengths.
    pub(crate) fn of_segments(ways: &[SegmentMemory], lengths: u64) -> Self {
        let model = ways.first().map(|memory| memory.model).unwrap_or_default();
        let mut need = Self {
            decoder: model.cells > 0,
            fixed: if model.cells > 0 { MODEL } else { 0 },
            ..Self::default()
        };
        for memory in ways {
            // One model for all of them, whichever way they are proven.
            need.shared = need.shared.plus(memory.preprocessed.times(lengths));
            need.own = need.own.max(memory.own);
        }
        need.shared = need.shared.plus(model);
        need
    }

    /// The need of committing a model, with the selectors of its segments.
    pub(crate) fn of_committing(memory: &SegmentMemory) -> Self {
        Self {
            decoder: true,
            fixed: MODEL,
            shared: memory.model.plus(memory.preprocessed),
            own: HeldSizes::default(),
        }
    }

    /// The same of a model that has so many weights.
    #[must_use]
    pub(crate) fn with_weights(mut self, weights: u64) -> Self {
        self.fixed += weights.saturating_mul(WEIGHT);
        self
    }

    /// Upper estimate for so many segments at a time, in bytes.
    pub(crate) fn bytes(&self, at_a_time: usize) -> u64 {
        let all = self.shared.plus(self.own.times(at_a_time as u64));
        let weights = if self.decoder { DECODER } else { ATTENTION };
        BASE + self.fixed + bytes(&all, &weights)
    }
}

/// Hundredths of a byte for each evaluation, point and cell.
///
/// The features, and their weights against each other, are those of the cost model of `matchmark-planner`,
/// which was fitted to the largest resident sets of proofs of traces. The weights here are 7 % larger: with
/// them none of the 108 fused proofs of `docs/pressure.json` takes more than is estimated, nor less than three
/// quarters of it. Split proofs take 66 % and more.
const ATTENTION: [u64; 3] = [442, 7866, 1091];

/// The same of a decoder, of the model that was fitted to segments of decoders: none of those in `docs/figures.md`, and
/// none of the parts of SmolLM2-135M there, takes more than is estimated.
const DECODER: [u64; 3] = [416, 7866, 788];

/// Upper estimate of what columns and trees take with all that is computed from them, in bytes.
fn bytes(held: &HeldSizes, weights: &[u64; 3]) -> u64 {
    let HeldSizes {
        cells,
        evaluations,
        points,
    } = held;
    let [of_evaluation, of_point, of_cell] = weights;
    let hundredths = evaluations
        .saturating_mul(*of_evaluation)
        .saturating_add(points.saturating_mul(*of_point))
        .saturating_add(cells.saturating_mul(*of_cell));
    hundredths / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: HeldSizes = HeldSizes {
        cells: 1000,
        evaluations: 8000,
        points: 100,
    };
    /// By hand: 33,280 + 7,866 + 7,880.
    const BYTES: u64 = 49_026;
    /// By hand, of attention alone: 35,360 + 7,866 + 10,910.
    const BYTES_OF_ATTENTION: u64 = 54_136;

    #[test]
    fn shared_is_counted_once_and_own_for_each() {
        let memory = SegmentMemory {
            model: HELD,
            preprocessed: HELD,
            own: HELD,
        };
        let need = Need::of_segments(&[memory], 2);
        assert_eq!(need.bytes(1), BASE + MODEL + 4 * BYTES);
        assert_eq!(need.bytes(3), BASE + MODEL + 6 * BYTES);
        // Both ways of proving have selectors of their own, and one model.
        let larger = SegmentMemory {
            own: HELD.times(5),
            ..memory
        };
        let need = Need::of_segments(&[memory, larger], 1);
        assert_eq!(need.bytes(1), BASE + MODEL + 8 * BYTES);
        let committing = Need::of_committing(&larger);
        assert_eq!(committing.bytes(0), BASE + MODEL + 2 * BYTES);
        assert_eq!(
            need.with_weights(1000).bytes(0),
            need.bytes(0) + 1000 * WEIGHT
        );
        // A trace has no model.
        let trace = SegmentMemory {
            model: HeldSizes::default(),
            ..memory
        };
        let need = Need::of_segments(&[trace], 1);
        assert_eq!(need.bytes(1), BASE + 2 * BYTES_OF_ATTENTION);
    }
}
