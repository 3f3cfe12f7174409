//! The report as sections: what both documents show, in their order.

use crate::pressure::data::{Boundary, Level, ProofSizes, Report, Rules, Shape};
use crate::pressure::report::analysis::{
    figures, medians, pair, ratio_text, whole, Cost, Medians, Pair,
};
use crate::pressure::report::plots;
use crate::pressure::report::{essay, words};
use crate::pressure::rows::{
    configuration, essay_row, one_head, Axis, AXES, BASE, ESSAY_DIMS, ESSAY_STEPS, LEVELS,
    SEGMENT_STEPS,
};
use crate::pressure::schedule::describe;
use crate::table::{thousands, Table};

/// What stands where a measurement is missing.
const NONE: &str = "-";

/// A heading and what stands under it.
pub struct Section {
    /// Its title.
    pub title: String,
    /// Its parts.
    pub blocks: Vec<Block>,
}

/// A part of a section.
pub enum Block {
    /// Running text.
    Text(String),
    /// A list of sentences.
    List(Vec<String>),
    /// A table.
    Table(Table),
    /// A plot, as SVG; only the page shows it.
    Plot(String),
}

/// All sections.
pub fn all(report: &Report) -> Vec<Section> {
    let mut sections = vec![summary(report), survival(report)];
    sections.extend(AXES.iter().map(|axis| axis_section(report, axis)));
    sections.extend([
        bytes_section(report),
        published(report),
        sharing(report),
        planner(report),
        method(report),
    ]);
    sections
}

fn section(title: &str, blocks: Vec<Block>) -> Section {
    Section {
        title: title.to_owned(),
        blocks,
    }
}

fn summary(report: &Report) -> Section {
    let mut table = Table::new(&["figure", "measured", "at most", ""]);
    for figure in figures(report) {
        table.row(vec![
            figure.name.to_owned(),
            figure.measured(),
            ratio_text(figure.bound),
            figure.verdict().name().to_owned(),
        ]);
    }
    let mut blocks = vec![
        Block::Text("Ratios; where there are several, the largest counts.".to_owned()),
        Block::Table(table),
    ];
    blocks.extend(plots::growth(report).map(Block::Plot));
    section("Figures", blocks)
}

fn survival(report: &Report) -> Section {
    let words = words::all(report);
    let mut blocks = vec![];
    if !words.denied.is_empty() {
        blocks.push(Block::Text(
            "What was published or promised, and is denied by the measurements:".to_owned(),
        ));
        blocks.push(Block::List(words.denied));
    }
    if !words.survives.is_empty() {
        blocks.push(Block::Text("What holds:".to_owned()));
        blocks.push(Block::List(words.survives));
    }
    blocks.extend(plots::ratios(report).map(Block::Plot));
    section("What survives of the published result", blocks)
}

/// A cell of a table: a number, or a dash.
fn cell<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), show)
}

fn bytes(value: f64) -> String {
    thousands(whole(value))
}

fn count(value: u64) -> String {
    thousands(value)
}

fn mebibytes(value: f64) -> String {
    format!("{:.0}", value / f64::from(1_u32 << 20))
}

fn seconds(value: f64) -> String {
    format!("{value:.2}")
}

fn milliseconds(value: f64) -> String {
    format!("{value:.1}")
}

fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// The counts of shapes, which depend on no level: headings and a row.
fn counts_table(report: &Report, label: &str, points: &[(String, Shape)]) -> Table {
    let mut table = Table::new(&[
        label,
        "claims",
        "rows fused",
        "split",
        "cells fused",
        "split",
        "columns fused",
        "split",
        "trees fused",
        "split",
    ]);
    for (name, shape) in points {
        let found = LEVELS
            .iter()
            .map(|&level| pair(report, shape, level))
            .find(|it| it.fused.is_some() || it.split.is_some());
        let Some(found) = found else { continue };
        let Pair { fused, split } = &found;
        let claims = fused.as_ref().or(split.as_ref());
        let mut row = vec![
            name.clone(),
            cell(claims, |it| count(it.counts.lookup_claims)),
        ];
        for of in [
            (|it| it.counts.trace_rows) as fn(&Medians<'_>) -> u64,
            |it| it.counts.committed_cells,
            |it| it.counts.opened_columns,
            |it| it.counts.trees,
        ] {
            for way in [fused, split] {
                row.push(cell(way.as_ref(), |it| count(of(it))));
            }
        }
        table.row(row);
    }
    table
}

/// Bytes and costs of shapes at every level, and the range of the number of proofs behind them.
fn costs_table(report: &Report, label: &str, points: &[(String, Shape)]) -> (Table, String) {
    let mut table = Table::new(&[
        label,
        "level",
        "arithmetic",
        "lookup",
        "split",
        "fused",
        "ratio",
        "spread",
        "CPU s fused",
        "split",
        "MiB fused",
        "split",
        "verify ms fused",
        "split",
        "proofs",
    ]);
    let mut refused = vec![];
    for level in LEVELS {
        for (name, shape) in points {
            let both = pair(report, shape, level);
            for boundary in [Boundary::Fused, Boundary::Split] {
                let it = configuration(shape.clone(), level, boundary);
                let reason = report
                    .measurements
                    .iter()
                    .find(|found| found.configuration == it)
                    .and_then(|found| found.refused.clone());
                refused.extend(reason.map(|reason| format!("{}: {reason}", describe(&it))));
            }
            table.row(costs_row(name, level, &both));
        }
    }
    let mut note = "Bytes; ratio of fused to split bytes; spread of fused bytes, largest less smallest over the \
                    median; medians over so many proofs (fewest of both)."
        .to_owned();
    for reason in refused {
        note += &format!(" Not carried: {reason}.");
    }
    (table, note)
}

fn costs_row(name: &str, level: Level, both: &Pair<'_>) -> Vec<String> {
    let (fused, split) = (both.fused.as_ref(), both.split.as_ref());
    let mut row = vec![
        name.to_owned(),
        level.name().to_owned(),
        cell(split, |it| bytes(it.parts[0])),
        cell(split, |it| bytes(it.parts[1])),
        cell(split, |it| bytes(it.bytes)),
        cell(fused, |it| bytes(it.bytes)),
        cell(both.ratio(Cost::Bytes), |it| format!("{it:.3}")),
        cell(fused, |it| percent(it.spread)),
    ];
    for (cost, show) in [
        (Cost::Cpu, seconds as fn(f64) -> String),
        (Cost::Memory, mebibytes),
        (Cost::Verify, milliseconds),
    ] {
        for way in [fused, split] {
            row.push(cell(way, |it| show(it.cost(cost))));
        }
    }
    let proofs = [fused, split].into_iter().flatten().map(|it| it.proofs);
    row.push(cell(proofs.min(), |it| it.to_string()));
    row
}

fn axis_section(report: &Report, axis: &Axis) -> Section {
    let points: Vec<(String, Shape)> = axis
        .points()
        .map(|(value, shape)| (value.to_string(), shape))
        .collect();
    let (costs, note) = costs_table(report, axis.label, &points);
    let mut blocks = vec![Block::Text(format!(
        "Around {}.",
        describe(&configuration(BASE, Level::Conjectured100, Boundary::Fused))
            .replace(", conjectured-100, fused", "")
    ))];
    if axis.key == AXES[SEGMENT_STEPS].key {
        blocks.extend(plots::segments(report).map(Block::Plot));
    }
    blocks.push(Block::Table(counts_table(report, axis.label, &points)));
    blocks.push(Block::Table(costs));
    blocks.push(Block::Text(note));
    section(axis.title, blocks)
}

/// Where the bytes are.
fn bytes_section(report: &Report) -> Section {
    let mut parts = Table::new(&[
        "level",
        "proof",
        "bytes",
        "samples",
        "queried values",
        "Merkle paths",
        "low-degree test",
        "rest",
        "layers",
        "queries",
    ]);
    for level in LEVELS {
        for boundary in [Boundary::Fused, Boundary::Split] {
            let Some(it) = medians(report, &configuration(BASE, level, boundary)) else {
                continue;
            };
            for proof in &it.typical().proofs {
                let mut row = vec![level.name().to_owned(), proof.part.clone()];
                row.extend(
                    [
                        proof.bytes,
                        proof.samples,
                        proof.queried_values,
                        proof.merkle_paths,
                        proof.low_degree,
                        proof.rest,
                        proof.low_degree_layers,
                        proof.queries,
                    ]
                    .map(count),
                );
                parts.row(row);
            }
        }
    }
    let mut blocks = vec![Block::Text(
        "d 64, 4 heads, 64 steps; for each level and boundary the proof with the median bytes."
            .to_owned(),
    )];
    blocks.extend(plots::parts(report).map(Block::Plot));
    blocks.push(Block::Table(parts));
    let list: fn(&ProofSizes) -> &Vec<_> = |proof| &proof.trees;
    blocks.push(Block::Text("By tree, at conjectured-100:".to_owned()));
    blocks.push(Block::Table(named_table(report, "tree", list)));
    let list: fn(&ProofSizes) -> &Vec<_> = |proof| &proof.components;
    blocks.push(Block::Text(
        "By component, as far as it can be told apart, at conjectured-100: a component's own columns. \
         Preprocessed columns and the composition belong to no component, Merkle paths to no column."
            .to_owned(),
    ));
    blocks.push(Block::Table(named_table(report, "component", list)));
    section("Where the bytes are", blocks)
}

fn named_table(
    report: &Report,
    what: &str,
    list: fn(&ProofSizes) -> &Vec<crate::pressure::data::NamedSizes>,
) -> Table {
    let mut table = Table::new(&[
        "proof",
        what,
        "columns",
        "samples",
        "queried values",
        "Merkle paths",
        "share of the proof",
    ]);
    for boundary in [Boundary::Fused, Boundary::Split] {
        let it = configuration(BASE, Level::Conjectured100, boundary);
        let Some(it) = medians(report, &it) else {
            continue;
        };
        for (index, proof) in it.typical().proofs.iter().enumerate() {
            for (name, columns, sizes) in it.named(index, list) {
                let [samples, queried, paths] = sizes;
                let paths_text = if what == "tree" {
                    bytes(paths)
                } else {
                    NONE.to_owned()
                };
                table.row(vec![
                    proof.part.clone(),
                    name,
                    columns.to_string(),
                    bytes(samples),
                    bytes(queried),
                    paths_text,
                    percent((samples + queried + paths) / it.parts[index]),
                ]);
            }
        }
    }
    table
}

/// The published rows beside ours.
fn published(report: &Report) -> Section {
    let mut theirs = Table::new(&["published, JSON at 13 bits", "bytes"]);
    for (name, value) in [
        ("fused, d 64, 4 heads, 64 steps", essay::FUSED_BYTES),
        ("split, the same", essay::SPLIT_BYTES),
        ("of it arithmetic", essay::ARITHMETIC_BYTES),
        ("of it LogUp", essay::LOOKUP_BYTES),
    ] {
        theirs.row(vec![name.to_owned(), bytes(value)]);
    }
    let mut ours = Table::new(&[
        "d",
        "steps",
        "claims",
        "JSON, 13 bits: fused",
        "split",
        "ratio",
        "binary, 13 bits: fused",
        "split",
        "ratio",
        "conjectured-100: fused",
        "split",
        "ratio",
        "256 weights, conjectured-100: fused",
        "split",
        "ratio",
    ]);
    for dim in ESSAY_DIMS {
        for steps in ESSAY_STEPS {
            let alike = essay_row(dim, steps, Rules::Essay);
            let weak = pair(report, &alike, Level::Insecure13);
            let strong = pair(report, &alike, Level::Conjectured100);
            let own = essay_row(dim, steps, Rules::Default);
            let own = pair(report, &own, Level::Conjectured100);
            let mut row = vec![dim.to_string(), steps.to_string(), count(alike.claims())];
            let json: fn(&Medians<'_>) -> f64 = |it| it.json_bytes;
            let binary: fn(&Medians<'_>) -> f64 = |it| it.bytes;
            for (both, value) in [
                (&weak, json),
                (&weak, binary),
                (&strong, binary),
                (&own, binary),
            ] {
                let [fused, split] = [&both.fused, &both.split].map(|it| it.as_ref().map(value));
                let ratio = fused.zip(split).map(|(fused, split)| fused / split);
                row.extend([cell(fused, bytes), cell(split, bytes)]);
                row.push(cell(ratio, |it| format!("{it:.3}")));
            }
            ours.row(row);
        }
    }
    let [least, largest] = essay::RATIOS;
    let [slow, fast] = essay::BYTES_GROWTH;
    section(
        "The published table beside ours",
        vec![
            Block::Text(format!(
                "Published: fused over split {least} to {largest} over four rows, fused bytes growing {slow} to \
                 {fast} times from 32 to 64 steps while claims grow {:.2} and rows {:.2} times. Which four rows \
                 were meant is not said; with 4 heads, a prefix of 2 and dimensions 8, 16, 32 and 64 claims grow \
                 as published.",
                essay::CLAIMS_GROWTH,
                essay::ROWS_GROWTH
            )),
            Block::Table(theirs),
            Block::Text(
                "Ours, like for like: level insecure-13, a table of nine weights, floor division, and the length \
                 that the library's own JSON of our proofs would have (claimed sums and proof; no public values, \
                 no witness). JSON is computed for this comparison alone. Then the same in our binary format, at \
                 100 bits, and with our own table and rounding."
                    .to_owned(),
            ),
            Block::Table(ours),
        ],
    )
}

/// More than two proofs, sharing or not.
fn sharing(report: &Report) -> Section {
    let mut table = Table::new(&[
        "64 steps, d 64, 4 heads",
        "proofs",
        "bytes",
        "CPU s",
        "verify ms",
    ]);
    let fused = |shape: Shape| {
        let it = configuration(shape, Level::Conjectured100, Boundary::Fused);
        medians(report, &it)
    };
    let mut row = |name: String, proofs: u32, times: f64, it: Option<Medians<'_>>| {
        table.row(vec![
            name,
            proofs.to_string(),
            cell(it.as_ref(), |it| bytes(times * it.bytes)),
            cell(it.as_ref(), |it| seconds(times * it.cpu_seconds)),
            cell(it.as_ref(), |it| milliseconds(times * it.verify_ms)),
        ]);
    };
    row("one proof for everything".to_owned(), 1, 1.0, fused(BASE));
    row(
        "one proof for each head (four chains)".to_owned(),
        4,
        4.0,
        fused(one_head()),
    );
    for (steps, shape) in AXES[SEGMENT_STEPS].points() {
        if steps < BASE.steps {
            let plural = if steps == 1 { "step" } else { "steps" };
            row(
                format!("one proof for {steps} {plural}"),
                BASE.steps / steps,
                1.0,
                fused(shape),
            );
        }
    }
    let mut blocks = vec![Block::Text(
        "All fused, at conjectured-100 compact. For each head: four times what one head alone takes.".to_owned(),
    )];
    blocks.push(Block::Table(table));
    blocks.push(Block::List(words::sharing(report)));
    section("Sharing among more than two proofs", blocks)
}

/// Predicted against measured.
fn planner(report: &Report) -> Section {
    let title = "Predicted against measured";
    if report.predictions.is_empty() {
        return section(
            title,
            vec![Block::Text("No plan was available.".to_owned())],
        );
    }
    let mut table = Table::new(&[
        "shape",
        "bytes predicted",
        "measured",
        "off",
        "CPU s predicted",
        "measured",
        "off",
        "MiB predicted",
        "measured",
        "off",
        "verify ms predicted",
        "measured",
        "off",
        "proofs",
    ]);
    let mut off: [Vec<f64>; 4] = Default::default();
    for prediction in &report.predictions {
        let Some(it) = medians(report, &prediction.configuration) else {
            continue;
        };
        let mut row = vec![describe(&prediction.configuration)];
        let pairs = [
            (prediction.bytes, it.bytes, bytes as fn(f64) -> String),
            (prediction.cpu_seconds, it.cpu_seconds, seconds),
            (prediction.memory_bytes, it.memory_bytes, mebibytes),
            (prediction.verify_ms, it.verify_ms, milliseconds),
        ];
        for ((predicted, measured, show), off) in pairs.into_iter().zip(&mut off) {
            let by = predicted / measured - 1.0;
            off.push(by.abs());
            row.extend([show(predicted), show(measured), percent(by)]);
        }
        row.push(it.proofs.to_string());
        table.row(row);
    }
    let within = |index: usize, bound: f64| {
        let all: &Vec<f64> = &off[index];
        let good = all.iter().filter(|by| **by <= bound).count();
        format!("{good} of {}", all.len())
    };
    let largest = |index: usize| percent(off[index].iter().copied().fold(0.0, f64::max));
    let source = if report.calibrated {
        "The cost model was calibrated on this machine (`matchmark plan --calibrate`)"
    } else {
        "The cost model is that of a reference machine; this one was not calibrated"
    };
    let text = format!(
        "{source}; none of these shapes was used to fit it. Bytes within 5 %: {} (largest deviation {}). CPU-seconds \
         within 25 %: {} (largest {}). Memory within 25 %: {}; verifying time within 25 %: {}.",
        within(0, 0.05),
        largest(0),
        within(1, 0.25),
        largest(1),
        within(2, 0.25),
        within(3, 0.25),
    );
    let mut blocks = vec![Block::Text(text)];
    blocks.extend(plots::predictions(report).map(Block::Plot));
    blocks.push(Block::Table(table));
    section(title, blocks)
}

fn method(report: &Report) -> Section {
    let measured = report
        .measurements
        .iter()
        .filter(|it| !it.samples.is_empty());
    let fewest = measured.clone().map(|it| it.samples.len()).min();
    let short = measured
        .clone()
        .filter(|it| it.samples.len() < report.proofs);
    let proofs: usize = measured.clone().map(|it| it.samples.len()).sum();
    let text = format!(
        "{}, relation {}, on {}. {} configurations, {proofs} proofs or chains; {} were asked for of each \
         configuration, each for a verifier domain of its own, so that the query positions differ; {} configurations \
         have fewer, the fewest {}. Traces are synthetic. Every proof is made by a process of its own, whose \
         CPU-seconds and peak memory are meant; verifying time is the median of three processes, as the \
         verifier reports it: reading, decoding and verifying the whole chain. Profiles are compact. \
         The machine is shared: compare ratios rather than seconds.",
        report.version,
        report.relation_digest.get(..16).unwrap_or_default(),
        report.machine,
        measured.clone().count(),
        report.proofs,
        short.count(),
        fewest.unwrap_or(0),
    );
    section("How it was measured", vec![Block::Text(text)])
}
