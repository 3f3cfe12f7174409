//! Execution of synthetic models: against a naive twin, in parts, at the ends.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::naive::{self, NaiveToken};
use common::{biased_model, model, SMALL};
use matchmark_graph::{
    Kind, MatrixArithmetic, MatrixName, ModelArithmetic, ModelArithmeticParts, NodeArithmetic,
    Projection,
};
use matchmark_models::{
    execute_model, synthetic_tokens, IntegerModel, Matrix, ModelError, ModelExecution, ModelPrefix,
    ModelState,
};
use matchmark_quant::{QuantError, Rescale};
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
        for model in [model(sizes, bits, 7), biased_model(sizes, bits, 7)] {
            let tokens = synthetic_tokens(model.shape(), TOKENS, 3);
            agrees(&model, &run(&model, &tokens));
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

/// Ends of a range that values were clamped to, and halves that were rounded up.
#[derive(Debug, Default)]
struct Corners {
    values: usize,
    up: usize,
    down: usize,
    ties: usize,
}

impl Corners {
    /// Accumulators of all layers, each rescaled by its own node.
    fn rescaled(&mut self, layers: usize, of: &dyn Fn(usize) -> Rescale, accumulators: &[i32]) {
        let blocks = accumulators.chunks_exact(accumulators.len() / layers);
        for (layer, block) in blocks.enumerate() {
            let rescale = of(layer);
            for &x in block {
                let r = rescale.apply(i64::from(x)).unwrap();
                self.values += 1;
                self.up += usize::from(r.excess > 0 && r.out == rescale.max());
                self.down += usize::from(r.excess > 0 && r.out == rescale.min());
                self.ties += usize::from(r.remainder == 0);
            }
        }
    }

    /// Values at the ends of their range.
    fn ends(&mut self, values: &[i32], min: i32, max: i32) {
        self.values += values.len();
        self.up += values.iter().filter(|&&x| x == max).count();
        self.down += values.iter().filter(|&&x| x == min).count();
    }
}

/// Synthetic models are worth proving with: clamps, ties, exponents and table ends all occur in a few of them.
#[test]
fn synthetic_models_meet_the_corners() {
    let mut corners: BTreeMap<&'static str, Corners> = BTreeMap::new();
    for seed in 1..=4 {
        let model = model(SMALL, 11, seed);
        let tokens = synthetic_tokens(model.shape(), 48, 5);
        let execution = run(&model, &tokens);
        let (arithmetic, graph) = (model.arithmetic(), model.graph());
        let terms = arithmetic.terms();
        let rotary = |layer| arithmetic.rotary(graph.nth(Kind::Rotary, layer));
        let values = |layer| arithmetic.values(graph.nth(Kind::Values, layer));
        let gated = |layer| arithmetic.gated(graph.nth(Kind::Gated, layer));
        type Values<'a> = (&'static str, &'a dyn Fn(usize) -> Rescale, &'a [i32]);
        let kinds: [Values<'_>; 5] = [
            (
                "q",
                &|layer| terms.rotary_input(rotary(layer).query),
                &execution.query_accumulators,
            ),
            (
                "k",
                &|layer| terms.rotary_input(rotary(layer).key),
                &execution.key_accumulators,
            ),
            (
                "v",
                &|layer| terms.value(values(layer).shift),
                &execution.value_accumulators,
            ),
            (
                "gate",
                &|layer| terms.gate(gated(layer).gate),
                &execution.gate_accumulators,
            ),
            (
                "up",
                &|layer| terms.value(gated(layer).up),
                &execution.up_accumulators,
            ),
        ];
        for (name, of, accumulators) in kinds {
            let of_kind = corners.entry(name).or_default();
            of_kind.rescaled(model.shape().layers(), of, accumulators);
        }
        let wide = |x: &[i16]| x.iter().map(|&x| i32::from(x)).collect::<Vec<i32>>();
        for (name, values, min, max) in [
            ("stream", &execution.stream, -32_768, 32_767),
            ("normalized", &execution.normalized, -1023, 1023),
            ("gated", &execution.gated, -4096, 4095),
            ("rotated", &wide(&execution.attention.q), -1023, 1023),
        ] {
            corners.entry(name).or_default().ends(values, min, max);
        }
        let exponents: BTreeSet<u8> = execution.norms.iter().map(|norm| norm.exponent).collect();
        assert!(exponents.len() >= 3, "{exponents:?}");
        assert!(execution.norms.iter().any(|norm| norm.square_sum == 0));
        let ties = execution.logits.chunks_exact(32).filter(|logits| {
            let maximum = logits.iter().max().unwrap();
            logits.iter().filter(|&x| x == maximum).count() > 1
        });
        assert_eq!(ties.count(), 48);
        assert!(execution.choices.iter().collect::<BTreeSet<_>>().len() > 4);
        // No two layers have the same constants.
        assert_ne!(rotary(0), rotary(1));
        assert_ne!(values(0), values(1));
        assert_ne!(gated(0), gated(1));
    }
    assert_eq!(corners.len(), 9);
    for (name, of_kind) in corners {
        let Corners {
            values,
            up,
            down,
            ties,
        } = of_kind;
        assert!(up > 0 && down > 0, "{name} {up} {down}");
        assert!((up + down) * 10 < values, "{name} {up} {down}");
        let rescaled = ["q", "k", "v", "gate", "up"].contains(&name);
        assert_eq!(ties > 0, rescaled, "{name}");
    }
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
            // Quotients of up to 2^(26 - shift).
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

/// What every token comes to is what the naive twin says. `TOKENS` of them.
fn agrees(model: &IntegerModel, execution: &ModelExecution) {
    let stages = model.shape().stages();
    let twin = naive::run(model, &execution.tokens);
    for (t, expected) in twin.into_iter().enumerate() {
        let got = NaiveToken {
            streams: of_token(&execution.stream, stages, t),
            normalized: of_token(&execution.normalized, stages, t),
            logits: of_token(&execution.logits, 1, t).remove(0),
            choice: execution.choices[t] as usize,
        };
        assert_eq!(got, expected, "token {t}");
    }
}

/// Every node has constants of its own: those of one node, exchanged between two layers, give another
/// execution, and another identity.
#[test]
fn layers_have_their_own_constants() {
    let distinct = |it: &mut ModelArithmeticParts| {
        it.rotary_mut(1).key = it.rotary_mut(0).key + 1;
        it.gated_mut(1).gate = it.gated_mut(0).gate + 1;
        it.stream_mut(3).norm.shift = it.stream_mut(1).norm.shift + 1;
    };
    let model = common::with_arithmetic(&model(SMALL, 11, 1), distinct);
    let tokens = synthetic_tokens(model.shape(), TOKENS, 9);
    let before = run(&model, &tokens);
    agrees(&model, &before);
    /// The constants of two nodes.
    type Exchange = fn([&mut NodeArithmetic; 2]);
    use NodeArithmetic::{Gated, Rotary, Stream};
    let all: Exchange = |[a, b]| std::mem::swap(a, b);
    let graph = model.graph();
    let exchanges: [(Kind, [usize; 2], Exchange); 12] = [
        (Kind::Rotary, [0, 1], all),
        (Kind::Values, [0, 1], all),
        (Kind::Gated, [0, 1], all),
        (Kind::Stream, [1, 3], all),
        (Kind::Stream, [2, 4], all),
        (Kind::Stream, [0, 2], |nodes| match nodes {
            [Stream(a), Stream(b)] => std::mem::swap(&mut a.norm, &mut b.norm),
            other => panic!("{other:?}"),
        }),
        (Kind::Stream, [1, 3], |nodes| match nodes {
            [Stream(a), Stream(b)] => std::mem::swap(&mut a.before, &mut b.before),
            other => panic!("{other:?}"),
        }),
        (Kind::Stream, [2, 4], |nodes| match nodes {
            [Stream(a), Stream(b)] => std::mem::swap(&mut a.shift, &mut b.shift),
            other => panic!("{other:?}"),
        }),
        (Kind::Rotary, [0, 1], |nodes| match nodes {
            [Rotary(a), Rotary(b)] => std::mem::swap(&mut a.query, &mut b.query),
            other => panic!("{other:?}"),
        }),
        (Kind::Rotary, [0, 1], |nodes| match nodes {
            [Rotary(a), Rotary(b)] => std::mem::swap(&mut a.key, &mut b.key),
            other => panic!("{other:?}"),
        }),
        (Kind::Gated, [0, 1], |nodes| match nodes {
            [Gated(a), Gated(b)] => std::mem::swap(&mut a.gate, &mut b.gate),
            other => panic!("{other:?}"),
        }),
        (Kind::Gated, [0, 1], |nodes| match nodes {
            [Gated(a), Gated(b)] => std::mem::swap(&mut a.product, &mut b.product),
            other => panic!("{other:?}"),
        }),
    ];
    for (index, (kind, ranks, exchange)) in exchanges.into_iter().enumerate() {
        let [first, second] = ranks.map(|rank| graph.nth(kind, rank).index());
        let other = common::with_arithmetic(&model, |it| {
            let (before, behind) = it.nodes.split_at_mut(second);
            exchange([&mut before[first], &mut behind[0]]);
        });
        let after = run(&other, &tokens);
        assert_ne!(after.logits, before.logits, "exchange {index}");
        assert_ne!(other.identity(), model.identity());
        agrees(&other, &after);
    }
}

/// A prefix is a cache and a position: with the one that its tokens would have left, a text goes on as if they
/// had been executed; with any other, as the naive twin says.
#[test]
fn texts_go_on_after_the_prefix() {
    let plain = model(SMALL, 11, 4);
    let tokens = synthetic_tokens(plain.shape(), TOKENS + 5, 8);
    let (opening, text) = tokens.split_at(5);
    let (_, after) = execute_model(&plain, &ModelState::initial(&plain), opening).unwrap();
    let (expected, last) = execute_model(&plain, &after, text).unwrap();
    let mut parts = plain.clone().into_parts();
    parts.prefix = ModelPrefix {
        tokens: opening.to_vec(),
        cache: after.cache().clone(),
    };
    let model = IntegerModel::new(parts).unwrap();
    assert_ne!(model.identity(), plain.identity());
    let initial = ModelState::initial(&model);
    assert_eq!((initial.position(), &initial), (5, &after));
    let (execution, state) = execute_model(&model, &initial, text).unwrap();
    assert_eq!(execution.steps.entries_before(), 5);
    assert_eq!(execution, expected);
    assert_eq!(state, last);
    agrees(&model, &execution);

    let other = common::with_prefix(&plain, opening);
    let execution = run(&other, text);
    assert_ne!(execution.logits, expected.logits);
    agrees(&other, &execution);
    // The prefix takes up positions: 59 are left of 64.
    let initial = ModelState::initial(&other);
    assert!(execute_model(&other, &initial, &[3; 59]).is_ok());
    assert_eq!(
        execute_model(&other, &initial, &[3; 60]),
        Err(ModelError::PositionLimit {
            limit: 64,
            position: 5,
            tokens: 60
        })
    );
}

#[test]
fn prefixes_that_are_refused() {
    let plain = model(SMALL, 11, 4);
    let with = |change: &dyn Fn(&mut ModelPrefix)| {
        let mut parts = common::with_prefix(&plain, &[3, 4]).into_parts();
        change(&mut parts.prefix);
        IntegerModel::new(parts)
    };
    assert!(with(&|_| {}).is_ok());
    assert_eq!(
        with(&|it| it.tokens.push(5)),
        Err(ModelError::PrefixCache {
            expected: 3,
            got: 2
        })
    );
    assert_eq!(
        with(&|it| it.tokens.clear()),
        Err(ModelError::PrefixCache {
            expected: 0,
            got: 2
        })
    );
    assert_eq!(
        with(&|it| it.tokens[1] = 32),
        Err(ModelError::UnknownToken {
            index: 1,
            vocabulary: 32,
            got: 32
        })
    );
    let all_layers = plain.shape().all_layers_attention();
    let one_layer = plain.shape().attention();
    assert_eq!(
        with(&|it| it.cache = KvCache::from_tensors(one_layer, 2, &[0; 32], &[0; 32]).unwrap()),
        Err(ModelError::WrongState {
            expected: all_layers,
            got: one_layer
        })
    );
    // 32 numbers for each entry: two layers of two heads of eight dimensions.
    let zeros = |entries: usize| {
        let zeros = vec![0; 32 * entries];
        (
            vec![3; entries],
            KvCache::from_tensors(all_layers, entries, &zeros, &zeros).unwrap(),
        )
    };
    assert!(with(&|it| (it.tokens, it.cache) = zeros(63)).is_ok());
    assert_eq!(
        with(&|it| (it.tokens, it.cache) = zeros(64)),
        Err(ModelError::PrefixTooLong {
            positions: 64,
            got: 64
        })
    );
    let loud = KvCache::from_tensors(all_layers, 2, &[1024; 64], &[0; 64]).unwrap();
    assert!(matches!(
        with(&|it| it.cache = loud.clone()),
        Err(ModelError::Attention(_))
    ));
}

/// The arithmetic states the norms that bound all accumulators: those of the weights, no smaller and no larger.
#[test]
fn row_norms_are_those_of_the_weights() {
    let model = model(SMALL, 11, 4);
    let down = MatrixName::of_layer(Projection::Down, 1);
    let own = model.matrix(down).bounds();
    let graph = model.graph();
    let with = |change: &dyn Fn(&mut ModelArithmeticParts)| {
        let mut parts = model.clone().into_parts();
        let mut arithmetic = parts.arithmetic.parts().clone();
        change(&mut arithmetic);
        parts.arithmetic = ModelArithmetic::new(arithmetic).unwrap();
        IntegerModel::new(parts)
    };
    for row_norm in [own.row_norm - 1, own.row_norm + 1] {
        let stated = MatrixArithmetic { row_norm, ..own };
        let error = with(&|it| *it.matrix_mut(graph, down) = stated).unwrap_err();
        assert_eq!(
            error,
            ModelError::MatrixBounds {
                matrix: down,
                expected: stated,
                got: own
            }
        );
        assert!(error
            .to_string()
            .contains("of the down projection of layer 1"));
    }
    let own = model.matrix(MatrixName::HEAD).bounds();
    let row_norm = own.row_norm - 1;
    assert_eq!(
        with(&|it| it.matrix_mut(graph, MatrixName::HEAD).row_norm = row_norm),
        Err(ModelError::MatrixBounds {
            matrix: MatrixName::HEAD,
            expected: MatrixArithmetic { row_norm, ..own },
            got: own
        })
    );
    // With a norm that the bounds do not allow, no weights are looked at.
    assert!(matches!(
        with(&|it| {
            let gate = MatrixName::of_layer(Projection::Gate, 0);
            it.matrix_mut(graph, gate).row_norm = 1 << 21;
        }),
        Err(ModelError::Quantity(QuantError::AccumulatorTooLarge {
            quantity: "gate accumulator",
            ..
        }))
    ));
    assert!(matches!(
        with(&|it| {
            it.nodes.pop();
        }),
        Err(ModelError::Quantity(QuantError::ParameterOutOfRange { .. }))
    ));
}

/// Weights that all add up for one token: the sum leaves the range of the stream by more than `2^15` units, and
/// is carried.
#[test]
fn sums_far_outside_of_the_stream_are_carried() {
    let plain = model(SMALL, 11, 1);
    let tokens: Vec<u32> = (2..).take(TOKENS).collect();
    let width = plain.shape().mlp();
    let (stage, token) = (2, 7);
    let gated = run(&plain, &tokens).gated;
    let gated = &gated[token * width..(token + 1) * width];
    let mut parts = plain.clone().into_parts();
    let down = parts
        .matrix_mut(MatrixName::of_layer(Projection::Down, 0))
        .clone();
    let mut weights = down.weights().to_vec();
    for (weight, g) in weights.iter_mut().zip(gated) {
        *weight = if *g < 0 { -2047 } else { 2047 };
    }
    for (weight, g) in weights[width..].iter_mut().zip(gated) {
        *weight = if *g < 0 { 2047 } else { -2047 };
    }
    *parts.matrix_mut(MatrixName::of_layer(Projection::Down, 0)) =
        Matrix::new(down.outputs(), down.inputs(), weights).unwrap();
    parts.state_row_norms().unwrap();
    let model = IntegerModel::new(parts).unwrap();
    let execution = run(&model, &tokens);
    agrees(&model, &execution);
    let hidden = model.shape().hidden();
    let of_stage = |tensor: &[i32], stage: usize, channel: usize| {
        i64::from(tensor[(stage * TOKENS + token) * hidden + channel])
    };
    let node = model
        .arithmetic()
        .stream(model.graph().nth(Kind::Stream, stage));
    let narrow = Rescale::twos_complement(node.shift, 16).unwrap();
    for (channel, end) in [(0, 32_767), (1, -32_768)] {
        let before = of_stage(&execution.stream, stage - 1, channel);
        let sum = of_stage(&execution.stream_accumulators, stage, channel)
            + (before << node.before.unwrap());
        assert_eq!(of_stage(&execution.stream, stage, channel), end);
        assert!(matches!(
            narrow.apply(sum),
            Err(QuantError::ExcessTooLarge { .. })
        ));
        let carried = model.arithmetic().terms().stream(node.shift).apply(sum);
        assert_eq!(i64::from(carried.unwrap().out), end);
    }
    let report = model.excess_report();
    let stream = report.iter().find(|it| it.kind == "stream").unwrap();
    assert!(stream.carried && stream.bound > 1 << 27, "{stream:?}");
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
