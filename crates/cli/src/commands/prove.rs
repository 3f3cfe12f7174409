//! `matchmark prove` and `matchmark resume`.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use matchmark::{
    files, finish_in_words, unused_instructions, CancelToken, ChainText, Job, Progress, ProveEvent,
    ProveReport, ProvenRow, Proving,
};
use serde_json::{json, Value};

use crate::args::{ProveArgs, ResumeArgs};
use crate::commands::plan;
use crate::error::{CliError, Outcome};
use crate::interrupt;
use crate::models::NamedKey;
use crate::options;
use crate::output::{part_name, table, Output};
use crate::progress::{SegmentBar, Step};

/// Proves a chain.
pub(crate) fn run(args: &ProveArgs, output: &Output) -> Result<Outcome, CliError> {
    interrupt::watch();
    // The arguments demand a trace or a model.
    match (&args.model, &args.trace) {
        (Some(model), _) => prove_model(args, model, output),
        (None, trace) => prove_trace(args, trace.as_deref().unwrap_or("".into()), output),
    }
}

fn prove_trace(args: &ProveArgs, trace: &Utf8Path, output: &Output) -> Result<Outcome, CliError> {
    let (trace, table) = options::trace_and_table(trace, &args.terms)?;
    let choice = args
        .plan
        .map(|objective| plan::choose(&trace, table.clone(), &args.terms, objective))
        .transpose()?;
    let mut claim = options::trace_claim(trace, table, &args.terms)?;
    let mut told = None;
    if let Some(choice) = choice {
        claim = claim
            .security(choice.security)
            .segment_steps(choice.segment_steps)
            .cuts(choice.cut);
        told = Some(choice.object);
    }
    let job = claim.to(&args.out);
    let cancel = CancelToken::new();
    let job = job
        .resources(options::resources(&args.resources))
        .cancel(&cancel);
    let proving = begin(job, &cancel, |error| error.into())?;
    if args.begin {
        return begun(&proving, output);
    }
    finish(&proving, told, output)
}

fn prove_model(args: &ProveArgs, path: &Utf8Path, output: &Output) -> Result<Outcome, CliError> {
    let key = args.key.as_deref().map(NamedKey::load).transpose()?;
    let step = Step::new("reading the model");
    let model = files::model(path)?;
    let stop = options::stop(&args.stop, args.no_stop, Some(model.tokenizer()))?;
    let given = (args.prompt.as_deref(), &args.chat);
    let claim = options::tokens_claim(model, &args.terms.common, given, args.tokens)?;
    let mut claim = claim.stop(stop);
    if let Some(steps) = args.granularity {
        claim = claim.granularity(steps);
    }
    if args.full_length {
        claim = claim.full_length();
    }
    if let Some(key) = &key {
        claim = claim.key(key.key.clone());
    }
    let cancel = CancelToken::new();
    let job = claim
        .to(&args.out)
        .resources(options::resources(&args.resources))
        .cancel(&cancel);
    step.say("executing and committing the model");
    let proving = begin(job, &cancel, |error| match &key {
        Some(key) => key.names(path)(error),
        None => error.into(),
    })?;
    drop(step);
    if args.begin {
        return begun(&proving, output);
    }
    finish(&proving, None, output)
}

/// Says what there is to be proven.
fn begun(proving: &Proving<'_>, output: &Output) -> Result<Outcome, CliError> {
    let (work, directory) = (proving.work(), proving.directory());
    let (segments, parts) = (work.segment_count(), work.part_count());
    let object = json!({
        "directory": directory,
        "segments": segments,
        "parts": parts,
        "steps": work.steps().steps(),
    });
    let text = format!(
        "begun: {segments} segments in {parts} parts at most; `matchmark part {directory} N` proves one, and \
         `matchmark resume {directory}` all that are missing"
    );
    output.result(&object, &text)?;
    Ok(Outcome::Done)
}

/// Begins a chain. From then on it can be resumed.
fn begin<'a>(
    job: Job<'a>,
    cancel: &CancelToken,
    refused: impl Fn(matchmark::Error) -> CliError,
) -> Result<Proving<'a>, CliError> {
    let planned = job.plan().map_err(refused)?;
    let proving = interrupt::whole(|| planned.begin())?;
    interrupt::can_stop(proving.directory(), cancel);
    Ok(proving)
}

