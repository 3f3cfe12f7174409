//! Quantization of the fixtures: pinned identities, and bounds on what it costs.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::folder::Folder;
use common::naive;

use matchmark_models::graph::ModelShape;
use matchmark_models::quant::{
    CacheCapacity, HiddenSize, Layers, MlpSize, QuantError, ValueBits, VocabularySize,
};
use matchmark_models::{
    execute_float, execute_model, quantize_model, text_sequences, Evaluation, Evaluator,
    FloatModel, IntegerModel, ModelError, ModelState, Operation, QuantizeOptions,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn options(bits: u8) -> QuantizeOptions {
    QuantizeOptions::new(ValueBits::new(bits).unwrap())
}

/// The sequences of a text of the fixtures.
fn sequences(float: &FloatModel, name: &str) -> Vec<Vec<u32>> {
    text_sequences(&float.tokenizer, &text(name), float.shape.positions()).unwrap()
}

fn quantize(float: &FloatModel, options: &QuantizeOptions) -> Result<IntegerModel, ModelError> {
    let calibration = sequences(float, "calibrate.txt");
    quantize_model(float, &calibration, options).map(|(model, _)| model)
}

/// How well a model predicts sequences.
fn evaluate(model: &IntegerModel, float: &FloatModel, sequences: &[Vec<u32>]) -> Evaluation {
    let mut evaluator = Evaluator::new(model, Some(float)).unwrap();
    for tokens in sequences {
        evaluator.sequence(tokens, None).unwrap();
    }
    evaluator.finish().unwrap()
}

/// The perplexity by that of the floats, and equal choices in percent.
fn fidelity(evaluation: &Evaluation) -> (f64, f64) {
    let (integer, real) = (evaluation.integer, evaluation.float.unwrap());
    let agreement = evaluation.float_agreement.unwrap().percent();
    (integer.perplexity() / real.perplexity(), agreement)
}

/// The same input gives the same bytes: these identities were made on another day, and are those of
/// every machine.
#[test]
fn identities_and_fidelity_of_the_fixtures() {
    for (name, identity) in [
        (
            "stories-2m",
            "e0c3cdf319e90d4a3b5f0d157b1630d826caa4d6d470873c92aefca06bb2661f",
        ),
        (
            "stories-gqa-tiny",
            "c6ebf6d9f3e6bdb3af0a842847c3300f19a4f81a4d37fc2095dc559420cb4104",
        ),
    ] {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let model = quantize(&float, &options(11)).unwrap();
        assert_eq!(model.identity().to_string(), identity, "{name}");
        let bytes = model.to_bytes();
        let again = IntegerModel::from_bytes(&bytes).unwrap();
        assert_eq!(again, model);
        // No text of any kind stops an execution.
        let report = model.excess_report();
        let stopping = report.iter().filter(|it| !it.carried).map(|it| it.kind);
        assert_eq!(stopping.collect::<Vec<_>>(), [""; 0], "{name}");
        assert_eq!(report.len(), 8);

        let evaluation = evaluate(&model, &float, &sequences(&float, "eval.txt"));
        let (integer, real) = (evaluation.integer, evaluation.float.unwrap());
        assert_eq!((integer.tokens, real.tokens), (2530, 2530));
        let (ratio, agreement) = fidelity(&evaluation);
        assert!((0.998..=1.002).contains(&ratio), "{name} {ratio}");
        assert!(agreement >= 99.5, "{name} {agreement}");
        // Where the error enters: no operation alone is far off.
        assert_eq!(evaluation.errors.len(), 3 + 2 * 14);
        for error in evaluation.errors {
            assert!(error.own < 0.015, "{name} {error:?}");
            let first = error.operation == Operation::Embedding;
            assert!(!first || error.own == error.accumulated);
        }
    }
}

/// At every width of values the scales are such that no tokens at all leave what a proof carries.
#[test]
fn every_width_carries_every_excess() {
    let float = Folder::new().read().unwrap();
    for bits in 4..=12 {
        let (model, report) = quantize_model(&float, &[vec![0, 2, 3]], &options(bits)).unwrap();
        assert_eq!(report.excess, model.excess_report());
        for of_kind in report.excess {
            assert!(of_kind.carried, "{bits} bits: {of_kind:?}");
        }
    }
}

/// A rotation changes the integers and not the function: with and without one, the logits are those of the
/// floats, up to what quantization costs.
#[test]
fn rotated_and_unrotated_are_one_function() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    let tokens = &sequences(&float, "eval.txt")[0];
    let expected = execute_float(&float, tokens).unwrap().logits;
    let size = |logits: &[f64]| logits.iter().map(|x| x * x).sum::<f64>().sqrt();
    let mut identities = vec![];
    let mut all = vec![];
    for rotated in [true, false] {
        let options = QuantizeOptions {
            rotated,
            ..options(11)
        };
        let model = quantize(&float, &options).unwrap();
        assert_eq!(model.scales().rotated, rotated);
        let initial = ModelState::initial(&model);
        let (execution, _) = execute_model(&model, &initial, tokens).unwrap();
        let scale = model.scales().logits.get();
        let logits = execution.logits.iter().map(|&x| f64::from(x) * scale);
        all.push(logits.collect::<Vec<f64>>());
        identities.push((model.identity(), model.embedding().to_vec()));
    }
    all.push(expected);
    assert_ne!(identities[0], identities[1]);
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let difference = all[one].iter().zip(&all[other]).map(|(a, b)| a - b);
        let difference = size(&difference.collect::<Vec<f64>>()) / size(&all[2]);
        assert!(difference < 0.02, "{one} {other}: {difference}");
    }
}

