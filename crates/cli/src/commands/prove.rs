//! `matchmark prove` and `matchmark resume`.

use std::fmt::Write as _;

use matchmark_composer::{ChainPlan, ChainProver, ProveReport};
use serde_json::{json, Value};

use crate::args::{ProveArgs, ResumeArgs};
use crate::commands::plan;
use crate::error::{CliError, Outcome};
use crate::options;
use crate::output::{table, Output};
use crate::progress::SegmentBar;

/// Proves a chain.
pub(crate) fn run(args: &ProveArgs, output: &Output) -> Result<Outcome, CliError> {
    let (trace, mut options) = options::trace_and_options(&args.chain)?;
    let choice = args
        .plan
        .map(|objective| plan::choose(&trace, &mut options, objective))
        .transpose()?;
    let plan = ChainPlan::new(trace, options)?;
    finish(&ChainProver::create(&args.out, plan)?, choice, output)
}

/// Continues a chain.
pub(crate) fn resume(args: &ResumeArgs, output: &Output) -> Result<Outcome, CliError> {
    finish(&ChainProver::resume(&args.directory)?, None, output)
}

fn finish(
    prover: &ChainProver,
    choice: Option<Value>,
    output: &Output,
) -> Result<Outcome, CliError> {
    let report = prover.run(&SegmentBar::new("proving"))?;
    let mut object = json!(report);
    if let Some(choice) = choice {
        object["plan"] = choice;
    }
    output.result(&object, &text(&report))?;
    Ok(Outcome::Done)
}

fn text(report: &ProveReport) -> String {
    let rows: Vec<Vec<String>> = report
        .per_segment
        .iter()
        .map(|row| {
            vec![
                row.segment.to_string(),
                row.entries_before.to_string(),
                row.steps.to_string(),
                format!("{:.8}", row.state_before),
                format!("{:.8}", row.state_after),
                row.proof_bytes.to_string(),
                row.public_bytes.to_string(),
                format!("{:.1}{}", row.prove_ms, if row.kept { " kept" } else { "" }),
            ]
        })
        .collect();
    let header = [
        "segment", "cached", "steps", "before", "after", "proof", "public", "ms",
    ];
    let mut text = table(&header, &rows);
    let ProveReport {
        segments,
        segments_kept,
        steps,
        lookup_claims,
        trace_rows,
        committed_cells,
        opened_columns,
        proof_bytes,
        public_bytes,
        prove_cpu_ms,
        prove_wall_ms,
        peak_rss_bytes,
        schedule,
        first_state,
        last_state,
        chain_digest,
        per_segment: _,
    } = report;
    let or_unknown = |figure: Option<String>| figure.unwrap_or_else(|| "unknown".to_owned());
    let cpu = or_unknown(prove_cpu_ms.map(|ms| format!("{ms} ms")));
    let memory = or_unknown(peak_rss_bytes.map(|bytes| format!("{} MiB", bytes >> 20)));
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\nsegments      {segments} ({segments_kept} kept), {steps} steps, {lookup_claims} lookup claims\
         \ntrace         {trace_rows} rows, {committed_cells} committed cells, {opened_columns} opened columns\
         \nbytes         {proof_bytes} of proof, {public_bytes} of public values\
         \ntime          {cpu} of processor, {prove_wall_ms:.0} ms of wall; {} segments at a time on {} threads each\
         \npeak memory   {memory}\
         \nfirst state   {first_state}\
         \nlast state    {last_state}\
         \nchain digest  {chain_digest}",
        schedule.workers, schedule.threads_per_worker,
    );
    text
}
