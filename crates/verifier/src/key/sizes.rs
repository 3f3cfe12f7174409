//! Sizes of circuits, and how a key writes them.

use matchmark_air::layout::SegmentLayout;
use matchmark_quant::SegmentSteps;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// On what the preprocessed columns of a chain's segments depend, beside the model and the number of steps.
///
/// The length of a chain is not among it, but for whether its values have two digits: chains of many lengths
/// have the same columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CircuitSizes {
    /// Base-two logarithm of the inverse code rate, by level and profile.
    pub log_blowup: u32,
    /// Base-two logarithm of the height of the trees.
    pub log_height: u32,
    /// Steps of the chain's longest segments.
    pub segment_steps: SegmentSteps,
    /// Base-two logarithm of the rows of the cache component.
    pub log_cache: u32,
    /// Base-two logarithm of the entries of the limb table.
    pub log_limbs: u32,
    /// Whether values have two digits, and so a table of their own.
    pub has_digits: bool,
}

impl CircuitSizes {
    /// The sizes of this layout at this blowup.
    pub fn of(layout: &SegmentLayout, log_blowup: u32) -> Self {
        let rows = layout.log_rows();
        Self {
            log_blowup,
            log_height: layout.lifting_log_size(log_blowup),
            segment_steps: layout.shape().segment_steps(),
            log_cache: rows.cache,
            log_limbs: rows.limbs,
            has_digits: layout.digits().is_some(),
        }
    }
}

/// The sizes as a key's text has them. Those of whole values have no field for their digits.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    log_blowup: u32,
    log_height: u32,
    segment_steps: SegmentSteps,
    log_cache: u32,
    log_limbs: u32,
    #[serde(default, skip_serializing_if = "is_false")]
    has_digits: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // Asked for by serde.
fn is_false(it: &bool) -> bool {
    !it
}

/// The sizes as a key's bytes have them: [`DIGITS`] is added to the logarithm of the limb table where values
/// have two digits.
#[derive(Serialize, Deserialize)]
struct Bytes {
    log_blowup: u32,
    log_height: u32,
    segment_steps: SegmentSteps,
    log_cache: u32,
    log_limbs: u32,
}

/// Larger than the logarithm of any table.
const DIGITS: u32 = 1 << 8;

impl Serialize for CircuitSizes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            log_blowup,
            log_height,
            segment_steps,
            log_cache,
            log_limbs,
            has_digits,
        } = *self;
        if serializer.is_human_readable() {
            let text = Text {
                log_blowup,
                log_height,
                segment_steps,
                log_cache,
                log_limbs,
                has_digits,
            };
            return text.serialize(serializer);
        }
        let bytes = Bytes {
            log_blowup,
            log_height,
            segment_steps,
            log_cache,
            log_limbs: log_limbs | if has_digits { DIGITS } else { 0 },
        };
        bytes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CircuitSizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Text::deserialize(deserializer)?;
            return Ok(Self {
                log_blowup: text.log_blowup,
                log_height: text.log_height,
                segment_steps: text.segment_steps,
                log_cache: text.log_cache,
                log_limbs: text.log_limbs,
                has_digits: text.has_digits,
            });
        }
        let bytes = Bytes::deserialize(deserializer)?;
        Ok(Self {
            log_blowup: bytes.log_blowup,
            log_height: bytes.log_height,
            segment_steps: bytes.segment_steps,
            log_cache: bytes.log_cache,
            log_limbs: bytes.log_limbs & !DIGITS,
            has_digits: bytes.log_limbs & DIGITS != 0,
        })
    }
}
