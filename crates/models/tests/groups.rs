//! Groups of layers, one after the other, compute what the whole model computes.
#![allow(clippy::unwrap_used)]

mod common;

use common::{biased_model, model};
use matchmark_graph::{LayerGroup, LayerGroups};
use matchmark_models::{
    execute_group, execute_model, synthetic_tokens, GroupInput, IntegerModel, ModelError,
    ModelGroup, ModelState,
};
use matchmark_runtime::KvCache;

const SIZES: [u32; 7] = [5, 24, 2, 1, 4, 40, 50];

/// The cache of a group's layers.
fn cache_of(model: &IntegerModel, cache: &KvCache, group: &LayerGroup) -> KvCache {
    let heads = model.shape().attention().kv_heads();
    let (first, end) = (group.layers().start, group.layers().end);
    let shape = model.shape().attention_of(group.count()).unwrap();
    cache.of_heads(shape, first * heads..end * heads).unwrap()
}

#[test]
fn groups_compute_what_the_model_computes() {
    for model in [model(SIZES, 11, 4), biased_model(SIZES, 11, 4)] {
        let tokens = synthetic_tokens(model.shape(), 12, 3);
        let (_, state) = execute_model(&model, &ModelState::initial(&model), &tokens[..5]).unwrap();
        let (whole, after) = execute_model(&model, &state, &tokens[5..]).unwrap();
        for count in 1..=5 {
            let groups = LayerGroups::new(count).unwrap().all(5);
            let (mut stream, mut stages) = (vec![], vec![]);
            let (mut gated, mut queries, mut scores) = (vec![], vec![], vec![]);
            for group in groups {
                let cache = cache_of(&model, state.cache(), &group);
                let input = GroupInput {
                    tokens: &tokens[5..],
                    choices: &whole.choices,
                    stream: &stream,
                    cache: &cache,
                };
                let own = ModelGroup::new(&model, group).unwrap();
                let (execution, own_after) = execute_group(&model, &own, &input).unwrap();
                assert_eq!(own_after, cache_of(&model, after.cache(), &group));
                assert_eq!(execution.choices, whole.choices);
                assert_eq!(execution.stream_out(), whole.stream_behind(&group));
                let is_last = group.is_last();
                assert_eq!(execution.logits.is_empty(), !is_last);
                if is_last {
                    assert_eq!(execution.logits, whole.logits);
                }
                // The stage between two groups is in both.
                let joint = usize::from(!group.is_first()) * 7;
                stages.extend_from_slice(&execution.norms[joint..]);
                gated.extend_from_slice(&execution.gated);
                queries.extend_from_slice(&execution.attention.q);
                scores.extend_from_slice(&execution.attention.scores);
                stream = execution.stream_out().to_vec();
            }
            assert_eq!(stages, whole.norms);
            assert_eq!(gated, whole.gated);
            assert_eq!(queries, whole.attention.q);
            assert_eq!(scores, whole.attention.scores);
        }
    }
}

#[test]
fn other_inputs_are_refused() {
    let model = model(SIZES, 11, 4);
    let group = LayerGroups::new(2).unwrap().group(5, 1).unwrap();
    let own = ModelGroup::new(&model, group).unwrap();
    let cache = cache_of(&model, ModelState::initial(&model).cache(), &group);
    let of = |stream: &[i32], cache: &KvCache| {
        let input = GroupInput {
            tokens: &[1, 2],
            choices: &[2, 3],
            stream,
            cache,
        };
        execute_group(&model, &own, &input)
    };
    assert!(of(&[5; 48], &cache).is_ok());
    let short = of(&[5; 47], &cache);
    assert!(matches!(
        short,
        Err(ModelError::WrongStream {
            expected: 48,
            got: 47,
            fitting: 47
        })
    ));
    let mut stream = [5; 48];
    stream[7] = 1 << 15;
    assert!(matches!(
        of(&stream, &cache),
        Err(ModelError::WrongStream { fitting: 47, .. })
    ));
    let whole = ModelState::initial(&model).cache().clone();
    assert!(matches!(
        of(&[5; 48], &whole),
        Err(ModelError::WrongState { .. })
    ));
    let other = LayerGroup::whole(4);
    assert!(matches!(
        ModelGroup::new(&model, other),
        Err(ModelError::Group { layers: 5, .. })
    ));
}
