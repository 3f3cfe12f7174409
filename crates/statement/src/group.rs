//! What the statement of a part says besides, where a decoder is cut into groups of layers.

use core::fmt;

use matchmark_graph::{LayerGroup, LayerGroups};
use matchmark_quant::TaggedSha256;
use serde::{Deserialize, Serialize};

use crate::decoder::DecoderTerms;
use crate::error::StatementError;
use crate::identity::PortCommitment;

/// The group of layers that a part of a segment is of, and what joins it to the groups beside it.
///
/// A segment of a decoder that is cut into groups of layers is proven by as many parts, one a group. Each has the
/// weights and the cache of its own layers; the residual stream goes from one to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupFields {
    /// Which group it is, from 0.
    pub index: u16,
    /// Commitment to the weights and tables of its layers.
    pub weights: PortCommitment,
    /// Commitment to the stream that it takes in; the first group has none.
    pub stream_in: Option<PortCommitment>,
    /// Commitment to the stream that it gives out; the last group has none.
    pub stream_out: Option<PortCommitment>,
}

impl GroupFields {
    /// Whether a part of a chain whose decoder is cut in this way has such fields.
    pub(crate) fn check(
        group: Option<&Self>,
        decoder: Option<&DecoderTerms>,
    ) -> Result<(), StatementError> {
        let groups = decoder.map_or(LayerGroups::ONE, |decoder| decoder.groups);
        let expected = groups.get();
        match group {
            None if groups == LayerGroups::ONE => Ok(()),
            None => Err(StatementError::GroupMissing { expected }),
            Some(group) if groups == LayerGroups::ONE => {
                Err(StatementError::GroupUnexpected { got: group.index })
            }
            Some(group) if group.index >= expected => Err(StatementError::GroupIndex {
                expected,
                got: group.index,
            }),
            Some(group) => {
                let (first, last) = (group.index == 0, group.index + 1 == expected);
                for (which, has, expected) in [
                    ("in", group.stream_in.is_some(), !first),
                    ("out", group.stream_out.is_some(), !last),
                ] {
                    if has != expected {
                        return Err(StatementError::GroupStream {
                            which,
                            group: group.index,
                            expected,
                        });
                    }
                }
                Ok(())
            }
        }
    }

    /// The layers.
    pub(crate) fn layers(&self, decoder: &DecoderTerms) -> LayerGroup {
        let layers = decoder.shape.layers();
        match decoder.groups.group(layers, usize::from(self.index)) {
            Some(group) => group,
            None => unreachable!("a statement has one of its decoder's groups"),
        }
    }
}

impl fmt::Display for GroupFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, weights {}", self.index, self.weights)?;
        for (which, stream) in [("in", self.stream_in), ("out", self.stream_out)] {
            if let Some(stream) = stream {
                write!(f, ", stream {which} {stream}")?;
            }
        }
        Ok(())
    }
}

impl PortCommitment {
    /// Domain tag of a commitment to what several groups of layers have.
    pub const GROUPS_TAG: &'static str = "matchmark/groups/v1";

    /// The commitment to what all groups of layers have together: their weights, or their caches. Of one group
    /// it is that group's.
    ///
    /// SHA-256 under [`Self::GROUPS_TAG`] over the commitments of all groups, in order.
    #[must_use]
    pub fn of_groups(groups: &[Self]) -> Self {
        match groups {
            [one] => *one,
            several => {
                let mut hasher = TaggedSha256::new(Self::GROUPS_TAG);
                for group in several {
                    hasher.update(group.as_bytes());
                }
                Self::from_bytes(hasher.finish())
            }
        }
    }
}
