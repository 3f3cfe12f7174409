//! What the integers of the model are worth beside its floats.

use std::path::Path;

use matchmark_tools::failure::Failure;
use matchmark_tools::matchmark::{words, Matchmark};
use matchmark_tools::workspace;
use serde_json::Value;

use super::{held, number, quantize, succeeded};

const TEXT: &str = "fixtures/texts/eval.txt";
const PROMPTS: &str = "fixtures/texts/prompts.txt";
const LONG: &str = "fixtures/texts/long.txt";
/// What the integers are meant to hold: the perplexity of integers as a multiple of that of floats at most, and
/// the share of equal greedy choices in percent at least.
const RATIO: f64 = 1.01;
const AGREEMENT: f64 = 97.0;
/// The median of the tokens of an answer before the first that the floats answer otherwise, at least.
const EQUAL_TOKENS: f64 = 24.0;
/// Tokens a second on one core at least, with so many entries in the cache.
const SPEED: f64 = 10.0;
const ENTRIES: &str = "128";
/// Where predictions are compared early and late in a text, and how many times as far from those of the floats
/// the late ones may be.
const EARLY: [u64; 2] = [256, 512];
const LATE: [u64; 2] = [1024, 2048];
const DECAY: f64 = 3.0;

/// Makes the integers of the model with these floats and so many positions, and prints how far they are from the floats.
///
/// # Errors
/// A command that fails.
pub fn run(floats: &Path, positions: u32) -> Result<(), Failure> {
    let folder = workspace::target_dir().join("smollm2");
    let matchmark = Matchmark::with_candle(&folder.join("evaluator"))?;
    let [text, prompts, long] = [TEXT, PROMPTS, LONG].map(|file| workspace::root().join(file));
    let integers = folder.join("SmolLM2-135M-Instruct.mm");
    quantize(&matchmark, floats, positions, &integers)?;
    let eval = words(&[
        &"eval", &"--model", &integers, &"--float", &floats, &"--text",
    ]);
    let mut short = words(&[&text, &"--prompts", &prompts, &"--speed", &ENTRIES]);
    short.splice(..0, eval.iter().copied());
    let short = succeeded(matchmark.json(short)?)?;
    // Said before the long text, which takes as long again.
    println!("{}", figures(&short.json)?);
    let long = [eval, words(&[&long])].concat();
    let long = succeeded(matchmark.json(long)?)?;
    println!("{}", by_position(&long.json, positions)?);
    Ok(())
}

fn list<'a>(report: &'a Value, pointer: &str) -> Result<&'a [Value], Failure> {
    let value = report.pointer(pointer).and_then(Value::as_array);
    value
        .map(Vec::as_slice)
        .ok_or_else(|| Failure::failed(format!("matchmark eval has printed no {pointer}")))
}

/// The figures of a comparison, beside their bounds.
fn figures(report: &Value) -> Result<String, Failure> {
    let of = |pointer: &str| number(report, pointer);
    let (ratio, agreement) = (of("/candle/ratio")?, of("/candle/agreement_percent")?);
    let (equal, speed) = (
        of("/answers/median_equal_to_candle")?,
        of("/speed/tokens_per_second")?,
    );
    let each = list(report, "/answers/each")?.iter();
    let each: Vec<String> = each.map(|it| it["equal_to_candle"].to_string()).collect();
    Ok(format!(
        "SmolLM2-135M-Instruct, {TEXT}, {} predicted tokens\n\
         perplexity of the integers     {:.4}\n\
         of the floats, this project's  {:.4}\n\
         of the floats, candle's        {:.4}\n\
         integers beside candle         {ratio:.5} (at most {RATIO}: {})\n\
         greedy choice equal to it      {agreement:.2} % (at least {AGREEMENT} %: {})\n\
         {PROMPTS}, answers of at most {} tokens\n\
         tokens before another than its {} (median {equal}, at least {EQUAL_TOKENS}: {})\n\
         tokens a second on one core    {speed:.2} at {ENTRIES} entries of the cache (at least {SPEED}: {})",
        of("/tokens")?,
        of("/integer/perplexity")?,
        of("/float/perplexity")?,
        of("/candle/perplexity")?,
        held(ratio <= RATIO),
        held(agreement >= AGREEMENT),
        of("/answers/limit")?,
        each.join(", "),
        held(equal >= EQUAL_TOKENS),
        held(speed >= SPEED),
    ))
}

