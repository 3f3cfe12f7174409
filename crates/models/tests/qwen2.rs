//! The family Qwen2: floats against `transformers`, integers against floats and the naive twin.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::naive;
use matchmark_models::graph::{EdgeKind, MatrixName, Projection};
use matchmark_models::quant::ValueBits;
use matchmark_models::{
    execute_float, execute_model, quantize_model, Evaluator, FloatModel, ImportError, IntegerModel,
    ModelState, QuantizeOptions,
};
use serde::Deserialize;
use serde_json::{json, Value};

/// Values of `transformers` in double precision, from the weights as they are stored.
#[derive(Deserialize)]
struct Reference {
    sequences: Vec<Sequence>,
    eval: Loss,
    largest_bias: Biases,
}

#[derive(Deserialize)]
struct Sequence {
    text: String,
    ids: Vec<u32>,
    positions: Vec<usize>,
    logits: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Loss {
    tokens: usize,
    nats_per_token: f64,
}

#[derive(Deserialize)]
struct Biases {
    q: f64,
    k: f64,
    v: f64,
}

/// With the embedding as output head, and with a head of its own.
const MODELS: [&str; 2] = ["qwen2-tiny", "qwen2-tiny-untied"];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(fixture(name)).unwrap()
}

fn reference(name: &str) -> Reference {
    let file = fixture(name).join("reference.json");
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The first lines of a text, each with the token behind it that ends a text, as long as the model has positions.
fn lines(float: &FloatModel, name: &str, count: usize) -> Vec<Vec<u32>> {
    let text = text(name);
    let lines = text.lines().take(count);
    lines
        .map(|line| {
            let mut tokens = float.tokenizer.encode(line).unwrap();
            tokens.push(2);
            tokens.truncate(float.shape.positions());
            tokens
        })
        .collect()
}

/// Nats of a row of logits for a token.
fn loss(logits: &[f64], token: u32) -> f64 {
    let maximum = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - maximum).exp()).sum();
    maximum + sum.ln() - logits[token as usize]
}

#[test]
fn floats_are_those_of_transformers() {
    for name in MODELS {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let reference = reference(name);
        assert!(float.shape.attention_bias());
        let vocabulary = float.shape.vocabulary();
        for Sequence {
            text,
            ids,
            positions,
            logits,
        } in reference.sequences
        {
            assert_eq!(float.tokenizer.encode(&text).unwrap(), ids, "{name} {text}");
            let run = execute_float(&float, &ids).unwrap();
            for (position, expected) in positions.into_iter().zip(logits) {
                let got = &run.logits[position * vocabulary..][..vocabulary];
                assert_eq!(expected.len(), vocabulary);
                for (got, expected) in got.iter().zip(expected) {
                    assert!((got - expected).abs() < 2e-6, "{name} {got} {expected}");
                }
            }
        }
        let (mut nats, mut tokens) = (0.0, 0);
        for line in lines(&float, "eval.txt", 4) {
            let run = execute_float(&float, &line).unwrap();
            for (logits, token) in run.logits.chunks_exact(vocabulary).zip(&line[1..]) {
                nats += loss(logits, *token);
                tokens += 1;
            }
        }
        assert_eq!(tokens, reference.eval.tokens);
        let mean = nats / tokens as f64;
        // The angles of the rotation are in single precision there.
        assert!(
            (mean - reference.eval.nats_per_token).abs() < 1e-6,
            "{name} {mean}"
        );
    }
}

/// Queries, keys and values have the biases of the files, nothing else has some, and all matrices take them in as
/// weights of the number one.
#[test]
fn biases_are_read() {
    for name in MODELS {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let Biases { q, k, v } = reference(name).largest_bias;
        let graph = float.graph();
        let one = graph.public(EdgeKind::One).unwrap();
        assert_eq!(graph.edge(one).to().len(), 2 * float.shape.layers());
        let largest = |projection: Projection| {
            let layers = 0..float.shape.layers();
            let biases = layers.flat_map(|layer| {
                let matrix = float.matrix(MatrixName::of_layer(projection, layer));
                matrix.biases.clone()
            });
            biases.map(|bias| f64::from(bias.abs())).fold(0.0, f64::max)
        };
        for (projection, expected) in [
            (Projection::Query, q),
            (Projection::Key, k),
            (Projection::Value, v),
            (Projection::Output, 0.0),
            (Projection::Gate, 0.0),
            (Projection::Up, 0.0),
            (Projection::Down, 0.0),
        ] {
            assert_eq!(largest(projection), expected, "{name} {projection:?}");
        }
    }
}

