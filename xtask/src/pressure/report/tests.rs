//! The documents from a made-up report, with everything that can be missing.
#![allow(clippy::unwrap_used)]

use super::analysis::{figures, medians, pair, Cost, Verdict};
use super::{html, markdown, sections, words, write};
use crate::pressure::data::{
    Boundary, Configuration, Counts, Level, Measurement, NamedSizes, Prediction, ProofSizes,
    Report, Rules, Sample, Shape,
};
use crate::pressure::rows::{configuration, essay_row, planner_configurations, AXES, BASE, STEPS};

fn proof(part: &str, bytes: u64) -> ProofSizes {
    let named = |name: &str| NamedSizes {
        name: name.to_owned(),
        columns: 5,
        samples: 100,
        queried_values: 200,
        merkle_paths: 300,
    };
    ProofSizes {
        part: part.to_owned(),
        bytes,
        samples: 100,
        queried_values: 200,
        merkle_paths: bytes - 700,
        low_degree: 300,
        rest: 100,
        json_bytes: 4 * bytes,
        opened_columns: 5,
        low_degree_layers: 3,
        queries: 20,
        log_domain: 18,
        trees: vec![named("witness")],
        components: vec![named("vectors, 2^5 rows")],
    }
}

/// Samples with these bytes; the split one has a fifth of them in its lookup proof.
fn measured(configuration: Configuration, bytes: &[u64], cpu_seconds: f64) -> Measurement {
    let samples = bytes.iter().enumerate().map(|(index, &bytes)| Sample {
        nonce: format!("{index:032x}"),
        relation_digest: "ab".repeat(32),
        prove_cpu_seconds: cpu_seconds,
        prove_wall_seconds: cpu_seconds / 2.0,
        peak_memory_bytes: 1 << 28,
        verify_ms: 3.0,
        proof_bytes: bytes,
        proofs: match configuration.boundary {
            Boundary::Fused => vec![proof("fused", bytes)],
            Boundary::Split => vec![
                proof("arithmetic", bytes - bytes / 5),
                proof("lookup", bytes / 5),
            ],
        },
    });
    Measurement {
        counts: Some(Counts {
            lookup_claims: configuration.shape.claims(),
            trace_rows: 1000,
            committed_cells: 20_000,
            opened_columns: 5,
            trees: 7,
        }),
        samples: samples.collect(),
        refused: None,
        configuration,
    }
}

fn report() -> Report {
    use Boundary::{Fused, Split};
    use Level::{Conjectured100, Insecure13, Johnson100};
    let by_step = Shape {
        segment_steps: 1,
        ..BASE
    };
    let at = |steps| {
        let found = AXES[STEPS].points().find(|(value, _)| *value == steps);
        found.unwrap().1
    };
    let mut measurements = vec![
        measured(
            configuration(BASE, Conjectured100, Fused),
            &[80_000, 78_000, 79_000],
            2.0,
        ),
        measured(configuration(BASE, Conjectured100, Split), &[140_000], 3.0),
        measured(configuration(BASE, Johnson100, Fused), &[90_000], 2.0),
        measured(
            configuration(by_step, Conjectured100, Fused),
            &[4_000_000],
            10.0,
        ),
        measured(
            configuration(at(512), Conjectured100, Fused),
            &[100_000],
            90.0,
        ),
    ];
    for dim in [8, 16, 32] {
        for (steps, bytes) in [(32, 50_000), (64, 60_000)] {
            let row = essay_row(dim, steps, Rules::Default);
            measurements.push(measured(
                configuration(row, Conjectured100, Fused),
                &[bytes],
                1.0,
            ));
            let row = essay_row(dim, steps, Rules::Essay);
            measurements.push(measured(
                configuration(row, Insecure13, Fused),
                &[bytes / 5],
                1.0,
            ));
        }
    }
    measurements.push(Measurement {
        configuration: configuration(at(256), Johnson100, Split),
        counts: None,
        samples: vec![],
        refused: Some("a shape <too large>".to_owned()),
    });
    Report {
        version: "matchmark 9".to_owned(),
        relation_digest: "ab".repeat(32),
        machine: "2 cores".to_owned(),
        proofs: 3,
        quick: false,
        measurements,
        predictions: vec![],
        calibrated: false,
    }
}

#[test]
fn medians_spread_and_ratios() {
    let report = report();
    let it = configuration(BASE, Level::Conjectured100, Boundary::Fused);
    let base = medians(&report, &it).unwrap();
    assert_eq!((base.bytes, base.proofs), (79_000.0, 3));
    assert!((base.spread - 2.0 / 79.0).abs() < 1e-12);
    assert_eq!(base.typical().proof_bytes, 79_000);
    let both = pair(&report, &BASE, Level::Conjectured100);
    assert!((both.ratio(Cost::Bytes).unwrap() - 79.0 / 140.0).abs() < 1e-12);
    assert_eq!(both.split.unwrap().parts, [112_000.0, 28_000.0]);
    assert!(pair(&report, &BASE, Level::Johnson100)
        .ratio(Cost::Cpu)
        .is_none());
}

