//! Commitments to ports, from what opens them.
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::trees::Tree;
use matchmark_statement::{PortCommitment, SegmentShape};

use crate::cases::Case;

/// The commitment to what opens a cache of so many entries.
pub fn state_of(
    opening: &Opening,
    shape: SegmentShape,
    entries: u64,
    height: u32,
) -> PortCommitment {
    opening.commitment(&PortContent::State { shape, entries }, height)
}

/// The commitment to what opens the pairs of a segment.
pub fn pairs_of(opening: &Opening, layout: &SegmentLayout, height: u32) -> PortCommitment {
    opening.commitment(&PortContent::Pairs(layout), height)
}

/// What a stream port of a case is: the stream before its layers or behind them.
pub fn stream_content(case: &Case, tree: Tree) -> PortContent<'static> {
    let (_, decoder) = case.expect_decoder();
    let layers = decoder.layers().layers();
    PortContent::Stream {
        // Of the chain: all layers.
        shape: case.terms.shape,
        channels: decoder.shape().hidden(),
        layers: if tree == Tree::StreamIn {
            layers.start
        } else {
            layers.end
        },
        steps: case.steps,
    }
}
