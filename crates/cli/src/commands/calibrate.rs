//! `matchmark plan --calibrate`: measures what a user would pay, through the command itself.

use std::env;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::Error;
use matchmark_planner::calibration::{cores, Case, CASES};
use matchmark_planner::work::ChainWork;
use matchmark_planner::{Calibration, CostModel, Costs, Workload};
use matchmark_quant::{HeadDim, Rounding, SegmentSteps, StepRange, ValueBits};
use matchmark_runtime::{synthetic_score_step, synthetic_trace};
use matchmark_statement::Security;
use matchmark_tables::WeightTable;
use serde_json::Value;

use crate::cache;
use crate::commands::synthesize::shape;
use crate::error::CliError;
use crate::files;
use crate::progress::SegmentBar;

/// Traces of each case, with other values each: the proof of work takes as long as chance has it, and
/// the means of what they cost count.
const TRACES: u32 = 3;
/// Verifications of a chain; the median counts.
const VERIFICATIONS: usize = 3;

/// What a calibration has come to.
pub(crate) struct Calibrated {
    /// Where it is kept.
    pub(crate) path: Utf8PathBuf,
    /// The calibration.
    pub(crate) calibration: Calibration,
    /// What was measured, and what the fitted model says of the same.
    pub(crate) rows: Vec<(Case, Costs, Costs)>,
}

/// Measures all cases, fits the model and keeps it.
pub(crate) fn calibrate() -> Result<Calibrated, CliError> {
    let path = cache::prepare()?;
    let bar = SegmentBar::of("measuring", "chains");
    bar.set_segments(CASES.len() as u64 * u64::from(TRACES));
    let mut measured = Vec::with_capacity(CASES.len());
    for case in CASES {
        let mut costs = vec![];
        for seed in 0..TRACES {
            costs.push(measure(&case, seed.into())?);
            bar.advance();
        }
        measured.push((work(&case)?, mean(&costs)));
    }
    drop(bar);
    let model = CostModel::fit(&measured, cores());
    let calibration = Calibration::of_this_machine(model);
    cache::save(&path, &calibration)?;
    let rows = CASES.into_iter().zip(&measured);
    let rows = rows.map(|(case, (work, costs))| (case, *costs, model.predict(work)));
    Ok(Calibrated {
        path,
        calibration,
        rows: rows.collect(),
    })
}

fn mean(costs: &[Costs]) -> Costs {
    let mean = |cost: fn(&Costs) -> f64| costs.iter().map(cost).sum::<f64>() / f64::from(TRACES);
    Costs {
        cpu_seconds: mean(|costs| costs.cpu_seconds),
        memory_bytes: mean(|costs| costs.memory_bytes),
        verify_ms: mean(|costs| costs.verify_ms),
    }
}

fn workload(case: &Case) -> Result<Workload, CliError> {
    let make = || {
        let shape = shape(
            case.query_heads,
            Some(case.kv_heads),
            HeadDim::new(case.head_dim)?,
        )?;
        Ok(Workload {
            shape,
            steps: StepRange::new(case.prefix, case.steps)?,
            value_bits: ValueBits::DEFAULT,
            score_step: synthetic_score_step(shape, ValueBits::DEFAULT)?,
            rounding: Rounding::NearestTiesUp,
            table: WeightTable::exp256_default().bounds(),
            decoder: None,
        })
    };
    make().map_err(CliError::Synthetic)
}

fn work(case: &Case) -> Result<ChainWork, CliError> {
    let length = SegmentSteps::new(case.segment_steps).map_err(CliError::Synthetic)?;
    let security = Security::new(case.level, case.profile)?;
    Ok(ChainWork::of(&workload(case)?, case.cut, length, security)?)
}

/// Proves and verifies the chain of a case, by processes of their own.
fn measure(case: &Case, seed: u64) -> Result<Costs, CliError> {
    let refused = |source| Error::Write {
        path: Utf8PathBuf::from_path_buf(env::temp_dir()).unwrap_or_default(),
        source,
    };
    let directory = tempfile::tempdir().map_err(refused)?;
    let Some(place) = Utf8Path::from_path(directory.path()) else {
        return Err(refused(std::io::ErrorKind::InvalidFilename.into()).into());
    };
    let (trace, chain) = (place.join("trace.safetensors"), place.join("chain"));
    let policy = place.join("policy.toml");
    let workload = workload(case)?;
    let values = synthetic_trace(workload.shape, workload.value_bits, workload.steps, seed)
        .map_err(CliError::Synthetic)?;
    files::write_trace(&trace, &values)?;
    let length = case.segment_steps.to_string();
    let proven = run(&[
        "prove",
        "--trace",
        trace.as_str(),
        "--out",
        chain.as_str(),
        "--segment-steps",
        &length,
        "--security",
        case.level.name(),
        "--profile",
        case.profile.name(),
        "--cut",
        case.cut.name(),
    ])?;
    run(&["policy", chain.as_str(), "--to", policy.as_str()])?;
    let verify = ["verify", chain.as_str(), "--policy", policy.as_str()];
    let mut verify_ms = Vec::with_capacity(VERIFICATIONS);
    for _ in 0..VERIFICATIONS {
        verify_ms.push(figure(&verify, &run(&verify)?, "verify_ms")?);
    }
    verify_ms.sort_by(f64::total_cmp);
    Ok(Costs {
        cpu_seconds: figure(&["prove"], &proven, "prove_cpu_ms")? / 1e3,
        memory_bytes: figure(&["prove"], &proven, "peak_rss_bytes")?,
        verify_ms: verify_ms[VERIFICATIONS / 2],
    })
}

/// Runs this program with these arguments; gives the object that it prints.
fn run(arguments: &[&str]) -> Result<Value, CliError> {
    let failed = |reason: String| CliError::Measure {
        command: arguments.join(" "),
        reason,
    };
    let program = env::current_exe().map_err(|error| failed(error.to_string()))?;
    let output = Command::new(program)
        .args(arguments)
        .arg("--json")
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(failed(format!("{}: {}", output.status, text.trim())));
    }
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// A figure that the system may not have: then there is nothing to calibrate by.
fn figure(arguments: &[&str], object: &Value, name: &str) -> Result<f64, CliError> {
    object[name].as_f64().ok_or_else(|| CliError::Measure {
        command: arguments.join(" "),
        reason: format!("expected a number for {name}, got {}", object[name]),
    })
}
