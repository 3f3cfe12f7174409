//! The shape of a decoder.

use serde::{Deserialize, Serialize};

use crate::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QuantError,
    QueryHeads, VocabularySize,
};

/// How large a decoder is: `L` layers on a residual stream of width `C`, the attention of one layer
/// (`H` query heads, `G` key/value heads, even dimension `d`; `H d` need not equal `C`), a gated MLP of
/// width `F`, a vocabulary of `V` tokens and at most `N` positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawModelShape", into = "RawModelShape")]
pub struct ModelShape {
    layers: Layers,
    hidden: HiddenSize,
    attention: AttentionShape,
    mlp: MlpSize,
    vocabulary: VocabularySize,
    positions: CacheCapacity,
    /// The attention of all layers as one, made once.
    all_layers: AttentionShape,
}

/// What is written of a shape; reading goes through [`ModelShape::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModelShape {
    layers: Layers,
    hidden: HiddenSize,
    attention: AttentionShape,
    mlp: MlpSize,
    vocabulary: VocabularySize,
    positions: CacheCapacity,
}

impl ModelShape {
    /// Puts a shape together. The position limit is the capacity of the cache.
    ///
    /// # Errors
    /// [`QuantError::OddHeadDim`] for a head dimension that cannot be rotated in pairs, and
    /// [`QuantError::ParameterOutOfRange`] if the heads of all layers together are more than one
    /// attention can have.
    pub fn new(
        layers: Layers,
        hidden: HiddenSize,
        attention: AttentionShape,
        mlp: MlpSize,
        vocabulary: VocabularySize,
        positions: CacheCapacity,
    ) -> Result<Self, QuantError> {
        let dim = HeadDim::new(to_u32(attention.head_dim()))?;
        if !dim.get().is_multiple_of(2) {
            return Err(QuantError::OddHeadDim { got: dim.get() });
        }
        let all_layers = AttentionShape::new(
            QueryHeads::new(layers.get() * to_u32(attention.query_heads()))?,
            KvHeads::new(layers.get() * to_u32(attention.kv_heads()))?,
            dim,
        )?;
        Ok(Self {
            layers,
            hidden,
            attention,
            mlp,
            vocabulary,
            positions,
            all_layers,
        })
    }

    /// `L`, the number of layers.
    #[must_use]
    pub const fn layers(&self) -> usize {
        self.layers.get() as usize
    }

    /// `C`, the width of the residual stream.
    #[must_use]
    pub const fn hidden(&self) -> usize {
        self.hidden.get() as usize
    }

    /// The attention of one layer.
    #[must_use]
    pub const fn attention(&self) -> AttentionShape {
        self.attention
    }

    /// The attention of all layers taken as one, with `L H` query heads and `L G` key/value heads: head
    /// `h` of layer `l` is head `l H + h`.
    #[must_use]
    pub const fn all_layers_attention(&self) -> AttentionShape {
        self.all_layers
    }

    /// `H d`, the number of query channels of a layer.
    #[must_use]
    pub const fn query_width(&self) -> usize {
        self.attention.query_heads() * self.attention.head_dim()
    }

    /// `G d`, the number of key channels of a layer, and of value channels.
    #[must_use]
    pub const fn kv_width(&self) -> usize {
        self.attention.kv_heads() * self.attention.head_dim()
    }

    /// `F`, the width of the gated MLP.
    #[must_use]
    pub const fn mlp(&self) -> usize {
        self.mlp.get() as usize
    }

    /// `V`, the number of tokens in the vocabulary.
    #[must_use]
    pub const fn vocabulary(&self) -> usize {
        self.vocabulary.get() as usize
    }

    /// `N`, the position limit: no sequence is longer.
    #[must_use]
    pub const fn positions(&self) -> usize {
        self.positions.get() as usize
    }

    /// `N` as the capacity of a cache.
    #[must_use]
    pub const fn capacity(&self) -> CacheCapacity {
        self.positions
    }

    /// `2 L + 1`, how often the residual stream is read by a normalization.
    #[must_use]
    pub const fn stages(&self) -> usize {
        2 * self.layers() + 1
    }

