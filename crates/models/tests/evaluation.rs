//! The measure of integer models: predictions by position, and greedy answers, beside the floats.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use matchmark_models::quant::ValueBits;
use matchmark_models::{
    execute_float, execute_model, greedy_answer, quantize_model, text_sequences, Evaluator,
    FloatModel, IntegerModel, ModelError, ModelState, QuantizeOptions, Tokenizer,
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/models")
        .join(name)
}

fn floats() -> FloatModel {
    FloatModel::read(&fixture("stories-gqa-tiny")).unwrap()
}

fn sequences(float: &FloatModel, name: &str) -> Vec<Vec<u32>> {
    let text = std::fs::read_to_string(fixture(name)).unwrap();
    text_sequences(&float.tokenizer, &text, float.shape.positions()).unwrap()
}

/// With two tokens of prefix, at so many bits.
fn quantized(float: &FloatModel, bits: u8) -> IntegerModel {
    let options = QuantizeOptions {
        prefix: float.tokenizer.encode("Once").unwrap(),
        ..QuantizeOptions::new(ValueBits::new(bits).unwrap())
    };
    let calibration = &sequences(float, "eval.txt")[..4];
    quantize_model(float, calibration, &options).unwrap().0
}

fn softmax(logits: &[f64]) -> Vec<f64> {
    let maximum = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|x| (x - maximum).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|x| x / sum).collect()
}

/// The divergence, range by range, is that of the distributions that the two executions have; the floats given as
/// a reference as well have the same figures; and tokens some at a time, as long sequences are run, change nothing.
#[test]
fn predictions_by_position() {
    let float = floats();
    let model = quantized(&float, 8);
    let prefix = &model.prefix().tokens;
    let texts = &sequences(&float, "eval.txt")[4..8];
    let vocabulary = model.shape().vocabulary();
    let mut sums = [(0u64, 0.0f64); 3];
    let mut whole = Evaluator::new(&model, Some(&float)).unwrap();
    let mut parts = Evaluator::new(&model, Some(&float))
        .unwrap()
        .without_errors();
    for tokens in texts {
        let initial = ModelState::initial(&model);
        let (integer, _) = execute_model(&model, &initial, tokens).unwrap();
        let run = execute_float(&float, &[prefix, tokens.as_slice()].concat()).unwrap();
        let logits = &run.logits[prefix.len() * vocabulary..];
        let scale = model.scales().logits.get();
        for t in 0..tokens.len() - 1 {
            let row = t * vocabulary..(t + 1) * vocabulary;
            let q: Vec<f64> = integer.logits[row.clone()]
                .iter()
                .map(|&x| f64::from(x) * scale)
                .collect();
            let (p, q) = (softmax(&logits[row]), softmax(&q));
            let nats: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            let range = match t + prefix.len() {
                0..64 => 0,
                64..128 => 1,
                _ => 2,
            };
            sums[range].0 += 1;
            sums[range].1 += nats;
        }
        #[allow(clippy::cast_possible_truncation, reason = "as other code has it")]
        let reference: Vec<f32> = logits.iter().map(|&x| x as f32).collect();
        whole.sequence(tokens, Some(&reference)).unwrap();
        parts.sequence(tokens, Some(&reference)).unwrap();
    }
    let evaluation = whole.finish().unwrap();
    let divergence = evaluation.float_divergence.as_ref().unwrap();
    let ranges: Vec<_> = divergence.by_position().collect();
    assert_eq!(ranges.len(), 3);
    for ((positions, got), (end, expected)) in ranges.iter().zip([64, 128, 256].iter().zip(sums)) {
        assert_eq!((positions.end, got.predictions), (*end, expected.0));
        let off = got.nats / expected.1 - 1.0;
        assert!(expected.1 > 0.01 && off.abs() < 1e-6, "{positions:?} {off}");
    }
    let total = divergence.total();
    assert_eq!(total.predictions, evaluation.integer.tokens);
    let other = evaluation.reference_divergence.as_ref().unwrap().total();
    assert!((other.mean() / total.mean() - 1.0).abs() < 1e-3);
    assert_eq!(
        evaluation.float_agreement.unwrap().positions,
        total.predictions
    );

    assert!(!evaluation.errors.is_empty());
    let without = parts.finish().unwrap();
    assert!(without.errors.is_empty());
    assert_eq!(
        (without.integer, without.float_divergence),
        (evaluation.integer, evaluation.float_divergence)
    );
    assert_eq!(without.float_agreement, evaluation.float_agreement);
}

