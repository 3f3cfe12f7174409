//! The plots of the page. Each is left out where there is nothing to draw.

use crate::pressure::data::{Boundary, Level, Report, Rules};
use crate::pressure::report::analysis::{float, medians, pair, Cost, Medians};
use crate::pressure::report::essay;
use crate::pressure::report::svg::{lines, scatter, stacks, tick_text, Frame, Series, Stack};
use crate::pressure::rows::{
    configuration, essay_row, AXES, BASE, ESSAY_DIMS, LEVELS, SEGMENT_STEPS, STEPS,
};
use crate::pressure::schedule::describe;

/// The medians of an axis' points at conjectured-100.
fn along(report: &Report, axis: usize, boundary: Boundary) -> Vec<(f64, Medians<'_>)> {
    AXES[axis]
        .points()
        .filter_map(|(value, shape)| {
            let it = configuration(shape, Level::Conjectured100, boundary);
            Some((f64::from(value), medians(report, &it)?))
        })
        .collect()
}

fn series(
    label: &str,
    class: &'static str,
    points: &[(f64, Medians<'_>)],
    value: impl Fn(&Medians<'_>) -> f64,
) -> Series {
    let first = points.first().map_or(1.0, |(_, it)| value(it));
    Series {
        label: label.to_owned(),
        class,
        points: points
            .iter()
            .map(|(x, it)| (*x, value(it) / first))
            .collect(),
    }
}

/// Growth of claims, rows, cells and bytes over steps, on one axis.
pub fn growth(report: &Report) -> Option<String> {
    let fused = along(report, STEPS, Boundary::Fused);
    let split = along(report, STEPS, Boundary::Split);
    if fused.len() < 2 {
        return None;
    }
    let all = [
        series("claims", "c0", &fused, |it| float(it.counts.lookup_claims)),
        series("trace rows", "c1", &fused, |it| float(it.counts.trace_rows)),
        series("committed cells", "c2", &fused, |it| {
            float(it.counts.committed_cells)
        }),
        series("fused bytes", "c3", &fused, |it| it.bytes),
        series("split bytes", "c4", &split, |it| it.bytes),
    ];
    Some(lines(
        &Frame {
            title: "Growth over steps: claims, rows, cells and bytes as multiples of the first row",
            x: "steps in one proof (d 64, 4 heads, conjectured-100)",
            y: "times the first row",
        },
        &all,
    ))
}

/// Fused against split over the published rows.
pub fn ratios(report: &Report) -> Option<String> {
    let mut bars = vec![];
    let mut both = |name: String, fused: f64, split: [f64; 2]| {
        let whole: f64 = split.iter().sum();
        bars.push(Stack {
            label: format!("{name}, fused"),
            parts: vec![fused, 0.0, 0.0],
            note: format!("{}, {:.3} of split", tick_text(fused), fused / whole),
        });
        bars.push(Stack {
            label: format!("{name}, split"),
            parts: vec![0.0, split[0], split[1]],
            note: tick_text(whole),
        });
    };
    both(
        "published, JSON, d 64".to_owned(),
        essay::FUSED_BYTES,
        [essay::ARITHMETIC_BYTES, essay::LOOKUP_BYTES],
    );
    let row = essay_row(64, 64, Rules::Essay);
    let weak = pair(report, &row, Level::Insecure13);
    let mut own = 0;
    if let (Some(fused), Some(split)) = (weak.fused, weak.split) {
        let json = |index: usize| float(split.typical().proofs[index].json_bytes);
        both(
            "like for like, JSON, d 64".to_owned(),
            fused.json_bytes,
            [json(0), json(1)],
        );
        own += 1;
    }
    for dim in ESSAY_DIMS {
        let row = essay_row(dim, 64, Rules::Default);
        let strong = pair(report, &row, Level::Conjectured100);
        if let (Some(fused), Some(split)) = (strong.fused, strong.split) {
            both(
                format!("100 bits, d {dim}"),
                fused.bytes,
                [split.parts[0], split.parts[1]],
            );
            own += 1;
        }
    }
    let legend = [("fused", "c3"), ("arithmetic", "c4"), ("lookup", "c5")];
    (own > 0).then(|| {
        stacks(
            "Bytes of fused and split proofs, 4 heads, 64 steps",
            &legend,
            &bars,
        )
    })
}

/// Bytes by part of the base shape.
pub fn parts(report: &Report) -> Option<String> {
    let mut bars = vec![];
    for level in LEVELS {
        for boundary in [Boundary::Fused, Boundary::Split] {
            let Some(it) = medians(report, &configuration(BASE, level, boundary)) else {
                continue;
            };
            for proof in &it.typical().proofs {
                bars.push(Stack {
                    label: format!("{}, {}", level.name(), proof.part),
                    parts: [
                        proof.merkle_paths,
                        proof.low_degree,
                        proof.queried_values,
                        proof.samples,
                        proof.rest,
                    ]
                    .map(float)
                    .to_vec(),
                    note: tick_text(float(proof.bytes)),
                });
            }
        }
    }
    let legend = [
        ("Merkle paths", "c0"),
        ("low-degree test", "c1"),
        ("queried values", "c2"),
        ("samples", "c3"),
        ("rest", "c4"),
    ];
    (!bars.is_empty()).then(|| stacks("Bytes by part: d 64, 4 heads, 64 steps", &legend, &bars))
}

/// A chain of 64 steps over the length of its segments.
pub fn segments(report: &Report) -> Option<String> {
    let fused = along(report, SEGMENT_STEPS, Boundary::Fused);
    let split = along(report, SEGMENT_STEPS, Boundary::Split);
    if fused.len() < 2 {
        return None;
    }
    let whole = |points: &[(f64, Medians<'_>)], value: fn(&Medians<'_>) -> f64| {
        points.iter().map(|(x, it)| (*x, value(it))).collect()
    };
    let one = |label: &str, class, points| Series {
        label: label.to_owned(),
        class,
        points,
    };
    Some(lines(
        &Frame {
            title: "A chain of 64 steps: bytes and CPU-seconds over the length of its segments",
            x: "steps a segment (64 steps in all)",
            y: "kB; CPU-seconds",
        },
        &[
            one("fused kB", "c3", whole(&fused, |it| it.bytes / 1e3)),
            one("split kB", "c4", whole(&split, |it| it.bytes / 1e3)),
            one("fused CPU s", "c0", whole(&fused, |it| it.cost(Cost::Cpu))),
            one("split CPU s", "c1", whole(&split, |it| it.cost(Cost::Cpu))),
        ],
    ))
}

/// Predicted against measured CPU-seconds.
pub fn predictions(report: &Report) -> Option<String> {
    let points: Vec<(f64, f64, String)> = report
        .predictions
        .iter()
        .filter_map(|it| {
            let measured = medians(report, &it.configuration)?;
            Some((
                measured.cpu_seconds,
                it.cpu_seconds,
                describe(&it.configuration),
            ))
        })
        .collect();
    (points.len() > 1).then(|| {
        let frame = Frame {
            title: "CPU-seconds, predicted against measured; the outer lines are 25 % off",
            x: "measured CPU-seconds",
            y: "predicted CPU-seconds",
        };
        scatter(&frame, &points, 0.25, "c0")
    })
}
