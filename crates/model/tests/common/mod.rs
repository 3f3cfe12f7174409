//! What several tests use.
#![allow(dead_code, clippy::unwrap_used)] // Not every test file uses all of it.

use matchmark_model::quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelShape,
    QueryHeads, ValueBits, VocabularySize,
};
use matchmark_model::{synthetic_arithmetic, synthetic_model, IntegerModel};

pub mod folder;
pub mod naive;

/// `L, C, H, G, d, F, V`, with 64 positions.
pub fn shape(sizes: [u32; 7]) -> ModelShape {
    let [layers, hidden, heads, kv_heads, dim, mlp, vocabulary] = sizes;
    ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        AttentionShape::new(
            QueryHeads::new(heads).unwrap(),
            KvHeads::new(kv_heads).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(64).unwrap(),
    )
    .unwrap()
}

pub const SMALL: [u32; 7] = [2, 16, 4, 2, 8, 24, 32];

pub fn model(sizes: [u32; 7], bits: u8, seed: u64) -> IntegerModel {
    let shape = shape(sizes);
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(bits).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, seed).unwrap()
}
