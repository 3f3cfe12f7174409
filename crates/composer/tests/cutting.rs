//! How models are cut where nothing is said of it.

#![allow(clippy::unwrap_used)]

use matchmark_composer::{Cutting, CuttingChoice};
use matchmark_graph::{LayerGroups, ModelShape};
use matchmark_models::synthetic_arithmetic;
use matchmark_prover::ModelOutline;
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::{ModelId, Profile, SecurityLevel};
use matchmark_tables::WeightTable;

const GIB: u64 = 1 << 30;
const LEVEL: SecurityLevel = SecurityLevel::Proven100;

/// Layers, query heads, key/value heads, width of the MLP, words and positions of a decoder with heads of 64 values.
struct Sizes(u32, u32, u32, u32, u32, u32);

/// As SmolLM2-135M is.
const SMOLLM2: Sizes = Sizes(30, 9, 3, 1536, 49_152, 2048);

fn outline(Sizes(layers, query, kv, mlp, words, positions): Sizes) -> ModelOutline {
    let attention = AttentionShape::new(
        QueryHeads::new(query).unwrap(),
        KvHeads::new(kv).unwrap(),
        HeadDim::new(64).unwrap(),
    );
    let shape = ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(query * 64).unwrap(),
        attention.unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(words).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    );
    let shape = shape.unwrap();
    ModelOutline {
        identity: ModelId::from_bytes([1; 32]),
        shape,
        arithmetic: synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap(),
        table: WeightTable::exp256_default(),
    }
}

fn within(outline: &ModelOutline, choice: CuttingChoice, memory: u64) -> Cutting {
    Cutting::within(outline, LEVEL, choice, memory).unwrap()
}

/// Small proofs in segments of 16 steps, and none but those that are asked for.
#[test]
fn small_models_are_cut_by_steps() {
    let outline = outline(Sizes(2, 2, 1, 64, 512, 128));
    let cutting = within(&outline, CuttingChoice::default(), 7 * GIB);
    assert!(cutting.is_small);
    assert_eq!(cutting.groups, LayerGroups::ONE);
    assert_eq!(
        (cutting.segment_steps.get(), cutting.granularity.get()),
        (16, 1)
    );
    assert_eq!(cutting.profile, Profile::default());
    // In little memory even such a model is cut by layers.
    let narrow = within(&outline, CuttingChoice::default(), 1 << 20);
    assert!(!narrow.is_small);
    assert_eq!(narrow.groups.get(), 2);
}

/// The less memory there is, the smaller are the parts.
#[test]
fn large_models_are_cut_by_layers_as_memory_allows() {
    let outline = outline(SMOLLM2);
    let mut earlier: Option<(u32, u32)> = None;
    for memory in [4 * GIB, 7 * GIB, 20 * GIB] {
        let cutting = within(&outline, CuttingChoice::default(), memory);
        assert!(!cutting.is_small);
        assert_eq!(cutting.profile, Profile::Fastest);
        assert_eq!(cutting.granularity.get(), 16);
        let (groups, steps) = (u32::from(cutting.groups.get()), cutting.segment_steps.get());
        println!("{} GiB: {groups} groups, {steps} steps", memory / GIB);
        assert!(groups > 1 && steps % 16 == 0, "{cutting:?}");
        // Layers times steps of a part do not shrink.
        if let Some((other_groups, other_steps)) = earlier {
            assert!(
                u64::from(steps) * u64::from(other_groups)
                    >= u64::from(other_steps) * u64::from(groups)
            );
        }
        earlier = Some((groups, steps));
    }
}

/// What is decided is kept, and the rest follows from it.
#[test]
fn decisions_are_kept() {
    let outline = outline(SMOLLM2);
    let choice = CuttingChoice {
        segment_steps: Some(SegmentSteps::new(48).unwrap()),
        profile: Some(Profile::Fast),
        ..CuttingChoice::default()
    };
    let cutting = within(&outline, choice, 7 * GIB);
    assert_eq!(
        (cutting.segment_steps.get(), cutting.profile),
        (48, Profile::Fast)
    );
    let choice = CuttingChoice {
        groups: Some(LayerGroups::new(30).unwrap()),
        granularity: Some(SegmentSteps::new(1).unwrap()),
        ..CuttingChoice::default()
    };
    let cutting = within(&outline, choice, 7 * GIB);
    assert_eq!((cutting.groups.get(), cutting.granularity.get()), (30, 1));
    let all = CuttingChoice {
        groups: Some(LayerGroups::new(3).unwrap()),
        segment_steps: Some(SegmentSteps::new(16).unwrap()),
        ..choice
    };
    let cutting = within(&outline, all, 7 * GIB);
    assert_eq!((cutting.groups.get(), cutting.segment_steps.get()), (3, 16));
}