/// With a prefix, the model is one of the floats after the same tokens: its cache are their keys and values, and
/// texts go on as the floats do.
#[test]
fn quantized_with_a_prefix() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    let prefix = float.tokenizer.encode("Once upon a time").unwrap();
    let after = |name| -> Vec<Vec<u32>> {
        let all = sequences(&float, name).into_iter();
        all.filter_map(|it| it.strip_prefix(&prefix[..]).map(<[u32]>::to_vec))
            .collect()
    };
    let (calibration, texts) = (after("calibrate.txt"), after("eval.txt"));
    assert!(calibration.len() > 10 && texts.len() > 3);
    let options = QuantizeOptions {
        prefix: prefix.clone(),
        ..options(11)
    };
    let (model, _) = quantize_model(&float, &calibration, &options).unwrap();
    assert_eq!(model.prefix().tokens, prefix);
    assert_eq!(ModelState::initial(&model).position(), prefix.len());
    assert!(model.excess_report().iter().all(|it| it.carried));

    // The cache, entry by entry: a rotation of the stream changes no key and no value.
    let run = execute_float(&float, &prefix).unwrap();
    let attention = model.shape().attention();
    let (g, d) = (attention.kv_heads(), attention.head_dim());
    for (layer, scales) in model.scales().layers.iter().enumerate() {
        for entry in 0..prefix.len() {
            for head in 0..g {
                let cache = &model.prefix().cache;
                let from = ((layer * prefix.len() + entry) * g + head) * d;
                for (tensor, got, scale) in [
                    (&run.keys, cache.keys(layer * g + head), scales.key),
                    (&run.values, cache.values(layer * g + head), scales.value),
                ] {
                    let got = &got[entry * d..(entry + 1) * d];
                    for (got, expected) in got.iter().zip(&tensor[from..from + d]) {
                        let off = f64::from(*got) - expected / scale.get();
                        assert!(off.abs() < 0.51, "layer {layer}, entry {entry}: {off}");
                    }
                }
            }
        }
    }

    let evaluation = evaluate(&model, &float, &texts);
    let predicted: usize = texts.iter().map(|it| it.len() - 1).sum();
    assert_eq!(evaluation.integer.tokens, predicted as u64);
    let (ratio, agreement) = fidelity(&evaluation);
    assert!((0.99..=1.01).contains(&ratio), "{ratio}");
    assert!(agreement >= 97.5, "{agreement}");
    for error in &evaluation.errors {
        assert!(error.own < 0.015, "{error:?}");
    }

    // The naive twin begins with the same cache.
    let tokens = &texts[0][..12];
    let (execution, _) = execute_model(&model, &ModelState::initial(&model), tokens).unwrap();
    let twin = naive::run(&model, tokens);
    let vocabulary = model.shape().vocabulary();
    for (token, logits) in twin.iter().zip(execution.logits.chunks_exact(vocabulary)) {
        let logits: Vec<i128> = logits.iter().map(|&x| i128::from(x)).collect();
        assert_eq!(token.logits, logits);
    }

    // A prefix that takes up all positions, or more than there are.
    for length in [256, 257] {
        let options = QuantizeOptions {
            prefix: vec![1; length],
            ..options.clone()
        };
        let refused = quantize_model(&float, &[], &options);
        assert!(
            matches!(
                refused,
                Err(ModelError::PrefixTooLong {
                    positions: 256,
                    got
                }) if got == length
            ),
            "{refused:?}"
        );
    }
    let options = QuantizeOptions {
        prefix: vec![1 << 20],
        ..options
    };
    let refused = quantize_model(&float, &calibration, &options);
    assert!(matches!(
        refused,
        Err(ModelError::UnknownToken { index: 0, .. })
    ));
}

/// The shape with so many positions.
fn with_positions(shape: ModelShape, positions: u32) -> ModelShape {
    let size = |size: usize| u32::try_from(size).unwrap();
    ModelShape::new(
        Layers::new(size(shape.layers())).unwrap(),
        HiddenSize::new(size(shape.hidden())).unwrap(),
        shape.attention(),
        MlpSize::new(size(shape.mlp())).unwrap(),
        VocabularySize::new(size(shape.vocabulary())).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    )
    .unwrap()
}

/// A model for more positions than whole values allow is quantized and executed.
#[test]
fn positions_beyond_those_of_whole_values() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    let long = FloatModel {
        shape: with_positions(float.shape, 2048),
        ..float
    };
    let text: Vec<u32> = (0..600).map(|index| 300 + index % 50).collect();
    let (model, _) = quantize_model(&long, &[text[..100].to_vec()], &options(11)).unwrap();
    let (execution, state) = execute_model(&model, &ModelState::initial(&model), &text).unwrap();
    assert_eq!(state.position(), 600);
    let (first, state) = execute_model(&model, &ModelState::initial(&model), &text[..500]).unwrap();
    let (rest, _) = execute_model(&model, &state, &text[500..]).unwrap();
    assert_eq!([first.choices, rest.choices].concat(), execution.choices);
}

