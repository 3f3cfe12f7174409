//! The decoder's relation on a small model: an honest witness satisfies it.
#![allow(clippy::unwrap_used, missing_docs)]
use std::sync::Arc;

use matchmark_air::components::state::witness::entries;
use matchmark_air::decoder::model::model_columns;
use matchmark_air::decoder::witness::DecoderWitness;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::mock::check;
use matchmark_air::segment::entry_columns;
use matchmark_air::witness::SegmentWitness;
use matchmark_model::{
    execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel,
    ModelState,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelShape,
    QueryHeads, Rounding, SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::SegmentShape;

fn model(sizes: [u32; 8], bits: u8) -> IntegerModel {
    let [layers, hidden, queries, keys, dim, mlp, vocabulary, positions] = sizes;
    let shape = ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        AttentionShape::new(
            QueryHeads::new(queries).unwrap(),
            KvHeads::new(keys).unwrap(),
            HeadDim::new(dim).unwrap(),
        )
        .unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(bits).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, 7).unwrap()
}

/// The witness of some tokens behind others.
fn witness(
    model: &IntegerModel,
    before: usize,
    steps: usize,
    segment_steps: u32,
) -> (SegmentLayout, SegmentWitness) {
    let (shape, arithmetic) = (*model.shape(), *model.arithmetic());
    let tokens = synthetic_tokens(&shape, before + steps, 3);
    let mut state = ModelState::empty(model);
    if before > 0 {
        state = execute_model(model, &state, &tokens[..before]).unwrap().1;
    }
    let (execution, after) = execute_model(model, &state, &tokens[before..]).unwrap();
    let segment = SegmentShape::new(
        shape.all_layers_attention(),
        shape.capacity(),
        SegmentSteps::new(segment_steps).unwrap(),
    )
    .unwrap();
    let table = &model.tables().weights;
    let layout = SegmentLayout::new(
        segment,
        steps,
        arithmetic.value_bits(),
        arithmetic.score_step(),
        Rounding::NearestTiesUp,
        table.bounds(),
    )
    .unwrap()
    .with_decoder(shape, arithmetic)
    .unwrap();
    let attention = &execution.attention;
    let columns = entry_columns(
        &layout,
        [&attention.q, &attention.k, &attention.v, &attention.out],
    );
    let states = [state.cache(), after.cache()].map(|cache| entries(&layout, cache));
    let tree = Arc::new(model_columns(&layout, model));
    let witness =
        SegmentWitness::with_decoder(&layout, attention, &columns, states, table, |uses| {
            Some(DecoderWitness::generate(
                &layout, &execution, model, tree, uses,
            ))
        });
    (layout, witness)
}

#[test]
fn honest_executions_satisfy_the_relation() {
    let grouped = model([2, 16, 4, 2, 8, 24, 32, 16], 11);
    for (before, steps, segment_steps) in [(0, 1, 1), (0, 5, 5), (3, 5, 5), (7, 2, 4), (15, 1, 2)] {
        let (layout, witness) = witness(&grouped, before, steps, segment_steps);
        let found = check(&layout, before, &witness);
        assert_eq!(found, Ok(()), "{before} {steps} {segment_steps}");
    }
    // Heads that are not as wide as the stream together; an uneven number of everything.
    let uneven = model([1, 9, 3, 1, 6, 7, 11, 10], 8);
    let (layout, witness) = witness(&uneven, 2, 3, 3);
    assert_eq!(check(&layout, 2, &witness), Ok(()));
}
