//! What several tests use.
#![allow(dead_code, clippy::unwrap_used)] // Not every test file uses all of it.

use matchmark_models::graph::{ModelArithmetic, ModelArithmeticParts, ModelShape, NormArithmetic};
use matchmark_models::quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    ValueBits, VocabularySize,
};
use matchmark_models::{
    synthetic_arithmetic, synthetic_model, IntegerModel, Matrix, ModelParts, ModelPrefix,
};
use matchmark_runtime::KvCache;

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
    model_of(shape(sizes), bits, seed)
}

/// A model whose queries, keys and values have biases.
pub fn biased_model(sizes: [u32; 7], bits: u8, seed: u64) -> IntegerModel {
    model_of(shape(sizes).with_attention_bias(true), bits, seed)
}

fn model_of(shape: ModelShape, bits: u8, seed: u64) -> IntegerModel {
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(bits).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, seed).unwrap()
}

/// The model after a change of the constants of its nodes; row norms stay those of the weights.
pub fn with_arithmetic(
    model: &IntegerModel,
    change: impl FnOnce(&mut ModelArithmeticParts),
) -> IntegerModel {
    let mut parts = model.clone().into_parts();
    change_arithmetic(&mut parts, change);
    IntegerModel::new(parts).unwrap()
}

fn change_arithmetic(parts: &mut ModelParts, change: impl FnOnce(&mut ModelArithmeticParts)) {
    let mut arithmetic = parts.arithmetic.parts().clone();
    change(&mut arithmetic);
    parts.arithmetic = ModelArithmetic::new(arithmetic).unwrap();
    parts.state_row_norms().unwrap();
}

/// The model with a prefix of these tokens, whose keys and values are drawn from the whole range.
pub fn with_prefix(model: &IntegerModel, tokens: &[u32]) -> IntegerModel {
    let mut parts = model.clone().into_parts();
    let attention = parts.shape.all_layers_attention();
    let size = attention.kv_heads() * tokens.len() * attention.head_dim();
    let limit = parts.arithmetic.value_bits().max_value();
    let entry = |index: usize| {
        let drawn = i32::try_from(index * 7919 % 4099).unwrap() % (2 * limit + 1) - limit;
        i16::try_from(drawn).unwrap()
    };
    let keys: Vec<i16> = (0..size).map(entry).collect();
    let values: Vec<i16> = (size..2 * size).map(entry).collect();
    parts.prefix = ModelPrefix {
        tokens: tokens.to_vec(),
        cache: KvCache::from_tensors(attention, tokens.len(), &keys, &values).unwrap(),
    };
    IntegerModel::new(parts).unwrap()
}

/// The model with another shift of its normalizations, no epsilon, and tokens 1 to 8 whose embeddings have
/// one, four or 16 channels as large as there are, with all others at most a few units. Its weights are a
/// quarter, so that nothing but normalizations comes near an end.
pub fn with_dominating_tokens(model: &IntegerModel, shift: u8) -> IntegerModel {
    let mut parts = model.clone().into_parts();
    // All but the output head.
    let of_layers = parts.matrices.len() - 1;
    for matrix in &mut parts.matrices[..of_layers] {
        let weights = matrix.weights().iter().map(|w| w / 4).collect();
        *matrix = Matrix::new(matrix.outputs(), matrix.inputs(), weights).unwrap();
    }
    let norm = NormArithmetic { shift, epsilon: 0 };
    let stages = parts.shape.stages();
    change_arithmetic(&mut parts, |it| {
        (0..stages).for_each(|stage| it.stream_mut(stage).norm = norm);
    });
    let hidden = parts.shape.hidden();
    for (token, row) in parts
        .embedding
        .chunks_exact_mut(hidden)
        .enumerate()
        .skip(1)
        .take(8)
    {
        let (loud, quiet) = ([1, 4, 16, 1][token % 4], [0, 1, 2][token / 4]);
        let end = [i16::MIN, i16::MAX][token / 4 % 2];
        for (channel, entry) in row.iter_mut().enumerate() {
            *entry = if channel < loud { end } else { quiet };
        }
    }
    IntegerModel::new(parts).unwrap()
}
