//! Execution of synthetic models: against a naive twin, in parts, at the ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use common::naive::{self, NaiveToken};
use common::{model, SMALL};
use matchmark_models::{
    execute_model, synthetic_tokens, IntegerModel, ModelError, ModelExecution, ModelState,
};
use matchmark_quant::ModelArithmetic;
use matchmark_runtime::{execute_segment, KvCache, SegmentInputs};

fn run(model: &IntegerModel, tokens: &[u32]) -> ModelExecution {
    execute_model(model, &ModelState::initial(model), tokens)
        .unwrap()
        .0
}

/// The part of a tensor `[outer, S, width]` that belongs to token `t`.
fn of_token(tensor: &[i32], outer: usize, t: usize) -> Vec<Vec<i128>> {
    let block = tensor.len() / outer;
    tensor
        .chunks_exact(block)
        .map(|rows| {
            let width = rows.len() / TOKENS;
            let row = &rows[t * width..(t + 1) * width];
            row.iter().map(|&x| i128::from(x)).collect()
        })
        .collect()
}

const TOKENS: usize = 24;

#[test]
fn agrees_with_the_naive_twin() {
    for (sizes, bits) in [
        (SMALL, 11),
        (SMALL, 12),
        (SMALL, 8),
        ([1, 2, 1, 1, 2, 1, 2], 11),
        ([3, 24, 2, 1, 4, 40, 50], 10),
    ] {
        let model = model(sizes, bits, 7);
        let tokens = synthetic_tokens(model.shape(), TOKENS, 3);
        let execution = run(&model, &tokens);
        let stages = model.shape().stages();
        for (t, expected) in naive::run(&model, &tokens).into_iter().enumerate() {
            let got = NaiveToken {
                streams: of_token(&execution.stream, stages, t),
                normalized: of_token(&execution.normalized, stages, t),
                logits: of_token(&execution.logits, 1, t).remove(0),
                choice: execution.choices[t] as usize,
            };
            assert_eq!(got, expected, "{sizes:?} {bits} {t}");
        }
    }
}

#[test]
fn one_at_a_time_is_all_at_once() {
    let model = model(SMALL, 11, 1);
    let tokens = synthetic_tokens(model.shape(), TOKENS, 5);
    let empty = ModelState::initial(&model);
    let (whole, after) = execute_model(&model, &empty, &tokens).unwrap();
    for cut in [1, 5, 24] {
        let mut state = empty.clone();
        for (index, part) in tokens.chunks(cut).enumerate() {
            let (execution, next) = execute_model(&model, &state, part).unwrap();
            let first = index * cut;
            assert_eq!(execution.steps.entries_before(), first);
            assert_eq!(execution.choices, whole.choices[first..first + part.len()]);
            for (t, _) in part.iter().enumerate() {
                let norms = |e: &ModelExecution, t: usize| -> Vec<_> {
                    let s = e.tokens.len();
                    e.norms.chunks_exact(s).map(|stage| stage[t]).collect()
                };
                assert_eq!(norms(&execution, t), norms(&whole, first + t));
                let row = |e: &ModelExecution, tensor: &[i32], outer: usize, t: usize| {
                    let block = tensor.len() / outer;
                    let width = block / e.tokens.len();
                    let rows = tensor.chunks_exact(block);
                    rows.flat_map(|rows| rows[t * width..(t + 1) * width].to_vec())
                        .collect::<Vec<_>>()
                };
                for (outer, tensor) in [
                    (5, (|e| &e.stream) as fn(&ModelExecution) -> &Vec<i32>),
                    (5, |e| &e.stream_accumulators),
                    (5, |e| &e.normalized),
                    (2, |e| &e.query_accumulators),
                    (2, |e| &e.key_accumulators),
                    (2, |e| &e.value_accumulators),
                    (2, |e| &e.rotary_queries),
                    (2, |e| &e.rotary_keys),
                    (2, |e| &e.gate_accumulators),
                    (2, |e| &e.up_accumulators),
                    (2, |e| &e.gates),
                    (2, |e| &e.ups),
                    (2, |e| &e.activated),
                    (2, |e| &e.gated),
                    (1, |e| &e.logits),
                ] {
                    assert_eq!(
                        row(&execution, tensor(&execution), outer, t),
                        row(&whole, tensor(&whole), outer, first + t)
                    );
                }
            }
            state = next;
        }
        assert_eq!(state, after);
    }
    assert_eq!(after.position(), TOKENS);
}