#[test]
fn figures_are_met_missed_or_not_measured() {
    let figures = figures(&report());
    let verdicts: Vec<Verdict> = figures
        .iter()
        .map(super::analysis::Figure::verdict)
        .collect();
    use Verdict::{Met, NotMeasured};
    // No 32 steps at d 64; no split at johnson-100.
    assert_eq!(
        verdicts,
        [NotMeasured, Met, NotMeasured, Met, Met, Verdict::NotMet]
    );
    assert!((figures[1].worst() - 100.0 / 79.0).abs() < 1e-12);
    assert!((figures[3].worst() - 79_000.0 / 276_503.0).abs() < 1e-12);
    assert!((figures[4].worst() - 79.0 / 4000.0).abs() < 1e-12);
    assert!((figures[5].worst() - 0.2).abs() < 1e-12);
    assert!(
        figures[0].measured().contains("d 8: 1.200") && figures[0].measured().ends_with("d 64: -")
    );
}

#[test]
fn a_missed_growth_is_explained_by_its_parts() {
    let mut report = report();
    let row = essay_row(64, 32, Rules::Default);
    let row = configuration(row, Level::Conjectured100, Boundary::Fused);
    report.measurements.push(measured(row, &[78_000], 1.0));
    let figure = figures(&report).remove(0);
    assert_eq!(figure.verdict(), Verdict::NotMet);
    let reason = figure.reason.unwrap();
    // 10,000 bytes more, all of them paths as the test makes them.
    for words in [
        "grows by 10,000 bytes",
        "Merkle paths of the 7 trees 100 %",
        "3,500 bytes in all",
    ] {
        assert!(reason.contains(words), "{reason}");
    }
    let denied = words::all(&report).denied.join(" ");
    assert!(denied.contains("Promised, and not met") && denied.contains("does not carry over"));
}

#[test]
fn words_follow_the_numbers() {
    let mut report = report();
    let words = words::all(&report);
    assert!(words
        .survives
        .iter()
        .any(|it| it.contains("Splitting wins nowhere")));
    // Flat growth, and a split proof that verifies faster.
    for it in &mut report.measurements {
        if it.configuration.shape.rules == Rules::Essay {
            it.samples[0].proofs[0].json_bytes = 1000;
        }
        if it.configuration.boundary == Boundary::Split && !it.samples.is_empty() {
            it.samples[0].verify_ms = 1.0;
        }
    }
    let words = words::all(&report);
    assert!(words
        .survives
        .iter()
        .any(|it| it.contains("The published flatness holds")));
    let wins = words
        .denied
        .iter()
        .find(|it| it.contains("Splitting wins in 1 of 4"));
    assert!(wins.unwrap().contains("verifying time") && wins.unwrap().contains("67 % less"));
}

#[test]
fn documents_show_what_is_missing() {
    let report = report();
    let sections = sections::all(&report);
    let text = markdown(&sections);
    for words in [
        "| not measured |",
        "No plan was available.",
        "Not carried: 4/4 heads, d 64, prefix 2, 256 steps, johnson-100, split: a shape <too large>.",
        "one proof for 1 step | 64 | 4,000,000",
    ] {
        assert!(text.contains(words), "{words}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf"));
    let page = html::page(&sections);
    assert!(page.contains("a shape &lt;too large&gt;") && !page.contains("<too large>"));
    assert!(!page.contains("NaN") && !page.contains("<script") && !page.contains("http"));
    for tag in ["svg", "table", "section", "ul", "nav"] {
        let count = |mark: &str| page.matches(mark).count();
        let (open, close) = (count(&format!("<{tag}")), count(&format!("</{tag}>")));
        assert_eq!(open, close, "{tag}");
    }
}

#[test]
fn machines_read_the_same() {
    let object = super::json::summary(&report());
    let figures = object["figures"].as_array().unwrap();
    assert_eq!(figures.len(), 6);
    assert_eq!(figures[1]["verdict"], "met");
    assert!(figures[2]["values"][1]["value"].is_null());
    let rows = object["rows"].as_array().unwrap();
    assert_eq!(rows[0]["median"]["bytes"], 79_000.0);
    assert_eq!(rows[0]["bytes_range"][1], 80_000);
    assert_eq!(rows[0]["typical"][0]["trees"][0][4], 300);
    let refused = rows.iter().find(|row| !row["refused"].is_null());
    assert!(refused.unwrap().get("median").is_none());
}

#[test]
fn predictions_are_judged() {
    let mut report = report();
    let rows = planner_configurations();
    for (row, bytes) in [(&rows[0], 100_000), (&rows[1], 90_000)] {
        report
            .measurements
            .push(measured(row.clone(), &[bytes], 4.0));
        report.predictions.push(Prediction {
            configuration: row.clone(),
            bytes: 96_000.0,
            cpu_seconds: 5.5,
            memory_bytes: f64::from(1 << 28),
            verify_ms: 3.0,
        });
    }
    let text = markdown(&sections::all(&report));
    assert!(
        text.contains("Bytes within 5 %: 1 of 2 (largest deviation 6.7 %)"),
        "{text}"
    );
    assert!(text.contains("CPU-seconds within 25 %: 0 of 2 (largest 37.5 %)"));
}

#[test]
fn what_stands_around_the_generated_part_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pressure.md");
    write(&report(), folder.path()).unwrap();
    let first = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{first}\nA closing word.\n")).unwrap();
    write(&report(), folder.path()).unwrap();
    let second = std::fs::read_to_string(&path).unwrap();
    assert_eq!(second, format!("{first}\nA closing word.\n"));
    std::fs::write(&path, "no marks").unwrap();
    assert!(write(&report(), folder.path()).is_err());
}