/// A sequence that is too long to be recorded: the same model with more positions, at eight bits, which allow them.
/// Its predictions are those of one execution of the whole, and they are counted up to the end.
#[test]
fn long_sequences() {
    let (from, to) = (fixture("stories-gqa-tiny"), tempfile::tempdir().unwrap());
    for name in ["tokenizer.json", "model.safetensors"] {
        std::fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    let config = std::fs::read_to_string(from.join("config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["max_position_embeddings"] = 1024.into();
    std::fs::write(to.path().join("config.json"), config.to_string()).unwrap();
    let float = FloatModel::read(to.path()).unwrap();
    let model = quantized(&float, 8);
    let tokens: Vec<u32> = sequences(&float, "eval.txt").concat()[..700].to_vec();
    let mut evaluator = Evaluator::new(&model, Some(&float)).unwrap();
    evaluator.sequence(&tokens, None).unwrap();
    let evaluation = evaluator.finish().unwrap();
    assert!(evaluation.errors.is_empty());
    assert_eq!(evaluation.integer.tokens, 699);
    let divergence = evaluation.float_divergence.unwrap();
    let ranges: Vec<_> = divergence
        .by_position()
        .map(|(positions, sum)| (positions.end, sum.predictions))
        .collect();
    // Two tokens of prefix, and none is predicted after the last.
    let expected = [(64, 62), (128, 64), (256, 128), (512, 256), (1024, 189)];
    assert_eq!(ranges, expected);

    let initial = ModelState::initial(&model);
    let (whole, _) = execute_model(&model, &initial, &tokens).unwrap();
    let scale = model.scales().logits.get();
    let rows = whole.logits.chunks_exact(model.shape().vocabulary());
    let nats: f64 = rows
        .zip(&tokens[1..])
        .map(|(row, &next)| {
            let row: Vec<f64> = row.iter().map(|&x| f64::from(x) * scale).collect();
            -softmax(&row)[next as usize].ln()
        })
        .sum();
    assert!((evaluation.integer.nats / nats - 1.0).abs() < 1e-12);
}

/// The greedy continuation by floats, run anew for each token.
fn float_answer(float: &FloatModel, prompt: &[u32], limit: usize) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    while tokens.len() < prompt.len() + limit {
        let run = execute_float(float, &tokens).unwrap();
        let row = &run.logits[(tokens.len() - 1) * float.shape.vocabulary()..];
        let best = (0..row.len())
            .rev()
            .max_by(|&a, &b| row[a].total_cmp(&row[b]));
        tokens.push(u32::try_from(best.unwrap()).unwrap());
        if float.tokenizer.ends().contains(tokens.last().unwrap()) {
            break;
        }
    }
    tokens.split_off(prompt.len())
}

/// What is counted with one pass over the answer of the integers is where it leaves the answer that the floats
/// give by themselves.
#[test]
fn answers_up_to_the_first_difference() {
    let float = floats();
    let model = quantized(&float, 7);
    let prefix = model.prefix().tokens.clone();
    let mut counts = Vec::new();
    for text in [
        " upon a time, there was a cat.",
        " there was a girl named Mia.",
        ". Tom ran to the park with a ball.",
        " a big dog sat.",
    ] {
        let all = float.tokenizer.encode(text).unwrap();
        // The tokenizer begins every text with a token of its own: here it is in the prefix.
        let prompt = &all[1..];
        let answer = greedy_answer(&model, prompt, 40).unwrap();
        let context = answer.context(&model);
        assert!(context.starts_with(&[&prefix, prompt].concat()));
        let logits = execute_float(&float, &context).unwrap().logits;
        let got = answer.equal_tokens(&model, &logits).unwrap();
        let expected = float_answer(&float, &[&prefix, prompt].concat(), 40);
        let pairs = expected.iter().zip(&answer.tokens);
        let equal = pairs.take_while(|(a, b)| a == b).count();
        let whole = answer.ended && expected == answer.tokens;
        assert_eq!(got, if whole { 40 } else { equal }, "{text}");
        counts.push(equal);
        let short = answer.equal_tokens(&model, &logits[1..]);
        assert!(matches!(short, Err(ModelError::WrongLength { .. })));
    }
    // Seven bits are few enough for answers that are others.
    assert!(counts.iter().any(|count| *count < 40), "{counts:?}");
    assert!(counts.iter().any(|count| *count > 0), "{counts:?}");
}

/// An answer that both end at one place has no difference, whichever of several tokens ends it.
#[test]
fn answers_that_end() {
    let float = floats();
    let model = quantized(&float, 11);
    let prompt = &float
        .tokenizer
        .encode(" upon a time, there was a cat.")
        .unwrap()[1..];
    let endless = greedy_answer(&model, prompt, 12).unwrap();
    let last = endless.tokens[11];
    let at = endless.tokens.iter().position(|it| *it == last).unwrap();
    // The same model, but that this token and another one end a text.
    let mut parts = model.into_parts();
    let mut tokenizer = parts.tokenizer.parts().clone();
    let other = (0..).find(|it| !endless.tokens.contains(it)).unwrap();
    tokenizer.ends = vec![other, last];
    parts.tokenizer = Tokenizer::new(tokenizer).unwrap();
    let model = IntegerModel::new(parts).unwrap();
    let answer = greedy_answer(&model, prompt, 40).unwrap();
    assert!(answer.ended);
    assert_eq!(answer.tokens, endless.tokens[..=at]);
    let context = answer.context(&model);
    let mut logits = execute_float(&float, &context).unwrap().logits;
    assert_eq!(answer.equal_tokens(&model, &logits).unwrap(), 40);
    // The floats end it by the other token: no text differs. By one that ends nothing, it does.
    let row = logits.len() - model.shape().vocabulary();
    logits[row + other as usize] = 1e6;
    assert_eq!(answer.equal_tokens(&model, &logits).unwrap(), 40);
    let neither = (0..)
        .find(|it| *it != other && *it != last)
        .map(|it: u32| it as usize);
    logits[row + neither.unwrap()] = 1e7;
    assert_eq!(answer.equal_tokens(&model, &logits).unwrap(), at);

    // A prompt behind which a whole answer does not fit is refused, and one behind which it just fits is not.
    let positions = model.shape().positions();
    let room = positions - model.prefix().tokens.len();
    let long = prompt.repeat(positions)[..room - 3].to_vec();
    assert!(greedy_answer(&model, &long, 4).is_ok());
    assert!(matches!(
        greedy_answer(&model, &long, 5),
        Err(ModelError::PositionLimit { limit, .. }) if limit == positions
    ));
}
