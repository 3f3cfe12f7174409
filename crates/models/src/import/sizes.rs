//! Sizes as a file states them, made a checked shape.

use matchmark_graph::ModelShape;
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    VocabularySize,
};

use super::ImportError;

/// The numbers of a file, whatever its form.
pub(super) struct Sizes {
    pub(super) layers: u32,
    pub(super) hidden: u32,
    pub(super) heads: u32,
    /// Absent where it is the number of query heads.
    pub(super) kv_heads: Option<u32>,
    pub(super) head_dim: u32,
    pub(super) mlp: u32,
    pub(super) vocabulary: u32,
    /// Positions that the model was made for.
    pub(super) positions: u32,
}

impl Sizes {
    /// The shape, with the positions that are wanted, or else all that the model has.
    pub(super) fn shape(self, wanted: Option<CacheCapacity>) -> Result<ModelShape, ImportError> {
        let Self {
            layers,
            hidden,
            heads,
            kv_heads,
            head_dim,
            mlp,
            vocabulary,
            positions,
        } = self;
        let attention = AttentionShape::new(
            QueryHeads::new(heads)?,
            KvHeads::new(kv_heads.unwrap_or(heads))?,
            HeadDim::new(head_dim)?,
        )?;
        Ok(ModelShape::new(
            Layers::new(layers)?,
            HiddenSize::new(hidden)?,
            attention,
            MlpSize::new(mlp)?,
            VocabularySize::new(vocabulary)?,
            capacity(positions, wanted)?,
        )?)
    }
}

fn capacity(own: u32, wanted: Option<CacheCapacity>) -> Result<CacheCapacity, ImportError> {
    match wanted {
        Some(wanted) if wanted.get() > own => Err(ImportError::TooManyPositions {
            expected: own,
            got: wanted.get(),
        }),
        Some(wanted) => Ok(wanted),
        None if own > CacheCapacity::MAX => Err(ImportError::ManyPositions {
            expected: CacheCapacity::MAX,
            got: own,
        }),
        None => Ok(CacheCapacity::new(own)?),
    }
}
