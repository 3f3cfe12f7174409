//! `cargo xtask pressure`: fused against split proofs, measured over shapes and levels through the
//! `matchmark` command, and the planner's predictions beside them.
//!
//! [`rows`] says what is measured, [`command`] measures one configuration once, [`store`] keeps what is
//! finished, [`schedule`] takes what is missing, [`predict`] asks the planner; all of it ends in one
//! [`data::Report`], from which [`report`] writes the documents.

mod command;
pub mod data;
mod predict;
mod report;
pub mod rows;
mod schedule;
mod store;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use crate::failure::{Context as _, Failure};
use crate::machine;
use crate::matchmark::Matchmark;
use crate::workspace;
use command::{nonce, Outcome};
use data::{Configuration, Measurement, Report};
use store::{Program, Store};

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
    /// Measure nothing: write the report of what was measured before.
    #[arg(long)]
    report_only: bool,
    /// Use this matchmark binary instead of building one.
    #[arg(long, value_name = "FILE")]
    matchmark: Option<PathBuf>,
}

/// Measures what is not measured yet, and writes the report: `docs/pressure.md`, `.html` and `.json`.
///
/// A figure that misses its bound is reported as such and is no failure of the command.
///
/// # Errors
/// A run of `matchmark` that fails, or a proof that is not accepted. What was measured until then is kept,
/// and the next run goes on from there.
pub fn run(options: &Options) -> Result<(), Failure> {
    let matchmark = Matchmark::find(options.matchmark.as_deref())?.quietly();
    let program = Program::of(matchmark.program(), matchmark.version()?)?;
    let work = workspace::target_dir().join("pressure");
    let store = Store::open(work.join("measurements"), program.clone())?;
    let (configurations, proofs) = if options.quick {
        (rows::quick(), 1)
    } else {
        (rows::all(), options.proofs.get())
    };
    if !options.report_only {
        let tasks = schedule::order(&configurations, proofs);
        schedule::take(tasks, &matchmark, &store, options.jobs)?;
    }
    let mut measurements = Vec::with_capacity(configurations.len());
    for configuration in &configurations {
        measurements.extend(measurement(&store, configuration, proofs)?);
    }
    let planned = rows::planner_configurations();
    let planned = planned.into_iter().filter(|it| configurations.contains(it));
    let (predictions, calibrated) = predict::all(&matchmark, &planned.collect::<Vec<_>>())?;
    let report = Report {
        version: program.version,
        relation_digest: relation_digest(&measurements)?,
        machine: machine::name(),
        proofs,
        quick: options.quick,
        measurements,
        predictions,
        calibrated,
    };
    let folder = if options.quick {
        work.join("quick")
    } else {
        workspace::root().join("docs")
    };
    std::fs::create_dir_all(&folder).context(folder.display())?;
    report::write(&report, &folder)?;
    for figure in report::analysis::figures(&report) {
        println!("{}", figure.line());
    }
    println!("{}", folder.join("pressure.md").display());
    Ok(())
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
