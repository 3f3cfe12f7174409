//! What was measured, as text and as one object.

use std::fmt::{self, Write as _};

use matchmark::Model;
use matchmark_models::{Agreement, Divergence, Evaluation, Perplexity};
use serde_json::{json, Value};

use super::answers::{Answer, Answers};
use super::speed::Speed;
use super::Measured;
use crate::output::table;

/// An integer model beside one of its float passes.
struct Beside<'a> {
    name: &'static str,
    /// The perplexity of the integers as a multiple of that of the floats.
    ratio: f64,
    perplexity: Perplexity,
    agreement: Agreement,
    divergence: &'a Divergence,
}

/// Those that there are: this project's, and candle's.
fn beside(evaluation: &Evaluation) -> [Option<Beside<'_>>; 2] {
    let one = |name, perplexity: Option<Perplexity>, agreement: Option<Agreement>, divergence| {
        let perplexity = perplexity?;
        Some(Beside {
            name,
            ratio: evaluation.integer.perplexity() / perplexity.perplexity(),
            perplexity,
            agreement: agreement?,
            divergence,
        })
    };
    let [float, reference] = [
        &evaluation.float_divergence,
        &evaluation.reference_divergence,
    ]
    .map(Option::as_ref);
    let (of_float, of_reference) = (evaluation.float_agreement, evaluation.reference_agreement);
    [
        float.and_then(|it| one("floats", evaluation.float, of_float, it)),
        reference.and_then(|it| one("candle", evaluation.reference, of_reference, it)),
    ]
}

pub(super) fn to_json(model: &Model, measured: &Measured) -> Value {
    let mut object = json!({ "model": model.as_integer().identity() });
    if let Some(evaluation) = &measured.text {
        let [float, candle] = beside(evaluation).map(|it| it.map(|it| comparison(&it)));
        object["sequences"] = evaluation.sequences.into();
        object["tokens"] = evaluation.integer.tokens.into();
        object["integer"] = json!({
            "perplexity": evaluation.integer.perplexity(),
            "nats_per_token": evaluation.integer.nats_per_token(),
        });
        object["float"] = float.into();
        object["candle"] = candle.into();
        object["errors"] = json!(evaluation.errors);
    }
    if let Some(speed) = &measured.speed {
        object["speed"] = json!({
            "entries": speed.entries,
            "steps": speed.steps,
            "processor_ms": speed.milliseconds,
            "tokens_per_second": speed.tokens_per_second(),
        });
    }
    if let Some(answers) = &measured.answers {
        let each = answers.all.iter().map(|answer| {
            json!({
                "prompt": answer.prompt,
                "answer": answer.text,
                "tokens": answer.tokens,
                "equal_to_float": answer.float,
                "equal_to_candle": answer.reference,
            })
        });
        let [float, candle] = medians(answers);
        object["answers"] = json!({
            "limit": answers.limit,
            "median_equal_to_float": float,
            "median_equal_to_candle": candle,
            "each": each.collect::<Vec<_>>(),
        });
    }
    object
}

fn medians(answers: &Answers) -> [Option<f64>; 2] {
    let float = answers.median(|answer| Some(answer.float));
    [float, answers.median(|answer| answer.reference)]
}

fn comparison(beside: &Beside<'_>) -> Value {
    let by_position = beside.divergence.by_position().map(|(positions, sum)| {
        json!({
            "from": positions.start,
            "to": positions.end,
            "predictions": sum.predictions,
            "nats": sum.mean(),
        })
    });
    json!({
        "perplexity": beside.perplexity.perplexity(),
        "nats_per_token": beside.perplexity.nats_per_token(),
        "ratio": beside.ratio,
        "agreement_percent": beside.agreement.percent(),
        "divergence": {
            "nats": beside.divergence.total().mean(),
            "by_position": by_position.collect::<Vec<_>>(),
        },
    })
}

pub(super) fn to_text(model: &Model, measured: &Measured) -> String {
    let mut text = format!("model          {}\n", model.as_integer().identity());
    // Writing to a string cannot fail.
    if let Some(evaluation) = &measured.text {
        let _ = of_text(&mut text, evaluation);
    }
    if let Some(speed) = &measured.speed {
        let _ = of_speed(&mut text, speed);
    }
    if let Some(answers) = &measured.answers {
        let _ = of_answers(&mut text, answers);
    }
    text
}

fn of_text(text: &mut String, evaluation: &Evaluation) -> fmt::Result {
    writeln!(
        text,
        "text           {} sequences, {} predicted tokens",
        evaluation.sequences, evaluation.integer.tokens
    )?;
    writeln!(
        text,
        "integers       perplexity {:.5}",
        evaluation.integer.perplexity()
    )?;
    for it in beside(evaluation).iter().flatten() {
        writeln!(
            text,
            "{:<14} perplexity {:.5}, ratio {:.5}; greedy choice equal at {} of {} positions, {:.3} %; divergence \
             from them {:.5} nats",
            it.name,
            it.perplexity.perplexity(),
            it.ratio,
            it.agreement.equal,
            it.agreement.positions,
            it.agreement.percent(),
            it.divergence.total().mean(),
        )?;
    }
    if let [Some(floats), _] = beside(evaluation) {
        let rows: Vec<Vec<String>> = floats
            .divergence
            .by_position()
            .map(|(positions, sum)| {
                vec![
                    format!("{} to {}", positions.start, positions.end - 1),
                    sum.predictions.to_string(),
                    format!("{:.5}", sum.mean()),
                ]
            })
            .collect();
        writeln!(text, "\ndivergence from the floats by position")?;
        text.push_str(&table(&["positions", "predictions", "nats"], &rows));
    }
    if !evaluation.errors.is_empty() {
        let rows: Vec<Vec<String>> = evaluation
            .errors
            .iter()
            .map(|error| {
                let layer = error
                    .layer
                    .map_or_else(String::new, |layer| layer.to_string());
                let percent = |share: f64| format!("{:.3} %", 100.0 * share);
                vec![
                    layer,
                    error.operation.to_string(),
                    percent(error.own),
                    percent(error.accumulated),
                ]
            })
            .collect();
        writeln!(
            text,
            "\nrelative error of each operation, by itself and with all before it"
        )?;
        text.push_str(&table(&["layer", "operation", "own", "accumulated"], &rows));
    }
    Ok(())
}

fn of_speed(text: &mut String, speed: &Speed) -> fmt::Result {
    let rate = speed.tokens_per_second().map_or_else(
        || "an unknown number of".to_owned(),
        |rate| format!("{rate:.2}"),
    );
    writeln!(
        text,
        "\nspeed          {rate} tokens a second on one core, {} steps around {} entries of the cache",
        speed.steps, speed.entries
    )
}

fn of_answers(text: &mut String, answers: &Answers) -> fmt::Result {
    writeln!(
        text,
        "\ntokens of greedy answers before the first that the floats answer otherwise, of at most {}",
        answers.limit
    )?;
    let number = |count: Option<usize>| count.map_or_else(String::new, |count| count.to_string());
    let row = |answer: &Answer| {
        let (float, candle) = (answer.float.to_string(), number(answer.reference));
        vec![float, candle, answer.prompt.clone()]
    };
    let mut rows: Vec<Vec<String>> = answers.all.iter().map(row).collect();
    let [float, candle] = medians(answers);
    let median = |median: Option<f64>| median.map_or_else(String::new, |it| it.to_string());
    rows.push(vec![median(float), median(candle), "(median)".to_owned()]);
    text.push_str(&table(&["floats", "candle", "prompt"], &rows));
    Ok(())
}
