//! Commitments to ports, from what opens them.
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::layout::SegmentLayout;
use matchmark_statement::{PortCommitment, SegmentShape};

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