/// Continues a chain.
pub(crate) fn resume(args: &ResumeArgs, output: &Output) -> Result<Outcome, CliError> {
    let cancel = CancelToken::new();
    let chain = matchmark::resume(&args.directory)
        .resources(options::resources(&args.resources))
        .cancel(&cancel);
    files::check_chain_folder(&args.directory)?;
    interrupt::watch();
    interrupt::can_resume(&args.directory);
    let step = Step::new("reading the chain");
    let proving = chain.begin()?;
    interrupt::can_stop(&args.directory, &cancel);
    drop(step);
    finish(&proving, None, output)
}

fn finish(
    proving: &Proving<'_>,
    choice: Option<Value>,
    output: &Output,
) -> Result<Outcome, CliError> {
    let mut object;
    let report;
    if let Some(text) = proving.text() {
        let telling = Telling::new(text, *output, SegmentBar::new("proving"));
        report = proving.run_telling(&telling)?;
        let tokens = telling.finish()?;
        object = json!(report);
        object["text"] = tokens["decoded_text"].clone();
        object["tokens"] = tokens;
    } else {
        report = proving.run_telling(&SegmentBar::new("proving"))?;
        object = json!(report);
    }
    if let Some(choice) = choice {
        object["plan"] = choice;
    }
    object["unused_instructions"] = json!(unused_instructions());
    output.result(&object, &text(&report))?;
    Ok(Outcome::Done)
}

/// Tells the text of a model's chain as its proofs complete.
struct Telling {
    output: Output,
    /// Drawn until there is text in its place, or to the end where the text goes elsewhere.
    bar: SegmentBar,
    /// The text, and why it could not be told.
    state: Mutex<(ChainText, Option<CliError>)>,
}

impl Telling {
    fn new(text: ChainText, output: Output, bar: SegmentBar) -> Self {
        Self {
            output,
            bar,
            state: Mutex::new((text, None)),
        }
    }

    /// Prompt and decoded tokens.
    fn finish(self) -> Result<Value, CliError> {
        self.bar.clear();
        let (text, error) = self
            .state
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = error {
            return Err(error);
        }
        self.output.tell(&text.rest())?;
        Ok(text.object()?)
    }

    /// Tells what is known with this segment.
    fn segment(&self, row: &ProvenRow) {
        let (text, error) = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let told = row.tokens.as_ref().map_or(Ok(()), |tokens| {
            let new = text.push(row.segment, tokens)?;
            if !new.is_empty() && self.output.tells_on_terminal() {
                self.bar.clear();
            }
            self.output.tell(&new)
        });
        // The proofs are what matters: a text that cannot be printed does not end them.
        if let Err(reason) = told {
            error.get_or_insert(reason);
        }
    }
}

impl Progress for Telling {
    fn event(&self, event: &ProveEvent) {
        self.bar.event(event);
        if let ProveEvent::Done { row, .. } = event {
            self.segment(row);
        }
    }
}

fn text(report: &ProveReport) -> String {
    let rows: Vec<Vec<String>> = report
        .per_segment
        .iter()
        .map(|row| {
            vec![
                part_name(row.segment, row.group),
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
        parts,
        parts_kept,
        steps,
        finish_reason,
        answer,
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
        "\nsegments      {segments} in {parts} parts ({parts_kept} kept), {steps} steps, {lookup_claims} lookup claims\
         \nfinish reason {}\
         \ntrace         {trace_rows} rows, {committed_cells} committed cells, {opened_columns} opened columns\
         \nbytes         {proof_bytes} of proof, {public_bytes} of public values\
         \ntime          {cpu} of processor, {prove_wall_ms:.0} ms of wall; {} segments at a time on {} threads each\
         \npeak memory   {memory}\
         \nfirst state   {first_state}\
         \nlast state    {last_state}\
         \nchain digest  {chain_digest}",
        finish_in_words(*finish_reason, *answer),
        schedule.workers,
        schedule.threads_per_worker,
    );
    text
}