/// The attention that is recorded for all layers is what the attention of that many heads gives.
#[test]
fn layers_are_one_attention() {
    let model = model(SMALL, 11, 2);
    let tokens = synthetic_tokens(model.shape(), TOKENS, 6);
    let (_, state) = execute_model(&model, &ModelState::initial(&model), &tokens[..9]).unwrap();
    let (execution, after) = execute_model(&model, &state, &tokens[9..]).unwrap();
    let attention = &execution.attention;
    let inputs = SegmentInputs::new(
        model.shape().all_layers_attention(),
        model.arithmetic().value_bits(),
        execution.steps,
        attention.q.clone(),
        attention.k.clone(),
        attention.v.clone(),
    )
    .unwrap();
    let (expected, cache) =
        execute_segment(state.cache(), &inputs, &model.attention_rules()).unwrap();
    assert_eq!(*attention, expected);
    assert_eq!(*after.cache(), cache);
}

/// A synthetic model is worth proving with: clamps, ties, exponents and table ends all occur.
#[test]
fn synthetic_models_meet_the_corners() {
    let model = model(SMALL, 11, 1);
    let tokens = synthetic_tokens(model.shape(), 48, 5);
    let execution = run(&model, &tokens);
    let arithmetic = model.arithmetic();
    let clamped = |rescale: matchmark_models::quant::Rescale, accumulators: &[i32]| {
        let all = accumulators.iter();
        let rescaled = all.map(|&x| rescale.apply(i64::from(x)).unwrap());
        let (mut up, mut down, mut ties) = (0, 0, 0);
        for r in rescaled {
            up += usize::from(r.excess > 0 && r.out == rescale.max());
            down += usize::from(r.excess > 0 && r.out == rescale.min());
            ties += usize::from(r.remainder == 0);
        }
        (up, down, ties)
    };
    for (name, rescale, accumulators) in [
        (
            "q",
            arithmetic.rotary_input(),
            &execution.query_accumulators,
        ),
        ("k", arithmetic.rotary_input(), &execution.key_accumulators),
        ("v", arithmetic.value(), &execution.value_accumulators),
        ("gate", arithmetic.gate(), &execution.gate_accumulators),
        ("up", arithmetic.up(), &execution.up_accumulators),
    ] {
        let (up, down, ties) = clamped(rescale, accumulators);
        assert!(up > 0 && down > 0 && ties > 0, "{name} {up} {down} {ties}");
        assert!((up + down) * 10 < accumulators.len(), "{name} {up} {down}");
    }
    let ends = |values: &[i32], min: i32, max: i32| {
        let at = |end| values.iter().filter(|&&x| x == end).count();
        (at(min), at(max))
    };
    for (name, values, min, max) in [
        ("stream", &execution.stream, -16_384, 16_383),
        ("normalized", &execution.normalized, -1023, 1023),
        ("gated", &execution.gated, -1023, 1023),
    ] {
        let (low, high) = ends(values, min, max);
        assert!(low > 0 && high > 0, "{name} {low} {high}");
        assert!((low + high) * 5 < values.len(), "{name} {low} {high}");
    }
    let queries: Vec<i32> = execution
        .attention
        .q
        .iter()
        .map(|&x| i32::from(x))
        .collect();
    let (low, high) = ends(&queries, -1023, 1023);
    assert!(low > 0 && high > 0, "rotated {low} {high}");
    let exponents: BTreeSet<u8> = execution.norms.iter().map(|norm| norm.exponent).collect();
    assert!(exponents.len() >= 3, "{exponents:?}");
    assert!(execution.norms.iter().any(|norm| norm.square_sum == 0));
    let exponents: BTreeSet<u8> = model.layer(0).q().exponents().iter().copied().collect();
    assert_eq!(exponents.len(), 4);
    let ties = execution.logits.chunks_exact(32).filter(|logits| {
        let maximum = logits.iter().max().unwrap();
        logits.iter().filter(|&x| x == maximum).count() > 1
    });
    assert_eq!(ties.count(), 48);
    assert!(execution.choices.iter().collect::<BTreeSet<_>>().len() > 4);
}

