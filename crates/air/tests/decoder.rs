//! The decoder's relation on a small model: an honest witness satisfies it.
#![allow(clippy::unwrap_used, missing_docs)]
use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::SegmentLayout;
use matchmark_air::mock::check;
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_graph::{ModelArithmetic, ModelShape, NormArithmetic};
use matchmark_models::{
    execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel, Matrix,
    ModelState,
};
use matchmark_quant::{
    centered, AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize,
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
    let tokens = synthetic_tokens(model.shape(), before + steps, 3);
    witness_of(model, &tokens, before, segment_steps)
}

/// The witness of these tokens, so many of which come before the segment.
fn witness_of(
    model: &IntegerModel,
    tokens: &[u32],
    before: usize,
    segment_steps: u32,
) -> (SegmentLayout, SegmentWitness) {
    let (shape, arithmetic) = (*model.shape(), *model.arithmetic().terms());
    let steps = tokens.len() - before;
    let mut state = ModelState::initial(model);
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
    let entry_columns: Vec<Column> = columns.columns().into_iter().map(Into::into).collect();
    let ports = [
        (Tree::Model, model_columns(&layout, model)),
        (Tree::StateBefore, entries(&layout, state.cache())),
        (Tree::StateAfter, entries(&layout, after.cache())),
    ];
    let honest = Execution {
        attention,
        after: &ports[2].1,
        entries: &entry_columns,
        table,
        decoder: Some(DecoderExecution {
            execution: &execution,
            model,
            arithmetic: model.arithmetic(),
        }),
    };
    let witness = SegmentWitness::generate(&layout, &honest, &ports);
    (layout, witness)
}

#[test]
fn honest_executions_satisfy_the_relation() {
    let grouped = model([2, 16, 4, 2, 8, 24, 32, 16], 11);
    for (before, steps, segment_steps) in [(0, 1, 1), (0, 5, 5), (3, 5, 5), (7, 2, 4), (15, 1, 2)] {
        let (layout, witness) = witness(&grouped, before, steps, segment_steps);
        let found = check(&layout, &witness);
        assert_eq!(found, Ok(()), "{before} {steps} {segment_steps}");
    }
    // Heads that are not as wide as the stream together; an uneven number of everything.
    let uneven = model([1, 9, 3, 1, 6, 7, 11, 10], 8);
    let (layout, witness) = witness(&uneven, 2, 3, 3);
    assert_eq!(check(&layout, &witness), Ok(()));
}

/// One channel, four or 16 of them have all of a token's norm, by every shift of a normalization: what comes of
/// it satisfies the relation, with the largest excess that there is.
#[test]
fn dominating_channels_satisfy_the_relation() {
    for norm in ModelArithmetic::MIN_NORM_SHIFT..=ModelArithmetic::MAX_NORM_SHIFT {
        let model = loud(norm);
        let tokens = [0, 1, 2, 3, 4];
        let (layout, witness) = witness_of(&model, &tokens, 0, 5);
        assert_eq!(check(&layout, &witness), Ok(()), "shift {norm}");
        // The quotient -1448 * 2^(15 - shift), clamped at the end of the range: the root of the mantissa 2^13 is
        // 1448, the exponent is one.
        let decoder = layout.decoder().unwrap();
        let (row, _) = decoder.stream_row(0, 0, 1);
        let stream = witness.main.component("stream");
        let [divisor, out, excess] = ["divisor", "normalized", "normalized excess"]
            .map(|name| centered(stream.column(name)[row].0));
        assert_eq!(divisor, 2 << norm);
        let quotient = ((1448 << 15) - divisor / 2 + divisor - 1) / divisor;
        assert_eq!(out, -quotient.min(1023));
        assert_eq!(excess, quotient + out);
    }
}

/// A model without epsilon whose tokens 1 to 3 have one, four and 16 channels as low as there are and no
/// others, with weights of one.
fn loud(norm: u8) -> IntegerModel {
    let mut parts = model([1, 16, 2, 1, 4, 8, 8, 16], 11).into_parts();
    let mut arithmetic = parts.arithmetic.into_parts();
    let node = NormArithmetic {
        shift: norm,
        epsilon: 0,
    };
    for stage in 0..parts.shape.stages() {
        arithmetic.stream_mut(stage).norm = node;
    }
    parts.arithmetic = ModelArithmetic::new(arithmetic).unwrap();
    // All but the output head.
    let of_layers = parts.matrices.len() - 1;
    for matrix in &mut parts.matrices[..of_layers] {
        let (outputs, inputs) = (matrix.outputs(), matrix.inputs());
        *matrix = Matrix::new(outputs, inputs, vec![1; outputs * inputs]).unwrap();
    }
    for (token, loud) in [(1, 1), (2, 4), (3, 16)] {
        for (channel, entry) in parts.embedding[16 * token..][..16].iter_mut().enumerate() {
            *entry = if channel < loud { i16::MIN } else { 0 };
        }
    }
    parts.state_row_norms().unwrap();
    IntegerModel::new(parts).unwrap()
}
