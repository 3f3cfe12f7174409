//! Witnesses of the groups of layers that a decoder is cut into satisfy the relation, each by itself; where what
//! one gives out is not what the next takes in, the relation says so.
#![allow(clippy::unwrap_used)]

mod common;

use matchmark_air::challenges::RlcChallenges;
use matchmark_air::column::field;
use matchmark_air::layout::decoder::{DecoderLayout, RANGE_BITS};
use matchmark_air::mock::{check, MockFailure};
use matchmark_air::witness::{Column, SegmentWitness};
use matchmark_graph::LayerGroups;
use matchmark_models::{IntegerModel, Matrix};
use matchmark_quant::centered;
use matchmark_statement::Cut;

use common::{model, model_of, witness};

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
