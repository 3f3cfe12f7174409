//! A small model, and chains of it.
use std::sync::Arc;

use matchmark_composer::{ModelOptions, ModelPlan, Stop};
use matchmark_graph::{ModelArithmetic, ModelShape};
use matchmark_models::{synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::{
    CutPattern, LayerGroups, Profile, Security, SecurityLevel, VerifierDomain,
};

/// Tokens that are given.
pub const PROMPT: usize = 3;
/// Tokens that are decoded.
pub const TOKENS: u32 = 5;

/// 2 layers of 4 query heads and 2 key/value heads, of dimension 6; 16 positions.
pub fn shape() -> ModelShape {
    ModelShape::new(
        Layers::new(2).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(24).unwrap(),
        CacheCapacity::new(16).unwrap(),
    )
    .unwrap()
}

pub fn arithmetic() -> ModelArithmetic {
    synthetic_arithmetic(shape(), ValueBits::new(9).unwrap()).unwrap()
}

pub fn model(seed: u64) -> Arc<IntegerModel> {
    Arc::new(synthetic_model(shape(), arithmetic(), seed).unwrap())
}

pub fn prompt(model: &IntegerModel) -> Vec<u32> {
    synthetic_tokens(model.shape(), PROMPT, 1)
}

pub fn options(segment_steps: u32) -> ModelOptions {
    ModelOptions {
        domain: VerifierDomain::new("model chains", [5; 16]).unwrap(),
        security: Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap(),
        segment_steps: Some(SegmentSteps::new(segment_steps).unwrap()),
        tokens: TOKENS,
        granularity: SegmentSteps::new(1).unwrap(),
        cuts: CutPattern::default(),
        stop: Stop::default(),
        groups: LayerGroups::ONE,
        shorter: None,
    }
}

pub fn plan(segment_steps: u32) -> ModelPlan {
    let model = model(5);
    let prompt = prompt(&model);
    ModelPlan::new(model, prompt, &options(segment_steps)).unwrap()
}
