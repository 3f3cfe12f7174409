//! Sizes of circuits.

use matchmark_air::layout::decoder::DecoderLayout;
use matchmark_air::layout::SegmentLayout;
use matchmark_graph::LayerGroup;
use matchmark_quant::SegmentSteps;
use serde::{Deserialize, Serialize};

/// On what the preprocessed columns of a chain's segments depend, beside the model and the number of steps.
///
/// The length of a chain is not among it, but for whether its values have two digits: chains of many lengths
/// have the same columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitSizes {
    /// Base-two logarithm of the inverse code rate, by level and profile.
    pub log_blowup: u32,
    /// Base-two logarithm of the height of the trees.
    pub log_height: u32,
    /// Steps of the chain's longest segments.
    pub segment_steps: SegmentSteps,
    /// The first of the layers that the circuit is of.
    pub first_layer: u32,
    /// The layer behind the last of them.
    pub end_layer: u32,
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
        let layers = layout.decoder().map(DecoderLayout::layers);
        let layers = layers.map_or(0..0, LayerGroup::layers);
        let narrow = |layer: usize| u32::try_from(layer).unwrap_or(u32::MAX);
        Self {
            log_blowup,
            log_height: layout.lifting_log_size(log_blowup),
            segment_steps: layout.shape().segment_steps(),
            first_layer: narrow(layers.start),
            end_layer: narrow(layers.end),
            log_cache: rows.cache,
            log_limbs: rows.limbs,
            has_digits: layout.digits().is_some(),
        }
    }
}
