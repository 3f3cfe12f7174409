//! Quantization of the fixtures: pinned identities, and bounds on what it costs.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use common::naive;

use matchmark_models::quant::{QuantError, ValueBits};
use matchmark_models::{
    execute_model, quantize_model, text_sequences, Evaluator, FloatModel, IntegerModel, ModelError,
    ModelState, Operation,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).unwrap()
}

fn quantize(float: &FloatModel, bits: u8) -> Result<IntegerModel, ModelError> {
    let sequences = text_sequences(
        &float.tokenizer,
        &text("calibrate.txt"),
        float.shape.positions(),
    )?;
    let bits = ValueBits::new(bits)?;
    quantize_model(float, &sequences, bits).map(|(model, _)| model)
}

/// The same input gives the same bytes: these identities were made on another day, and are those of
/// every machine.
#[test]
fn identities_and_fidelity_of_the_fixtures() {
    for (name, identity) in [
        (
            "stories-2m",
            "362fc2513a4fbf07331540fd7da31ccb660e3477a8842e379793ac88ccb99e27",
        ),
        (
            "stories-gqa-tiny",
            "24ff77e7ed78c3dff792643cd25ab7948d73067366015dd9fce759adf128eb6f",
        ),
    ] {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let model = quantize(&float, 11).unwrap();
        assert_eq!(model.identity().to_string(), identity, "{name}");
        let bytes = model.to_bytes();
        let again = IntegerModel::from_bytes(&bytes).unwrap();
        assert_eq!(again, model);
        // No text of any kind stops an execution but, by the weights, at an addition to the stream.
        let report = model.excess_report();
        let stopping = report.iter().filter(|it| !it.carried).map(|it| it.kind);
        assert_eq!(stopping.collect::<Vec<_>>(), ["stream"], "{name}");
        assert_eq!(report.len(), 8);

        let mut evaluator = Evaluator::new(&model, Some(&float)).unwrap();
        for tokens in text_sequences(model.tokenizer(), &text("eval.txt"), 256).unwrap() {
            evaluator.sequence(&tokens, None).unwrap();
        }
        let evaluation = evaluator.finish().unwrap();
        let (integer, real) = (evaluation.integer, evaluation.float.unwrap());
        assert_eq!((integer.tokens, real.tokens), (2530, 2530));
        let ratio = integer.perplexity() / real.perplexity();
        assert!(ratio <= 1.02, "{name} {ratio}");
        let agreement = evaluation.float_agreement.unwrap().percent();
        assert!(agreement >= 97.0, "{name} {agreement}");
        // Where the error enters: no operation alone is far off.
        assert_eq!(evaluation.errors.len(), 3 + 2 * 14);
        for error in evaluation.errors {
            assert!(error.own < 0.03, "{name} {error:?}");
            let first = error.operation == Operation::Embedding;
            assert!(!first || error.own == error.accumulated);
        }
    }
}

/// At 12 bits the attention's bounds do not allow 256 cache entries: a typed error, before anything
/// runs. A prompt that is longer than the position limit is refused as well.
#[test]
fn bounds_and_limits() {
    let float = FloatModel::read(&fixture("stories-gqa-tiny")).unwrap();
    assert!(matches!(
        quantize(&float, 12),
        Err(ModelError::Quantity(QuantError::TooManyEntries {
            bits: 12,
            expected: 255,
            got: 256,
            ..
        }))
    ));
    let long = float.tokenizer.encode(&"the cat ".repeat(200)).unwrap();
    let calibration = [vec![1, 300, 301]];
    let (model, _) = quantize_model(&float, &calibration, ValueBits::new(11).unwrap()).unwrap();
    let refused = execute_model(&model, &ModelState::initial(&model), &long);
    assert!(matches!(
        refused,
        Err(ModelError::PositionLimit {
            limit: 256,
            position: 0,
            ..
        })
    ));
    let bits = ValueBits::new(11).unwrap();
    assert!(matches!(
        quantize_model(&float, &[long], bits),
        Err(ModelError::PositionLimit { .. })
    ));
    // A line is refused by its number, and no further than the limit is it read; the tokens at both ends
    // count.
    let line = |words: usize| format!("the cat\n\n{}\nthe", " the".repeat(words));
    let sequences = |words| text_sequences(model.tokenizer(), &line(words), 256);
    assert_eq!(sequences(254).unwrap()[1].len(), 256);
    for words in [255, 1_000_000] {
        assert!(matches!(
            sequences(words),
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
    let bits = ValueBits::new(11).unwrap();
    let tokens = vec![1, 300, 301, 302];
    let mut loud = float.clone();
    for weight in &mut loud.head {
        *weight *= 1e6;
    }
    for (float, expected) in [(&float, true), (&loud, false)] {
        let (model, _) = quantize_model(float, std::slice::from_ref(&tokens), bits).unwrap();
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
        ("stories-2m", [33, 48, 48]),
        ("stories-gqa-tiny", [48, 48, 48]),
    ] {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let model = quantize(&float, 11).unwrap();
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
