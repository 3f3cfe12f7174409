//! Groups of layers: how a decoder is cut into graphs of its own.

use core::fmt;
use core::ops::Range;

use matchmark_quant::QuantError;
use serde::{Deserialize, Serialize};

use crate::numbers::in_range;

/// Into how many groups of consecutive layers a decoder is cut: at least 1, at most as many as it has layers.
///
/// Group `i` of `G` has the layers from `floor(i L / G)` up to `floor((i + 1) L / G)`, so that their numbers of
/// layers differ by one at most. The first has the embedding besides, the last the output head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct LayerGroups(u16);

impl LayerGroups {
    /// All layers in one group.
    pub const ONE: Self = Self(1);
    /// Most groups that there are of any decoder.
    pub const MAX: u16 = 1024;

    /// So many groups.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] unless there are 1 to [`Self::MAX`].
    pub fn new(groups: u16) -> Result<Self, QuantError> {
        in_range(
            "number of groups of layers",
            groups.into(),
            1,
            Self::MAX.into(),
        )?;
        Ok(Self(groups))
    }

    /// The fewest groups of at most so many layers each; those of one layer where it is zero.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] if they are more than [`Self::MAX`].
    pub fn of_at_most(layers: usize, each: usize) -> Result<Self, QuantError> {
        let groups = layers.div_ceil(each.max(1)).max(1);
        Self::new(u16::try_from(groups).unwrap_or(u16::MAX))
    }

    /// Number of groups.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Number of groups, as an index has it.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// Every group of a decoder of so many layers has one of them.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] if there are more groups than layers.
    pub fn check(self, layers: usize) -> Result<(), QuantError> {
        in_range(
            "number of groups of layers",
            self.0.into(),
            1,
            layers as u64,
        )
    }

    /// A group of a decoder of so many layers; `None` if there are not so many groups.
    #[must_use]
    pub const fn group(self, layers: usize, index: usize) -> Option<LayerGroup> {
        if index >= self.count() {
            return None;
        }
        Some(LayerGroup {
            first: index * layers / self.count(),
            end: (index + 1) * layers / self.count(),
            layers,
        })
    }

    /// All groups of a decoder of so many layers, in order.
    pub fn all(self, layers: usize) -> impl ExactSizeIterator<Item = LayerGroup> {
        (0..self.count()).map(move |index| match self.group(layers, index) {
            Some(group) => group,
            None => unreachable!("the index is below the number of groups"),
        })
    }
}

impl Default for LayerGroups {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<u16> for LayerGroups {
    type Error = QuantError;

    fn try_from(groups: u16) -> Result<Self, QuantError> {
        Self::new(groups)
    }
}

impl From<LayerGroups> for u16 {
    fn from(groups: LayerGroups) -> Self {
        groups.0
    }
}

impl fmt::Display for LayerGroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Consecutive layers of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerGroup {
    first: usize,
    end: usize,
    layers: usize,
}

impl LayerGroup {
    /// All layers of a decoder that has so many.
    #[must_use]
    pub const fn whole(layers: usize) -> Self {
        Self {
            first: 0,
            end: layers,
            layers,
        }
    }

    /// The layers, as they are numbered in the decoder.
    #[must_use]
    pub const fn layers(&self) -> Range<usize> {
        self.first..self.end
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.end - self.first
    }

    /// How many layers the decoder has.
    #[must_use]
    pub const fn of(&self) -> usize {
        self.layers
    }

    /// Whether the embedding stands before them.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.first == 0
    }

    /// Whether the output head stands behind them.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.end == self.layers
    }

    /// The stages of the decoder's stream that the group has: the one that its first layer takes in, which the
    /// group before has as well, and two a layer.
    #[must_use]
    pub const fn stages(&self) -> Range<usize> {
        2 * self.first..2 * self.end + 1
    }

    /// The same place and size in another decoder: what layouts depend on.
    #[must_use]
    pub const fn kind(&self) -> (bool, bool, usize) {
        (self.is_first(), self.is_last(), self.count())
    }
}

impl fmt::Display for LayerGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "layers {}..{} of {}", self.first, self.end, self.layers)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn groups_cover_all_layers() {
        for layers in 1..40 {
            for count in 1..=layers {
                let groups = LayerGroups::new(u16::try_from(count).unwrap()).unwrap();
                let all: Vec<_> = groups.all(layers).collect();
                assert_eq!(all.len(), count);
                let joined: Vec<_> = all.iter().flat_map(LayerGroup::layers).collect();
                assert!(joined.into_iter().eq(0..layers));
                let sizes = || all.iter().map(LayerGroup::count);
                assert!(sizes().min().unwrap() > 0);
                assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1);
                assert!(all[0].is_first() && all[count - 1].is_last());
                assert_eq!(all.iter().filter(|it| it.is_last()).count(), 1);
                let ends = all.windows(2);
                assert!(ends
                    .into_iter()
                    .all(|it| it[0].stages().end == it[1].stages().start + 1));
            }
        }
    }

    #[test]
    fn most_layers_of_a_group() {
        for (layers, each, groups) in [(30, 5, 6), (30, 7, 5), (8, 8, 1), (8, 100, 1), (3, 0, 3)] {
            let got = LayerGroups::of_at_most(layers, each).unwrap();
            assert_eq!(got.get(), groups);
            assert!(got.all(layers).all(|it| it.count() <= each.max(1)));
            got.check(layers).unwrap();
        }
        assert!(LayerGroups::new(0).is_err());
        assert!(LayerGroups::new(3).unwrap().check(2).is_err());
    }
}
