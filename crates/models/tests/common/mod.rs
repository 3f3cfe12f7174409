//! What several tests use.
#![allow(dead_code, clippy::unwrap_used)] // Not every test file uses all of it.

use matchmark_models::quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelArithmetic,
    ModelShape, QueryHeads, ValueBits, VocabularySize,
};
use matchmark_models::{synthetic_arithmetic, synthetic_model, IntegerModel, Matrix};

pub mod folder;
pub mod gguf;
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

/// The model with another shift of its normalizations, no epsilon, and tokens 1 to 8 whose embeddings have
/// one, four or 16 channels as large as there are, with all others at most a few units. Its weights are a
/// quarter, so that nothing but normalizations comes near an end.
pub fn with_dominating_tokens(model: &IntegerModel, norm: u8) -> IntegerModel {
    let mut parts = model.clone().into_parts();
    let mut shifts = parts.arithmetic.shifts();
    shifts.norm = norm;
    parts.arithmetic = ModelArithmetic::new(
        parts.arithmetic.value_bits(),
        shifts,
        0,
        0,
        parts.arithmetic.score_step(),
        parts.arithmetic.weight_exponent(),
    )
    .unwrap();
    for layer in &mut parts.layers {
        for matrix in [
            &mut layer.query,
            &mut layer.key,
            &mut layer.value,
            &mut layer.output,
            &mut layer.gate,
            &mut layer.up,
            &mut layer.down,
        ] {
            let mantissas = matrix.mantissas().iter().map(|m| m / 4).collect();
            let (outputs, inputs) = (matrix.outputs(), matrix.inputs());
            *matrix = Matrix::new(outputs, inputs, mantissas, vec![0; outputs]).unwrap();
        }
    }
    let hidden = parts.shape.hidden();
    for (token, row) in parts
        .embedding
        .chunks_exact_mut(hidden)
        .enumerate()
        .skip(1)
        .take(8)
    {
        let (loud, quiet) = ([1, 4, 16, 1][token % 4], [0, 1, 2][token / 4]);
        let end = [i16::MIN / 2, i16::MAX / 2][token / 4 % 2];
        for (channel, entry) in row.iter_mut().enumerate() {
            *entry = if channel < loud { end } else { quiet };
        }
    }
    IntegerModel::new(parts).unwrap()
}
