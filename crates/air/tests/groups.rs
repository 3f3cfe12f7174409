//! Witnesses of the groups of layers that a decoder is cut into satisfy the relation, each by itself; where what
//! one gives out is not what the next takes in, the relation says so.
#![allow(clippy::unwrap_used)]

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::column::field;
use matchmark_air::decoder::model::model_columns;
use matchmark_air::layout::decoder::{DecoderLayout, RANGE_BITS};
use matchmark_air::layout::SegmentLayout;
use matchmark_air::mock::{check, MockFailure};
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::ops::attention::vectors::entries::entry_columns;
use matchmark_air::ops::stream_in::witness::stream_column;
use matchmark_air::trees::Tree;
use matchmark_air::witness::{Column, ComponentTrace, DecoderExecution, Execution, SegmentWitness};
use matchmark_graph::{LayerGroup, LayerGroups, ModelShape};
use matchmark_models::{
    execute_group, execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens,
    GroupInput, IntegerModel, Matrix, ModelGroup, ModelState,
};
use matchmark_quant::{
    centered, AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize,
    QueryHeads, Rounding, SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_runtime::KvCache;
use matchmark_statement::{Cut, SegmentShape};

const LAYERS: usize = 3;

fn model(biases: bool) -> IntegerModel {
    model_of(biases, 30)
}

fn model_of(biases: bool, vocabulary: u32) -> IntegerModel {
    model_with(biases, [12, 20, vocabulary, 16])
}

/// A model of these sizes: stream, MLP, vocabulary, positions.
fn model_with(biases: bool, [hidden, mlp, vocabulary, positions]: [u32; 4]) -> IntegerModel {
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

fn cache_of(model: &IntegerModel, cache: &KvCache, group: &LayerGroup) -> KvCache {
    let heads = model.shape().attention().kv_heads();
    let range = group.layers();
    let shape = model.shape().attention_of(group.count()).unwrap();
    cache
        .of_heads(shape, range.start * heads..range.end * heads)
        .unwrap()
}

/// Layout and witness of one group, which takes in and gives out these streams, for four steps.
fn witness(
    model: &IntegerModel,
    group: (LayerGroups, usize),
    cut: Cut,
    streams: impl Fn(&mut Vec<i32>, &mut Vec<i32>),
) -> (SegmentLayout, SegmentWitness) {
    witness_of(model, group, cut, 4, streams)
}

/// The same for so many steps, of segments of one more.
fn witness_of(
    model: &IntegerModel,
    (groups, index): (LayerGroups, usize),
    cut: Cut,
    steps: usize,
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

#[test]
fn groups_satisfy_the_relation() {
    for (biases, cut) in [(false, Cut::Fused), (true, Cut::Split)] {
        let model = model(biases);
        for count in 1..=3 {
            let groups = LayerGroups::new(count).unwrap();
            for index in 0..groups.count() {
                let (layout, witness) = witness(&model, (groups, index), cut, |_, _| {});
                assert_eq!(check(&layout, &witness), Ok(()), "{groups} {index}");
            }
        }
    }
}

/// All trees of a chain have one height, whichever group of layers is the tallest.
#[test]
fn groups_have_one_height() {
    let model = model(false);
    let groups = LayerGroups::new(3).unwrap();
    let heights = [0, 1, 2].map(|index| {
        let (layout, _) = witness(&model, (groups, index), Cut::Fused, |_, _| {});
        layout.max_log_rows()
    });
    assert_eq!(heights, [heights[0]; 3]);
}

#[test]
fn other_streams_break_the_relation() {
    let model = model(false);
    let groups = LayerGroups::new(3).unwrap();
    let failing = |index, change: fn(&mut Vec<i32>, &mut Vec<i32>)| {
        let (layout, witness) = witness(&model, (groups, index), Cut::Fused, change);
        match check(&layout, &witness) {
            Err(MockFailure::Relation { relation, .. }) => relation.name(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failing(1, |stream, _| stream[5] += 1), "linear output");
    assert_eq!(failing(2, |stream, _| stream.swap(0, 13)), "linear output");
    assert_eq!(failing(1, |_, stream| stream[5] -= 1), "stream value");
    assert_eq!(failing(0, |_, stream| stream.swap(1, 14)), "stream value");
}

/// The choice is not the tallest component: it has as many lanes as it takes, whether or not they divide the
/// vocabulary, and more where that saves cells.
#[test]
fn choices_among_many_tokens_have_lanes() {
    for (vocabulary, lanes, missing) in [
        (13_107, 1, 0),
        (13_108, 3, 2),
        (20_000, 2, 0),
        (30_001, 3, 2),
    ] {
        let model = model_of(false, vocabulary);
        let whole = (LayerGroups::ONE, 0);
        let (layout, witness) = witness(&model, whole, Cut::Fused, |_, _| {});
        let decoder = layout.decoder().unwrap();
        assert_eq!(decoder.argmax_lanes(), lanes);
        assert_eq!(decoder.argmax_missing(), missing);
        assert_eq!(check(&layout, &witness), Ok(()), "{vocabulary}");
    }
}

/// The argmax component of a witness, to choose otherwise in.
struct Choice<'a> {
    decoder: &'a DecoderLayout,
    witness: &'a SegmentWitness,
    step: usize,
}

impl Choice<'_> {
    fn chosen(&self) -> usize {
        self.witness.tokens.as_ref().unwrap().chosen[self.step] as usize
    }

    /// Columns of a lane: low and high limb.
    fn limbs(&self, lane: usize) -> [&Column; 2] {
        let component = self.witness.main.component("argmax");
        let lane_of = |name: &str| {
            let mut named = component.columns.iter().filter(|it| it.read.name == name);
            named.nth(lane).unwrap().entries.as_ref().unwrap()
        };
        [lane_of("gap low"), lane_of("gap high")]
    }

    /// The logits of the step.
    fn logits(&self) -> Vec<i64> {
        let maximum = self.witness.main.component("argmax").column("maximum");
        let tokens = 0..self.decoder.shape().vocabulary();
        let logit = |token: usize| {
            let (row, lane) = self.decoder.argmax_row(token, self.step);
            let [low, high] = self.limbs(lane).map(|column| centered(column[row].0));
            let below = i64::from(token < self.chosen());
            centered(maximum[row].0) - low - (high << RANGE_BITS) - below
        };
        tokens.map(logit).collect()
    }

    /// The witness with this token in public, and columns that follow from it and from a maximum.
    fn other(&self, chosen: usize, maximum: i64) -> SegmentWitness {
        let (decoder, logits) = (self.decoder, self.logits());
        let mut witness = self.witness.clone();
        witness.tokens.as_mut().unwrap().chosen[self.step] = u32::try_from(chosen).unwrap();
        let argmax = witness.main.component_mut("argmax");
        for row in (self.step..1 << argmax.log_rows).step_by(decoder.steps()) {
            argmax.column_mut("maximum")[row] = field(maximum);
            let behind = decoder.argmax_lanes() * (row / decoder.steps() + 1);
            let is_below = behind <= decoder.argmax_missing() + chosen;
            argmax.column_mut("below")[row] = field(i64::from(is_below));
        }
        for (token, logit) in logits.iter().enumerate() {
            let (row, lane) = decoder.argmax_row(token, self.step);
            let gap = maximum - logit - i64::from(token < chosen);
            let (high, low) = (gap >> RANGE_BITS, gap & ((1 << RANGE_BITS) - 1));
            for (name, limb) in [("gap low", low), ("gap high", high)] {
                argmax.named_mut(name).nth(lane).unwrap()[row] = field(limb);
            }
        }
        witness
    }
}

/// The model with the weights of one token's logit those of another's.
fn tied(model: IntegerModel, token: usize, to: usize) -> IntegerModel {
    let mut parts = model.into_parts();
    let head = parts.matrices.last_mut().unwrap();
    let (outputs, inputs) = (head.outputs(), head.inputs());
    let row = |output: usize| if output == to { token } else { output };
    let weights = (0..outputs)
        .flat_map(|output| (0..inputs).map(move |input| (output, input)))
        .map(|(output, input)| i16::try_from(head.weight(row(output), input)).unwrap());
    *head = Matrix::new(outputs, inputs, weights.collect()).unwrap();
    parts.state_row_norms().unwrap();
    IntegerModel::new(parts).unwrap()
}

/// Whatever else is said of a step than the lowest token of its largest logit, the relation refuses, on one lane and
/// on several, of which the first row lacks some.
#[test]
fn no_other_token_is_chosen() {
    let whole = (LayerGroups::ONE, 0);
    for vocabulary in [30, 30_001] {
        let untied = model_of(false, vocabulary);
        let (_, honest) = witness(&untied, whole, Cut::Fused, |_, _| {});
        let step = 2;
        let token = honest.tokens.unwrap().chosen[step] as usize;
        let higher = token + 1;
        assert!(higher < untied.shape().vocabulary());
        let model = tied(untied, token, higher);
        let (layout, witness) = witness(&model, whole, Cut::Fused, |_, _| {});
        let decoder = layout.decoder().unwrap();
        let choice = Choice {
            decoder,
            witness: &witness,
            step,
        };
        assert_eq!(choice.chosen(), token);
        let logits = choice.logits();
        let most = logits[token];
        assert_eq!((logits.iter().max(), logits[higher]), (Some(&most), most));
        let refusal = |witness: &SegmentWitness| check(&layout, witness).unwrap_err().name();
        assert_eq!(check(&layout, &choice.other(token, most)), Ok(()));

        let falls = "below falls where a token is chosen";
        let attains = "the chosen token attains the maximum";
        // A tie broken upwards: the lower token has a gap of less than zero, or is said not to be below.
        assert_eq!(refusal(&choice.other(higher, most)), "range");
        assert_eq!(refusal(&choice.other(higher, most + 1)), attains);
        let mut above = choice.other(token, most);
        above.tokens.as_mut().unwrap().chosen[step] = u32::try_from(higher).unwrap();
        let (_, lane) = decoder.argmax_row(higher, step);
        let (_, last) = decoder.argmax_row(0, step);
        if lane == 0 || last == 0 {
            assert_eq!(refusal(&above), falls);
        }
        // A token with a smaller logit: with its own as the maximum others exceed it.
        let other = logits.iter().position(|logit| *logit < most - 1).unwrap();
        assert_eq!(refusal(&choice.other(other, most)), attains);
        assert_eq!(refusal(&choice.other(other, logits[other])), "range");
        // All logits one limb lower, so that the gaps are beyond their range; none of them is.
        let beyond = most + (1 << (2 * RANGE_BITS));
        let mut wide = choice.other(token, beyond);
        assert_eq!(refusal(&wide), attains);
        wide.tokens.as_mut().unwrap().chosen[step] = u32::MAX;
        assert_eq!(refusal(&wide), falls);
        // No choice at all.
        let none = choice.other(1 << 20, most + 1);
        assert_eq!(refusal(&none), "a token is chosen at every step");
        // Lanes in front have a gap of a number in range, and nothing follows from it.
        if decoder.argmax_missing() > 0 {
            let mut free = witness.clone();
            let argmax = free.main.component_mut("argmax");
            argmax.named_mut("gap low").next().unwrap()[step] = field(77);
            let circuit = free.circuit(&layout, RlcChallenges::structural());
            free.main.count_uses(&circuit, &layout);
            assert_eq!(check(&layout, &free), Ok(()));
            let argmax = free.main.component_mut("argmax");
            argmax.named_mut("gap low").next().unwrap()[step] = field(-1);
            assert_eq!(refusal(&free), "range");
        }
    }
}

/// The witness with other columns, and the uses of tables that follow.
fn changed(
    layout: &SegmentLayout,
    witness: &SegmentWitness,
    change: impl FnOnce(&mut ComponentTrace),
    component: &str,
) -> SegmentWitness {
    let mut witness = witness.clone();
    change(witness.main.component_mut(component));
    let circuit = witness.circuit(layout, RlcChallenges::structural());
    witness.main.count_uses(&circuit, layout);
    witness
}

/// Names of what refuses each column of a component's last lane, if it is one more on one row.
fn refusals(
    layout: &SegmentLayout,
    honest: &SegmentWitness,
    component: &str,
    names: &[&'static str],
    row: usize,
) -> Vec<&'static str> {
    let refusal = |name: &&'static str| {
        let one_more = |columns: &mut ComponentTrace| {
            let column = columns.named_mut(name).last().unwrap();
            column[row] += field(1);
        };
        let other = changed(layout, honest, one_more, component);
        check(layout, &other).unwrap_err().name()
    };
    names.iter().map(refusal).collect()
}

/// Exchanges these columns of two lanes on a row.
fn exchange(columns: &mut ComponentTrace, names: &[&'static str], row: usize) {
    for name in names {
        let mut lanes: Vec<_> = columns.named_mut(name).collect();
        let first = lanes[0][row];
        lanes[0][row] = lanes[1][row];
        lanes[1][row] = first;
    }
}

/// Channels of the stream stand side by side where that takes fewer cells. Whichever lane says something else, the
/// relation refuses it.
#[test]
fn many_channels_of_the_stream_have_lanes() {
    let model = model_with(false, [768, 20, 30, 120]);
    let groups = LayerGroups::new(3).unwrap();
    for index in 0..2 {
        let group = (groups, index);
        let (layout, honest) = witness_of(&model, group, Cut::Fused, 113, |_, _| {});
        let decoder = layout.decoder().unwrap();
        assert_eq!(decoder.stream_lanes(), 3);
        assert_eq!(decoder.stream_row(1, 1, 2), (256 * 113 + 2, 1));
        assert_eq!(check(&layout, &honest), Ok(()), "{index}");
        if index == 0 {
            continue;
        }
        let (row, lane) = decoder.stream_row(1, 500, 40);
        assert_eq!(lane, 2);
        let names = [
            "high",
            "low",
            "excess",
            "excess high",
            "remainder",
            "normalized",
            "normalized excess",
            "norm remainder low",
            "norm remainder high",
            "high sum",
            "factor",
        ];
        let normalized = "normalized value is h * R over the divisor";
        let ends = "only an end clamps";
        let found = refusals(&layout, &honest, "stream", &names, row);
        assert_eq!(
            found,
            [
                normalized,
                normalized,
                ends,
                ends,
                "linear output",
                normalized,
                normalized,
                normalized,
                normalized,
                "squares of high limbs accumulate",
                normalized,
            ]
        );
        // Two channels exchanged have the same norm.
        let all = |columns: &mut ComponentTrace| exchange(columns, &names[..9], row);
        let other = changed(&layout, &honest, all, "stream");
        assert_eq!(check(&layout, &other).unwrap_err().name(), "linear output");
    }
}

/// Steps of a gate stand side by side where that takes fewer cells, and the first row of a channel lacks some where
/// they do not divide the steps. Whichever lane says something else, the relation refuses it.
#[test]
fn many_steps_of_a_gate_have_lanes() {
    let model = model_with(false, [12, 1200, 30, 120]);
    let group = (LayerGroups::new(3).unwrap(), 1);
    let (layout, honest) = witness_of(&model, group, Cut::Fused, 113, |_, _| {});
    let decoder = layout.decoder().unwrap();
    assert_eq!((decoder.gated_lanes(), decoder.gated_missing()), (3, 1));
    assert_eq!(decoder.gated_row(0, 7, 4), (7 * 38 + 1, 2));
    assert_eq!(check(&layout, &honest), Ok(()));
    let names = [
        "gate",
        "gate excess",
        "gate remainder",
        "up",
        "up excess",
        "up remainder",
        "activation",
        "gated",
        "gated excess",
        "gated remainder",
    ];
    let (row, lane) = decoder.gated_row(0, 500, 40);
    assert_eq!(lane, 2);
    let (ends, product) = (
        "only an end clamps",
        "gated value is activation * up, rescaled",
    );
    let found = refusals(&layout, &honest, "gated", &names, row);
    let (table, output) = ("activation table", "linear output");
    assert_eq!(
        found,
        [table, ends, output, product, ends, output, product, product, product, product]
    );
    // Two steps exchanged.
    let all = |columns: &mut ComponentTrace| exchange(columns, &names, row);
    let other = changed(&layout, &honest, all, "gated");
    assert_eq!(check(&layout, &other).unwrap_err().name(), "linear output");
    // In the lane before the first step nothing is free that a sum has in it.
    let (first, lane) = decoder.gated_row(0, 500, 0);
    assert_eq!(lane, 1);
    let before = |name: &'static str| {
        let one_more = |columns: &mut ComponentTrace| {
            columns.named_mut(name).next().unwrap()[first] += field(1);
        };
        let other = changed(&layout, &honest, one_more, "gated");
        check(&layout, &other).unwrap_err().name()
    };
    let (values, accumulators) = (
        "values before the first step are zero",
        "accumulators before the first step are zero",
    );
    let found = names.map(before);
    assert_eq!(
        found,
        [
            values,
            ends,
            accumulators,
            values,
            ends,
            accumulators,
            table,
            product,
            product,
            product
        ]
    );
}