#[test]
fn what_the_family_does_not_compute_is_refused() {
    let folder = fixture(MODELS[0]);
    let with = |entry: &str, value: Value| {
        let mut files = ["config.json", "tokenizer.json", "model.safetensors"]
            .map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap()));
        let mut config: Value = serde_json::from_slice(&files[0].1).unwrap();
        config[entry] = value;
        files[0].1 = serde_json::to_vec(&config).unwrap();
        FloatModel::from_files(&files.into())
    };
    // Without a window it does not matter where one would be, and how long.
    for (entry, value) in [
        ("sliding_window", json!(32)),
        ("max_window_layers", json!(1)),
        ("layer_types", json!(["full_attention", "full_attention"])),
    ] {
        assert!(with(entry, value).is_ok(), "{entry}");
    }
    for (entry, value) in [
        ("use_sliding_window", json!(true)),
        (
            "layer_types",
            json!(["full_attention", "sliding_attention"]),
        ),
        ("rope_scaling", json!({"type": "yarn", "factor": 4.0})),
        ("hidden_act", json!("gelu_of_nobody")),
    ] {
        assert!(
            matches!(with(entry, value), Err(ImportError::Unsupported { feature, .. }) if feature.starts_with(entry)),
            "{entry}"
        );
    }
    // Llama has no biases, and a folder of this family that says that it is one is refused.
    let error = with("architectures", json!(["LlamaForCausalLM"]));
    assert!(error.is_err());
}

fn quantize(float: &FloatModel) -> IntegerModel {
    let calibration = lines(float, "calibrate.txt", usize::MAX);
    let options = QuantizeOptions::new(ValueBits::new(11).unwrap());
    quantize_model(float, &calibration, &options).unwrap().0
}

/// Integers predict what the floats do, the naive twin computes the same ones, and a file keeps them.
#[test]
fn integers_keep_the_meaning() {
    for name in MODELS {
        let float = FloatModel::read(&fixture(name)).unwrap();
        let model = quantize(&float);
        let key = model.matrix(MatrixName::of_layer(Projection::Key, 0));
        assert!(key.max_bias() > 0 && key.bounds().bias == key.max_bias());
        // No text of any kind stops an execution.
        assert!(model.excess_report().iter().all(|it| it.carried), "{name}");
        assert_eq!(IntegerModel::from_bytes(&model.to_bytes()).unwrap(), model);

        let mut evaluator = Evaluator::new(&model, Some(&float)).unwrap();
        for line in lines(&float, "eval.txt", 4) {
            evaluator.sequence(&line, None).unwrap();
        }
        let evaluation = evaluator.finish().unwrap();
        let (integer, real) = (evaluation.integer, evaluation.float.unwrap());
        let ratio = integer.perplexity() / real.perplexity();
        let agreement = evaluation.float_agreement.unwrap().percent();
        assert!((0.995..=1.005).contains(&ratio), "{name} {ratio}");
        assert!(agreement >= 98.0, "{name} {agreement}");
        for error in evaluation.errors {
            assert!(error.own < 0.015, "{name} {error:?}");
        }

        let tokens = float.tokenizer.encode("One day a dog and a cat").unwrap();
        let (execution, _) = execute_model(&model, &ModelState::initial(&model), &tokens).unwrap();
        for (t, expected) in naive::run(&model, &tokens).into_iter().enumerate() {
            let logits = &execution.logits[t * 320..][..320];
            let logits: Vec<i128> = logits.iter().map(|&x| i128::from(x)).collect();
            assert_eq!(logits, expected.logits, "{name} {t}");
            assert_eq!(execution.choices[t] as usize, expected.choice);
        }
    }
}
