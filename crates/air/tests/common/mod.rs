//! Models of three layers, and witnesses of their groups.
#![allow(clippy::unwrap_used, dead_code)]

use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::{LaneChoice, SegmentLayout};
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::ops::stream_in::witness::stream_column;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, DecoderExecution, Execution, SegmentWitness};
use matchmark_graph::{LayerGroup, LayerGroups, ModelShape};
use matchmark_models::{
    execute_group, execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens,
    GroupInput, IntegerModel, ModelGroup, ModelState,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    Rounding, SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_runtime::KvCache;
use matchmark_statement::{Cut, SegmentShape};

pub const LAYERS: usize = 3;

pub fn model(biases: bool) -> IntegerModel {
    model_of(biases, 30)
}

pub fn model_of(biases: bool, vocabulary: u32) -> IntegerModel {
    model_with(biases, [12, 20, vocabulary, 16])
}

/// A model of these sizes: stream, MLP, vocabulary, positions.
pub fn model_with(biases: bool, [hidden, mlp, vocabulary, positions]: [u32; 4]) -> IntegerModel {
    let shape = ModelShape::new(
        Layers::new(3).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(4).unwrap(),
        )
        .unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    )
    .unwrap()
    .with_attention_bias(biases);
    let bits = ValueBits::new(11).unwrap();
    synthetic_model(shape, synthetic_arithmetic(shape, bits).unwrap(), 5).unwrap()
}

pub fn cache_of(model: &IntegerModel, cache: &KvCache, group: &LayerGroup) -> KvCache {
    let heads = model.shape().attention().kv_heads();
    let range = group.layers();
    let shape = model.shape().attention_of(group.count()).unwrap();
    cache
        .of_heads(shape, range.start * heads..range.end * heads)
        .unwrap()
}

/// Layout and witness of one group, which takes in and gives out these streams, for four steps.
pub fn witness(
    model: &IntegerModel,
    group: (LayerGroups, usize),
    cut: Cut,
    streams: impl Fn(&mut Vec<i32>, &mut Vec<i32>),
) -> (SegmentLayout, SegmentWitness) {
    witness_of(model, group, cut, 4, streams)
}

/// The same for so many steps, of segments of one more.
pub fn witness_of(
    model: &IntegerModel,
    (groups, index): (LayerGroups, usize),
    cut: Cut,
    steps: usize,
    streams: impl Fn(&mut Vec<i32>, &mut Vec<i32>),
) -> (SegmentLayout, SegmentWitness) {
    let group = (groups, index);
    witness_with_lanes(model, group, (cut, steps), LaneChoice::FewestCells, streams)
}

/// The same with other lanes.
pub fn witness_with_lanes(
    model: &IntegerModel,
    (groups, index): (LayerGroups, usize),
    (cut, steps): (Cut, usize),
    lanes: LaneChoice,
    streams: impl Fn(&mut Vec<i32>, &mut Vec<i32>),
) -> (SegmentLayout, SegmentWitness) {
    let (shape, arithmetic) = (*model.shape(), *model.arithmetic().terms());
    let tokens = synthetic_tokens(&shape, 3 + steps, 3);
    let (_, state) = execute_model(model, &ModelState::initial(model), &tokens[..3]).unwrap();
    let (whole, after) = execute_model(model, &state, &tokens[3..]).unwrap();
    let group = groups.group(LAYERS, index).unwrap();
    let mut stream_in = match index {
        0 => vec![],
        index => whole
            .stream_behind(&groups.group(LAYERS, index - 1).unwrap())
            .to_vec(),
    };
    let cache = cache_of(model, state.cache(), &group);
    let input = GroupInput {
        tokens: &tokens[3..],
        choices: &whole.choices,
        stream: &stream_in,
        cache: &cache,
    };
    let own = ModelGroup::new(model, group).unwrap();
    let (execution, own_after) = execute_group(model, &own, &input).unwrap();
    assert_eq!(own_after, cache_of(model, after.cache(), &group));
    let segment = SegmentShape::new(
        shape.attention_of(group.count()).unwrap(),
        shape.capacity(),
        SegmentSteps::new(u32::try_from(steps + 1).unwrap()).unwrap(),
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
    .with_lanes(lanes)
    .unwrap()
    .with_layers(shape, arithmetic, (groups, index))
    .unwrap()
    .with_cut(cut);
    let attention = &execution.attention;
    let columns = entry_columns(
        &layout,
        [&attention.q, &attention.k, &attention.v, &attention.out],
    );
    let entry_columns: Vec<Column> = columns.columns().into_iter().map(Into::into).collect();
    let decoder = layout.decoder().unwrap();
    let mut stream_out = execution.stream_out().to_vec();
    streams(&mut stream_in, &mut stream_out);
    let mut ports = vec![
        (Tree::Model, model_columns(&layout, model)),
        (Tree::StateBefore, entries(&layout, &cache)),
        (Tree::StateAfter, entries(&layout, &own_after)),
    ];
    let ends = layout.streams();
    for (is_there, tree, stream) in [
        (ends.goes_in, Tree::StreamIn, stream_in),
        (ends.goes_out, Tree::StreamOut, stream_out),
    ] {
        if is_there {
            ports.push((tree, vec![stream_column(decoder, &stream)]));
        }
    }
    let honest = Execution {
        attention,
        after: &ports[2].1,
        entries: &entry_columns,
        table,
        decoder: Some(DecoderExecution {
            execution: &execution,
            model,
            arithmetic: own.arithmetic(),
        }),
    };
    let witness = SegmentWitness::generate(&layout, &honest, &ports);
    (layout, witness)
}
