//! What the measurements say of the published result, in words that are made from the numbers: a sentence
//! whose numbers are missing is left out, and every verdict has its variants.

use crate::pressure::data::{Boundary, Level, Report, Rules};
use crate::pressure::report::analysis::{
    essay_growth, figures, float, medians, pair, range, Cost, Medians, Verdict,
};
use crate::pressure::report::essay;
use crate::pressure::rows::{configuration, essay_row, AXES, BASE, ESSAY_DIMS, LEVELS, STEPS};
use crate::pressure::schedule::describe;

/// A split proof counts as better only by more than this: times differ by some per cent from run to run.
const NOISE: f64 = 0.05;
/// Cells that are named one by one.
const NAMED: usize = 6;

/// Sentences under two headings.
pub struct Words {
    /// What was published, or promised, and does not hold.
    pub denied: Vec<String>,
    /// What holds.
    pub survives: Vec<String>,
}

/// Everything that can be said.
pub fn all(report: &Report) -> Words {
    let mut words = Words {
        denied: vec![],
        survives: vec![],
    };
    growth(report, &mut words);
    unmet(report, &mut words);
    slope(report, &mut words);
    ratios(report, &mut words);
    savings(report, &mut words);
    splitting(report, &mut words);
    words
}

fn times([least, largest]: [f64; 2]) -> String {
    let (least, largest) = (format!("{least:.3}"), format!("{largest:.3}"));
    if least == largest {
        format!("{least} times")
    } else {
        format!("{least} to {largest} times")
    }
}

fn values(list: Vec<(u32, f64)>) -> Option<[f64; 2]> {
    range(list.into_iter().map(|(_, value)| value))
}

/// Growth of bytes from 32 to 64 steps.
fn growth(report: &Report, words: &mut Words) {
    let grows =
        |rules, level, boundary, value| values(essay_growth(report, rules, level, boundary, value));
    let published = times(essay::BYTES_GROWTH);
    let alike = grows(Rules::Essay, Level::Insecure13, Boundary::Fused, |it| {
        it.json_bytes
    });
    if let Some(alike) = alike {
        let holds = alike[1] <= essay::BYTES_GROWTH[1];
        let binary = grows(Rules::Essay, Level::Insecure13, Boundary::Fused, |it| {
            it.bytes
        });
        let binary = binary.map_or(String::new(), |it| format!(" ({} in binary)", times(it)));
        let sentence = format!(
            "From 32 to 64 steps the published fused bytes grow {published} while claims grow {:.2} times. Like \
             for like (insecure-13, nine-entry table, floor division, JSON) ours grow {}{binary}.",
            essay::CLAIMS_GROWTH,
            times(alike)
        );
        if holds {
            words
                .survives
                .push(format!("{sentence} The published flatness holds."));
        } else {
            words.denied.push(format!(
                "{sentence} The published flatness does not carry over: a relation with few columns has \
                 little that stays the same, and the paths to the opened rows get longer."
            ));
        }
    }
    for level in [Level::Conjectured100, Level::Johnson100] {
        let fused = grows(Rules::Default, level, Boundary::Fused, |it| it.bytes);
        let split = grows(Rules::Default, level, Boundary::Split, |it| it.bytes);
        let (Some(fused), Some(split)) = (fused, split) else {
            continue;
        };
        let rows = grows(Rules::Default, level, Boundary::Fused, |it| {
            float(it.counts.trace_rows)
        });
        let rows = rows.map_or(String::new(), |it| format!(", trace rows {}", times(it)));
        let sentence = format!(
            "At {} the same rows grow {} fused and {} split{rows}.",
            level.name(),
            times(fused),
            times(split)
        );
        if fused[1] <= essay::BYTES_GROWTH[1] {
            words.survives.push(sentence);
        } else {
            words.denied.push(sentence);
        }
    }
}

/// Figures that miss their bound.
fn unmet(report: &Report, words: &mut Words) {
    for figure in figures(report) {
        if figure.verdict() == Verdict::NotMet {
            words.denied.push(format!(
                "Promised, and not met: {}: {}, at most {:.3}. {}",
                figure.name,
                figure.measured(),
                figure.bound,
                figure.reason.unwrap_or_default()
            ));
        }
    }
}