/// How far predictions are from those of candle late in a text, beside those early in it.
fn by_position(report: &Value, positions: u32) -> Result<String, Failure> {
    let ranges = list(report, "/candle/divergence/by_position")?;
    let find = |[from, to]: [u64; 2]| {
        let is = |it: &&Value| it["from"] == from && it["to"] == to;
        ranges.iter().find(is)
    };
    let mut text = format!("{LONG}, divergence from candle's predictions in nats");
    for range in ranges {
        let of = |pointer: &str| number(range, pointer);
        let to = of("/to")? - 1.0;
        let place = format!("positions {} to {to}", of("/from")?);
        let (nats, predictions) = (of("/nats")?, of("/predictions")?);
        text.push_str(&format!(
            "\n{place:<30} {nats:.5} ({predictions} predictions)"
        ));
    }
    let name = "the late ones by the early";
    match (find(EARLY), find(LATE)) {
        (Some(early), Some(late)) => {
            let decay = number(late, "/nats")? / number(early, "/nats")?;
            let held = held(decay <= DECAY);
            text.push_str(&format!("\n{name:<30} {decay:.3} (at most {DECAY}: {held})"));
        }
        _ => text.push_str(&format!(
            "\n{name:<30} not measured: nothing is predicted in {} to {}, as the integers have {positions} positions; \
             `--positions {}` makes more",
            LATE[0],
            LATE[1] - 1,
            LATE[1],
        )),
    }
    Ok(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn report(ratio: f64, agreement: f64, equal: f64, speed: f64) -> Value {
        json!({
            "tokens": 10,
            "integer": { "perplexity": 20.0 },
            "float": { "perplexity": 20.0 },
            "candle": { "perplexity": 20.0, "ratio": ratio, "agreement_percent": agreement },
            "answers": { "limit": 48, "median_equal_to_candle": equal,
                         "each": [{ "equal_to_candle": 48 }, { "equal_to_candle": 7 }] },
            "speed": { "tokens_per_second": speed },
        })
    }

    #[test]
    fn figures_beside_their_bounds() {
        let text = figures(&report(1.000_3, 97.24, 24.0, 10.0)).unwrap();
        assert!(text.contains("1.00030 (at most 1.01: held)"));
        assert!(text.contains("97.24 % (at least 97 %: held)"));
        assert!(
            text.contains("48, 7 (median 24, at least 24: held)"),
            "{text}"
        );
        assert!(text.contains("10.00 at 128 entries of the cache (at least 10: held)"));
        let text = figures(&report(1.02, 96.9, 23.5, 9.99)).unwrap();
        assert_eq!(text.matches("NOT HELD").count(), 4);
    }

    #[test]
    fn a_missing_figure_is_named() {
        for part in ["candle", "answers", "speed"] {
            let mut without = report(1.0, 100.0, 48.0, 11.0);
            without[part] = Value::Null;
            let message = figures(&without).unwrap_err().message.unwrap();
            assert!(message.contains(&format!(" /{part}/")), "{message}");
        }
    }

    #[test]
    fn late_predictions_beside_early_ones() {
        let range = |from: u64, nats: f64| {
            let to = (2 * from).max(64);
            json!({ "from": from, "to": to, "predictions": 9, "nats": nats })
        };
        let report =
            |ranges: &[Value]| json!({ "candle": { "divergence": { "by_position": ranges } } });
        let (early, late) = (range(256, 0.002), range(1024, 0.005));
        let both = report(&[range(0, 0.1), early.clone(), range(512, 0.1), late.clone()]);
        let text = by_position(&both, 2048).unwrap();
        assert!(text.contains("2.500 (at most 3: held)"), "{text}");
        assert!(text.contains("positions 256 to 511"), "{text}");
        let worse = report(&[early.clone(), range(1024, 0.007)]);
        assert!(by_position(&worse, 2048).unwrap().contains("NOT HELD"));
        for one in [early, late] {
            let text = by_position(&report(&[one]), 511).unwrap();
            assert!(text.contains("not measured"), "{text}");
            assert!(text.contains("511 positions; `--positions 2048`"), "{text}");
        }
    }
}