/// At 12 bits the attention's bounds do not allow 8,192 cache entries: a typed error, before anything
/// runs. A prompt that is longer than the position limit is refused as well.
#[test]
fn bounds_and_limits() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    let long = FloatModel {
        shape: with_positions(float.shape, 8192),
        ..float.clone()
    };
    assert!(matches!(
        quantize_model(&long, &[vec![1, 300, 301]], &options(12)),
        Err(ModelError::Quantity(QuantError::TooManyEntries {
            bits: 12,
            expected: 8191,
            got: 8192,
            ..
        }))
    ));
    let long = float.tokenizer.encode(&"the cat ".repeat(200)).unwrap();
    let calibration = [vec![1, 300, 301]];
    let (model, _) = quantize_model(&float, &calibration, &options(11)).unwrap();
    let refused = execute_model(&model, &ModelState::initial(&model), &long);
    assert!(matches!(
        refused,
        Err(ModelError::PositionLimit {
            limit: 256,
            position: 0,
            ..
        })
    ));
    assert!(matches!(
        quantize_model(&float, &[long], &options(11)),
        Err(ModelError::PositionLimit { .. })
    ));
    // A line is refused by its number, and no further than the limit is it read; the tokens at both ends
    // count.
    let line = |words: usize| format!("the cat\n\n{}\nthe", " the".repeat(words));
    let lines = |words| text_sequences(model.tokenizer(), &line(words), 256);
    assert_eq!(lines(254).unwrap()[1].len(), 256);
    for words in [255, 1_000_000] {
        assert!(matches!(
            lines(words),
            Err(ModelError::LongLine {
                line: 3,
                limit: 256
            })
        ));
    }
    let other = FloatModel::read(&fixture("stories-2m")).unwrap();
    assert!(matches!(
        Evaluator::new(&model, Some(&other)),
        Err(ModelError::OtherFloats { .. })
    ));
}

/// A model that predicts nothing has no perplexity: that is said, and not written as an infinity.
#[test]
fn a_perplexity_that_is_no_number() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    let tokens = vec![1, 300, 301, 302];
    let mut loud = float.clone();
    for weight in &mut loud.matrices.last_mut().unwrap().weights {
        *weight *= 1e6;
    }
    for (float, expected) in [(&float, true), (&loud, false)] {
        let (model, _) =
            quantize_model(float, std::slice::from_ref(&tokens), &options(11)).unwrap();
        let mut evaluator = Evaluator::new(&model, Some(float)).unwrap();
        evaluator.sequence(&tokens, None).unwrap();
        match evaluator.finish() {
            Ok(evaluation) => {
                assert!(expected && evaluation.integer.perplexity().is_finite());
            }
            Err(ModelError::NoPerplexity { of, nats_per_token }) => {
                assert!(!expected && of == "integers" && nats_per_token > 709.0);
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A trained model, decoded greedily one token at a time: what the naive twin gives for the same tokens, and
/// how long the story stays that of the floats.
#[test]
fn stories_of_the_integers() {
    for (name, shared) in [
        // Where a story leaves that of the floats, their two best logits are 15.158 and 15.152, and 16.557 and
        // 16.540.
        ("stories-2m", [33, 48, 48]),
        ("stories-gqa-tiny", [1, 48, 48]),
    ] {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let model = quantize(&float, &options(11)).unwrap();
        let golden: serde_json::Value =
            serde_json::from_str(&text(&format!("{name}/golden.json"))).unwrap();
        let ids = |value: &serde_json::Value| -> Vec<u32> {
            let ids = value.as_array().unwrap().iter();
            ids.map(|id| u32::try_from(id.as_u64().unwrap()).unwrap())
                .collect()
        };
        let mut equal = vec![];
        for prompt in golden["prompts"].as_array().unwrap() {
            let (mut next, greedy) = (ids(&prompt["prompt_ids"]), ids(&prompt["greedy_ids"]));
            let (mut all, mut told) = (next.clone(), vec![]);
            let mut state = ModelState::initial(&model);
            while told.len() < greedy.len() {
                let (execution, after) = execute_model(&model, &state, &next).unwrap();
                next = vec![*execution.choices.last().unwrap()];
                told.extend(&next);
                state = after;
            }
            equal.push(greedy.iter().zip(&told).take_while(|(a, b)| a == b).count());
            if name == "stories-gqa-tiny" && equal.len() == 1 {
                all.extend(&told[..told.len() - 1]);
                let twin = naive::run(&model, &all);
                let choices: Vec<usize> = twin.iter().map(|token| token.choice).collect();
                let told: Vec<usize> = told.iter().map(|&token| token as usize).collect();
                assert_eq!(choices[all.len() - told.len()..], told);
            }
        }
        assert_eq!(equal, shared, "{name}");
    }
}
