//! The shape of a decoder.

use serde::{Deserialize, Serialize};

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QuantError,
    QueryHeads, VocabularySize,
};

/// How large a decoder is: `L` layers on a residual stream of width `C`, the attention of one layer
/// (`H` query heads, `G` key/value heads, even dimension `d`; `H d` need not equal `C`), a gated MLP of
/// width `F`, a vocabulary of `V` tokens and at most `N` positions; and whether queries, keys and values have
/// biases. The [graph](crate::Graph::decoder) of a decoder follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawModelShape", into = "RawModelShape")]
pub struct ModelShape {
    layers: Layers,
    hidden: HiddenSize,
    attention: AttentionShape,
    mlp: MlpSize,
    vocabulary: VocabularySize,
    positions: CacheCapacity,
    attention_bias: bool,
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
    attention_bias: bool,
}

impl ModelShape {
    /// Puts a shape without biases together. The position limit is the capacity of the cache.
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
            attention_bias: false,
            all_layers,
        })
    }

    /// The same shape, whose queries, keys and values have biases or not.
    #[must_use]
    pub const fn with_attention_bias(mut self, attention_bias: bool) -> Self {
        self.attention_bias = attention_bias;
        self
    }

    /// Whether queries, keys and values have biases.
    #[must_use]
    pub const fn attention_bias(&self) -> bool {
        self.attention_bias
    }

    /// All of it as numbers, in the order of every encoding; the last one is 1 with biases, and else 0.
    #[must_use]
    pub fn numbers(&self) -> [u32; 9] {
        // Taken apart, so that whatever is added has its place.
        let Self {
            layers,
            hidden,
            attention,
            mlp,
            vocabulary,
            positions,
            attention_bias,
            all_layers: _, // Follows from the others.
        } = self;
        [
            layers.get(),
            hidden.get(),
            to_u32(attention.query_heads()),
            to_u32(attention.kv_heads()),
            to_u32(attention.head_dim()),
            mlp.get(),
            vocabulary.get(),
            positions.get(),
            u32::from(*attention_bias),
        ]
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

    /// The attention of so many layers taken as one.
    ///
    /// # Errors
    /// [`QuantError::ParameterOutOfRange`] for no layers, or more heads than an attention can have.
    pub fn attention_of(&self, layers: usize) -> Result<AttentionShape, QuantError> {
        let heads = |heads: usize| to_u32(heads.saturating_mul(layers));
        AttentionShape::new(
            QueryHeads::new(heads(self.attention.query_heads()))?,
            KvHeads::new(heads(self.attention.kv_heads()))?,
            HeadDim::new(to_u32(self.attention.head_dim()))?,
        )
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

    /// Number of weights: the embedding, seven matrices a layer, the output head, and biases.
    #[must_use]
    pub const fn weights(&self) -> u64 {
        let hidden = self.hidden() as u64;
        let layer =
            2 * self.query_width() as u64 + 2 * self.kv_width() as u64 + 3 * self.mlp() as u64;
        let biases = match self.attention_bias {
            true => self.query_width() as u64 + 2 * self.kv_width() as u64,
            false => 0,
        };
        let layers = self.layers() as u64;
        hidden * (layers * layer + 2 * self.vocabulary() as u64) + layers * biases
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
        .map(|shape| shape.with_attention_bias(raw.attention_bias))
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
            attention_bias: shape.attention_bias,
        }
    }
}

impl core::fmt::Display for ModelShape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "{} layers, hidden size {}, {}, MLP size {}, vocabulary {}, {} positions",
            self.layers, self.hidden, self.attention, self.mlp, self.vocabulary, self.positions
        )?;
        if self.attention_bias {
            f.write_str(", biases of queries, keys and values")?;
        }
        Ok(())
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
        let biased = shape.with_attention_bias(true);
        assert_eq!(biased.weights(), shape.weights() + 3 * (32 + 2 * 16));
        assert_eq!(shape.numbers(), [3, 16, 4, 2, 8, 24, 32, 64, 0]);
        assert_eq!(biased.numbers(), [3, 16, 4, 2, 8, 24, 32, 64, 1]);
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
