//! `cargo xtask pressure`: fused against split proofs, measured over shapes and levels through the
//! `matchmark` command, and the planner's predictions beside them.
//!
//! [`rows`] says what is measured, [`command`] measures one configuration once, [`store`] keeps what is
//! finished, [`schedule`] takes what is missing, [`predict`] asks the planner; all of it ends in one
//! [`summary::Summary`], which is kept as JSON, and from which [`report`] writes table and plots.

mod command;
mod data;
mod plots;
mod predict;
mod report;
mod rows;
mod schedule;
mod store;
mod summary;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::machine;
use command::{nonce, Outcome};
use data::{Configuration, Measurement};
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::Matchmark;
use matchmark_tools::workspace;
use store::{write_whole, Program, Store};
use summary::{Row, Summary};

/// What to measure, and how.
#[derive(Args)]
pub struct Options {
    /// Measure only some rows, once each, in at most five minutes; the report goes to the target folder.
    #[arg(long)]
    quick: bool,
    /// Proofs of each configuration, each for a domain of its own.
    #[arg(long, value_name = "N", default_value = "5")]
    proofs: NonZeroUsize,
    /// Measurements at a time.
    #[arg(long, value_name = "J", default_value = "1")]
    jobs: NonZeroUsize,
    /// Measure nothing: write table and plots of the committed `docs/pressure.json`.
    #[arg(long)]
    report_only: bool,
    /// Use this matchmark binary instead of building one.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
}

/// The summary for machines.
const SUMMARY: &str = "pressure.json";

/// Measures what is not measured yet, and writes `docs/pressure.json`, `docs/pressure.md` and the plots.
///
/// # Errors
/// A run of `matchmark` that fails, or a proof that is not accepted. What was measured until then is kept,
/// and the next run goes on from there.
pub fn run(options: &Options) -> Result<(), Failure> {
    let work = workspace::target_dir().join("pressure");
    let folder = if options.quick {
        work.join("quick")
    } else {
        workspace::root().join("docs")
    };
    std::fs::create_dir_all(&folder).context(folder.display())?;
    let path = folder.join(SUMMARY);
    if !options.report_only {
        let summary = measured(options, work.join("measurements"))?;
        let json = serde_json::to_vec(&summary).context("the report")?;
        write_whole(&path, &json)?;
    }
    let bytes = std::fs::read(&path).context(path.display())?;
    let summary: Summary = serde_json::from_slice(&bytes).context(path.display())?;
    if summary.format != Summary::FORMAT {
        return Err(Failure::failed(format!(
            "{}: format is {}, expected {}",
            path.display(),
            summary.format,
            Summary::FORMAT
        )));
    }
    report::write(&summary, &folder)?;
    println!("{}", folder.join("pressure.md").display());
    Ok(())
}

/// Measures what the store does not have, and asks the planner.
fn measured(options: &Options, finished: PathBuf) -> Result<Summary, Failure> {
    let matchmark = Matchmark::find(options.matchmark.as_deref())?.quietly();
    let program = Program::of(matchmark.program(), matchmark.version()?)?;
    let store = Store::open(finished, program.clone())?;
    let (configurations, proofs) = if options.quick {
        (rows::quick(), 1)
    } else {
        (rows::all(), options.proofs.get())
    };
    let tasks = schedule::order(&configurations, proofs);
    schedule::take(tasks, &matchmark, &store, options.jobs)?;
    let mut measurements = Vec::with_capacity(configurations.len());
    for configuration in &configurations {
        measurements.extend(measurement(&store, configuration, proofs)?);
    }
    let relation_digest = relation_digest(&measurements)?;
    let mut calibrated = true;
    let mut rows = Vec::with_capacity(measurements.len());
    let planned = rows::planner_configurations();
    for measurement in measurements {
        let mut predicted = None;
        if planned.contains(&measurement.configuration) {
            let (prediction, by_calibration) = predict::of(&matchmark, &measurement.configuration)?;
            calibrated &= by_calibration;
            predicted = Some(prediction);
        }
        rows.push(Row::of(measurement, predicted));
    }
    Ok(Summary {
        format: Summary::FORMAT,
        version: program.version,
        relation_digest,
        machine: machine::name(),
        proofs,
        calibrated,
        rows,
    })
}

/// The relation that all measurements are of.
fn relation_digest(measurements: &[Measurement]) -> Result<String, Failure> {
    let mut digests = measurements
        .iter()
        .flat_map(|it| &it.samples)
        .map(|sample| &sample.relation_digest);
    let first = digests.next();
    let first = first.ok_or_else(|| Failure::failed("nothing was measured yet"))?;
    match digests.find(|digest| *digest != first) {
        None => Ok(first.clone()),
        Some(other) => Err(Failure::failed(format!(
            "relation of a measurement: expected {first}, got {other}"
        ))),
    }
}

/// All samples of a configuration that the store has; `None` if it has none.
fn measurement(
    store: &Store,
    configuration: &Configuration,
    proofs: usize,
) -> Result<Option<Measurement>, Failure> {
    let mut measurement = Measurement {
        configuration: configuration.clone(),
        counts: None,
        samples: vec![],
        refused: None,
    };
    for sample in 0..proofs {
        match store.load(configuration, &nonce(sample))? {
            Some(Outcome::Measured { counts, sample }) => {
                let known = measurement.counts.get_or_insert_with(|| counts.clone());
                if *known != counts {
                    return Err(Failure::failed(format!(
                        "counts of {}: expected {known:?} as for another domain, got {counts:?}",
                        schedule::describe(configuration)
                    )));
                }
                measurement.samples.push(sample);
            }
            Some(Outcome::Refused(reason)) => measurement.refused = Some(reason),
            None => {}
        }
    }
    let found = measurement.refused.is_some() || !measurement.samples.is_empty();
    Ok(found.then_some(measurement))
}