/// Tokens one of whose channels has all of the norm, or several of which have as much as there is: every shift
/// of a normalization, and its exponents up to that of all channels together. Nothing is refused, and the
/// naive twin agrees.
#[test]
fn dominating_channels_stop_nothing() {
    for norm in ModelArithmetic::MIN_NORM_SHIFT..=ModelArithmetic::MAX_NORM_SHIFT {
        for sizes in [SMALL, [1, 20, 2, 1, 4, 8, 32]] {
            let model = common::with_dominating_tokens(&model(sizes, 11, 3), norm);
            let tokens: Vec<u32> = (0..).take(TOKENS).collect();
            let execution = run(&model, &tokens);
            let stages = model.shape().stages();
            for (t, expected) in naive::run(&model, &tokens).into_iter().enumerate() {
                let normalized = of_token(&execution.normalized, stages, t);
                assert_eq!(normalized, expected.normalized, "shift {norm}, token {t}");
                assert_eq!(execution.choices[t] as usize, expected.choice);
            }
            // Quotients of up to 2^(24 - shift).
            let clamped = execution.normalized.iter().filter(|x| x.abs() == 1023);
            assert!(norm > 13 || clamped.count() > TOKENS / 2);
            let exponents: BTreeSet<u8> = execution.norms.iter().map(|it| it.exponent).collect();
            assert!(
                exponents.is_superset(&BTreeSet::from([0, 1, 2])),
                "{exponents:?}"
            );
        }
    }
}

#[test]
fn equal_arguments_make_equal_models() {
    assert_eq!(model(SMALL, 11, 1), model(SMALL, 11, 1));
    let ids: BTreeSet<_> = [(11, 1), (11, 2), (12, 1)]
        .into_iter()
        .map(|(bits, seed)| model(SMALL, bits, seed).identity())
        .collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn refused() {
    let model = model(SMALL, 11, 1);
    let empty = ModelState::initial(&model);
    assert_eq!(
        execute_model(&model, &empty, &[]),
        Err(ModelError::NoTokens)
    );
    assert_eq!(
        execute_model(&model, &empty, &[3, 32]),
        Err(ModelError::UnknownToken {
            index: 1,
            vocabulary: 32,
            got: 32
        })
    );
    // The limit is 64 positions: a prompt that is longer, and a cache that is full.
    assert_eq!(
        execute_model(&model, &empty, &[3; 65]),
        Err(ModelError::PositionLimit {
            limit: 64,
            position: 0,
            tokens: 65
        })
    );
    let (_, full) = execute_model(&model, &empty, &[3; 64]).unwrap();
    let before = full.clone();
    assert_eq!(
        execute_model(&model, &full, &[3]),
        Err(ModelError::PositionLimit {
            limit: 64,
            position: 64,
            tokens: 1
        })
    );
    assert_eq!(full, before);
    let other = common::model([1, 16, 4, 2, 8, 24, 32], 11, 1);
    assert!(matches!(
        execute_model(&other, &full, &[3]),
        Err(ModelError::WrongState { .. })
    ));
    let mut cache = KvCache::empty(model.shape().all_layers_attention());
    cache.append(&[1024; 32], &[0; 32]).unwrap();
    assert!(matches!(
        ModelState::from_cache(&model, cache),
        Err(ModelError::Attention(_))
    ));
}