    /// Number of weights: the embedding, seven matrices a layer, and the output head.
    #[must_use]
    pub const fn weights(&self) -> u64 {
        let hidden = self.hidden() as u64;
        let layer =
            2 * self.query_width() as u64 + 2 * self.kv_width() as u64 + 3 * self.mlp() as u64;
        hidden * (self.layers() as u64 * layer + 2 * self.vocabulary() as u64)
    }
}

/// Sizes of a validated shape fit.
#[allow(
    clippy::cast_possible_truncation,
    reason = "sizes of a validated attention shape are at most 1024"
)]
fn to_u32(size: usize) -> u32 {
    size as u32
}

impl TryFrom<RawModelShape> for ModelShape {
    type Error = QuantError;

    fn try_from(raw: RawModelShape) -> Result<Self, QuantError> {
        Self::new(
            raw.layers,
            raw.hidden,
            raw.attention,
            raw.mlp,
            raw.vocabulary,
            raw.positions,
        )
    }
}

impl From<ModelShape> for RawModelShape {
    fn from(shape: ModelShape) -> Self {
        Self {
            layers: shape.layers,
            hidden: shape.hidden,
            attention: shape.attention,
            mlp: shape.mlp,
            vocabulary: shape.vocabulary,
            positions: shape.positions,
        }
    }
}

impl core::fmt::Display for ModelShape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} layers, hidden size {}, {}, MLP size {}, vocabulary {}, {} positions",
            self.layers, self.hidden, self.attention, self.mlp, self.vocabulary, self.positions
        )
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shape(layers: u32, heads: u32, kv_heads: u32, dim: u32) -> Result<ModelShape, QuantError> {
        ModelShape::new(
            Layers::new(layers)?,
            HiddenSize::new(16)?,
            AttentionShape::new(
                QueryHeads::new(heads)?,
                KvHeads::new(kv_heads)?,
                HeadDim::new(dim)?,
            )?,
            MlpSize::new(24)?,
            VocabularySize::new(32)?,
            CacheCapacity::new(64)?,
        )
    }

    #[test]
    fn derived_sizes() {
        let shape = shape(3, 4, 2, 8).unwrap();
        assert_eq!((shape.query_width(), shape.kv_width()), (32, 16));
        assert_eq!(shape.stages(), 7);
        assert_eq!(shape.positions(), 64);
        let all = shape.all_layers_attention();
        assert_eq!(
            (all.query_heads(), all.kv_heads(), all.head_dim()),
            (12, 6, 8)
        );
        // Query heads of a layer read key/value heads of the same layer.
        for layer in 0..3 {
            for head in 0..4 {
                let own = layer * 2 + shape.attention().kv_head_of(head);
                assert_eq!(all.kv_head_of(layer * 4 + head), own);
            }
        }
        let layer = 16 * (32 + 16 + 16 + 32 + 3 * 24);
        assert_eq!(shape.weights(), 3 * layer + 2 * 32 * 16);
    }

    #[test]
    fn refused() {
        assert_eq!(shape(1, 2, 1, 7), Err(QuantError::OddHeadDim { got: 7 }));
        assert!(shape(64, 16, 16, 8).is_ok());
        assert!(matches!(
            shape(64, 17, 17, 8),
            Err(QuantError::ParameterOutOfRange { got: 1088, .. })
        ));
        assert!(shape(64, 17, 1, 8).is_err());
    }

    #[test]
    fn serde_refuses_what_new_refuses() {
        let good = shape(3, 4, 2, 8).unwrap();
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<ModelShape>(&json).unwrap(), good);
        for (from, to) in [
            ("\"head_dim\":8", "\"head_dim\":7"),
            ("\"layers\":3", "\"layers\":0"),
            ("\"mlp\":24", "\"mlp\":24,\"more\":1"),
        ] {
            assert!(json.contains(from));
            assert!(serde_json::from_str::<ModelShape>(&json.replace(from, to)).is_err());
        }
    }
}