/// Bytes against claims over the axis of steps.
fn slope(report: &Report, words: &mut Words) {
    for level in LEVELS {
        let points: Vec<(u32, Medians<'_>)> = AXES[STEPS]
            .points()
            .filter_map(|(steps, shape)| {
                let it = configuration(shape, level, Boundary::Fused);
                Some((steps, medians(report, &it)?))
            })
            .collect();
        let (Some((first, small)), Some((last, large))) = (points.first(), points.last()) else {
            continue;
        };
        if first == last {
            continue;
        }
        let claims = |it: &Medians<'_>| float(it.counts.lookup_claims);
        let more = claims(large) / claims(small);
        let bytes = large.bytes / small.bytes;
        let sentence = format!(
            "From {first} to {last} steps (d 64, 4 heads, {}) claims grow {more:.0} times, trace rows {:.0} times \
             and fused bytes {bytes:.2} times: from {:.1} to {:.3} bytes a claim.",
            level.name(),
            float(large.counts.trace_rows) / float(small.counts.trace_rows),
            small.bytes / claims(small),
            large.bytes / claims(large)
        );
        // Proof bytes are slow if they grow as a small root of the claims.
        if bytes.ln() / more.ln() < 0.25 {
            words.survives.push(format!(
                "{sentence} Over a wide range bytes do grow far more slowly than claims."
            ));
        } else {
            words.denied.push(sentence);
        }
    }
}

/// Fused over split.
fn ratios(report: &Report, words: &mut Words) {
    let published = times(essay::RATIOS);
    let alike = ESSAY_DIMS.iter().filter_map(|&dim| {
        let rows = pair(report, &essay_row(dim, 64, Rules::Essay), Level::Insecure13);
        Some(rows.fused?.json_bytes / rows.split?.json_bytes)
    });
    let alike = range(alike.collect::<Vec<_>>());
    let at = |level| {
        let rows = ESSAY_DIMS.iter().filter_map(|&dim| {
            pair(report, &essay_row(dim, 64, Rules::Default), level).ratio(Cost::Bytes)
        });
        range(rows.collect::<Vec<_>>())
    };
    let levels: Vec<String> = LEVELS
        .iter()
        .filter_map(|&level| Some(format!("{} at {}", times(at(level)?), level.name())))
        .collect();
    let Some(alike) = alike else {
        return;
    };
    let sentence = format!(
        "A fused proof takes {published} the bytes of the two split ones as published. Like for like ours takes {} \
         (JSON, insecure-13); in binary {}.",
        times(alike),
        levels.join(", ")
    );
    if alike[1] < 1.0 {
        let more = if alike[1] < essay::RATIOS[0] {
            " Fusing saves more than published: two proofs that really belong together need the boundary \
              committed and opened in both, and pay for every tree and for the low-degree test twice."
        } else {
            ""
        };
        words.survives.push(format!("{sentence}{more}"));
    } else {
        words.denied.push(sentence);
    }
}

/// What fusing saves beside bytes.
fn savings(report: &Report, words: &mut Words) {
    for level in LEVELS {
        let saved = |cost: Cost| {
            let points = AXES.iter().flat_map(|axis| axis.points());
            let ratios = points.filter_map(|(_, shape)| pair(report, &shape, level).ratio(cost));
            range(ratios.collect::<Vec<_>>())
        };
        let all: Option<Vec<String>> = Cost::ALL
            .iter()
            .map(|&cost| Some(format!("{} {}", cost.name(), times(saved(cost)?))))
            .collect();
        if let Some(all) = all {
            words.survives.push(format!(
                "Over all axes at {}, fused against split: {}.",
                level.name(),
                all.join("; ")
            ));
        }
    }
}

/// Where splitting is better.
fn splitting(report: &Report, words: &mut Words) {
    let mut compared = 0;
    let mut better: Vec<(String, f64)> = vec![];
    for it in &report.measurements {
        if it.configuration.boundary == Boundary::Split {
            continue;
        }
        let both = pair(report, &it.configuration.shape, it.configuration.level);
        for cost in Cost::ALL {
            let Some(ratio) = both.ratio(cost) else {
                continue;
            };
            compared += 1;
            if ratio > 1.0 + NOISE {
                let place = describe(&it.configuration).replace(", fused", "");
                let saved = 100.0 * (1.0 - 1.0 / ratio);
                better.push((
                    format!("{} ({place}): {saved:.0} % less", cost.name()),
                    ratio,
                ));
            }
        }
    }
    if compared == 0 {
        return;
    }
    let rule = format!(
        "by more than {:.0} %, which is what times vary by",
        100.0 * NOISE
    );
    if better.is_empty() {
        words.survives.push(format!(
            "Splitting wins nowhere: of {compared} comparisons (bytes, CPU-seconds, memory, verifying time) none \
             has the split proofs ahead {rule}. A single prover that wants one statement has no reason to split; \
             what splitting offers, two proofs that two machines can make at the same time, is not measured here."
        ));
        return;
    }
    better.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<&str> = better
        .iter()
        .take(NAMED)
        .map(|(text, _)| text.as_str())
        .collect();
    words.denied.push(format!(
        "Splitting wins in {} of {compared} comparisons (bytes, CPU-seconds, memory, verifying time) {rule}: {}{}.",
        better.len(),
        named.join("; "),
        if better.len() > NAMED { "; ..." } else { "" }
    ));
}

/// What is shared by proving all at once: one sentence for the heads, one for the steps.
pub fn sharing(report: &Report) -> Vec<String> {
    let of = |shape, boundary| {
        medians(
            report,
            &configuration(shape, Level::Conjectured100, boundary),
        )
    };
    let mut sentences = vec![];
    let one_head = crate::pressure::rows::one_head();
    if let (Some(all), Some(one)) = (of(BASE, Boundary::Fused), of(one_head, Boundary::Fused)) {
        sentences.push(format!(
            "One proof for all 4 heads takes {:.2} times the bytes and {:.2} times the CPU-seconds of one proof for \
             each head, for the same claims at conjectured-100.",
            all.bytes / (4.0 * one.bytes),
            all.cpu_seconds / (4.0 * one.cpu_seconds)
        ));
    }
    let by_step = crate::pressure::data::Shape {
        segment_steps: 1,
        ..BASE
    };
    if let (Some(all), Some(each)) = (of(BASE, Boundary::Fused), of(by_step, Boundary::Fused)) {
        sentences.push(format!(
            "One proof for all 64 steps takes 1/{:.0} of the bytes and 1/{:.1} of the CPU-seconds of one proof for each \
             step: one audit packet for the truck against one for each box.",
            each.bytes / all.bytes,
            each.cpu_seconds / all.cpu_seconds
        ));
    }
    sentences
}
