//! What attempts came to, and how one of them is run again alone.
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

/// How much of a suite is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A seeded part, in minutes.
    Quick,
    /// Everything.
    Full,
}

/// Attempts that are printed for each kind of failure; more say nothing new.
const SHOWN: usize = 20;
/// Attempts that are spread over the threads at a time.
const BATCH: usize = 4096;

/// What the attempts of one class came to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// Name of the class.
    pub class: &'static str,
    /// Number of attempts.
    pub attempts: u64,
    /// Attempts by which something false was accepted.
    pub accepted: u64,
    /// Attempts that panicked.
    pub panics: u64,
    /// Refusals for a reason without a name of its own.
    pub untyped: u64,
    /// Other expectations that were not met: a constraint that nothing kills, another chain digest.
    pub unmet: u64,
    /// Wall-clock time.
    pub seconds: f64,
    /// Refusals by the name of their error.
    pub refusals: BTreeMap<String, u64>,
    /// What a reader should know of a clean row.
    pub notes: Vec<String>,
    /// Classes that notice that something is deleted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub noticed: BTreeMap<String, Vec<&'static str>>,
    /// What went wrong, with the line that repeats it; the first of each kind.
    pub failures: Vec<String>,
}

impl Row {
    /// Whether everything came out as it must.
    pub fn is_clean(&self) -> bool {
        self.accepted + self.panics + self.untyped + self.unmet == 0
    }
}

/// An attempt's end.
enum End {
    Refused(String),
    Accepted,
    Met,
    Untyped(String),
    Unmet(String),
    Panicked(String),
}

/// Runs the attempts of one class and counts.
#[derive(Debug)]
pub struct Recorder {
    pub seed: u64,
    pub extent: Extent,
    /// Where only one attempt is to be run: its label.
    replay: Option<String>,
    bar: ProgressBar,
    started: Instant,
    row: Row,
}

impl Recorder {
    pub fn new(
        class: &'static str,
        seed: u64,
        extent: Extent,
        replay: Option<String>,
        bar: ProgressBar,
    ) -> Self {
        bar.set_message(class);
        Self {
            seed,
            extent,
            replay,
            bar,
            started: Instant::now(),
            row: Row {
                class,
                ..Row::default()
            },
        }
    }

    /// A number of attempts by extent.
    pub fn amount(&self, quick: usize, full: usize) -> usize {
        match self.extent {
            Extent::Quick => quick,
            Extent::Full => full,
        }
    }

    fn is_wanted(&self, label: &str) -> bool {
        self.replay.as_deref().is_none_or(|only| only == label)
    }

    /// An attempt that must be refused, by an error with a name.
    pub fn refuse<E: Debug>(&mut self, label: &str, attempt: impl FnOnce() -> Result<(), E>) {
        if self.is_wanted(label) {
            self.count(label, run_refusal(attempt));
        }
    }

    /// An attempt that must be refused by an error of a certain kind.
    pub fn refuse_as<E: Debug>(
        &mut self,
        label: &str,
        is_expected: impl FnOnce(&E) -> bool,
        attempt: impl FnOnce() -> Result<(), E>,
    ) {
        if !self.is_wanted(label) {
            return;
        }
        let mut unexpected = None;
        let end = run_refusal(|| {
            attempt().inspect_err(|error| {
                if !is_expected(error) {
                    unexpected = Some(format!("refused for another reason: {error:?}"));
                }
            })
        });
        self.count(label, unexpected.map_or(end, End::Unmet));
    }

    /// As many attempts that must be refused, spread over the threads. An attempt that comes to
    /// nothing, because it changes nothing, is `None` and not counted.
    pub fn refuse_each<E: Debug>(
        &mut self,
        kind: &str,
        count: usize,
        attempt: impl Fn(usize) -> Option<Result<(), E>> + Sync,
    ) {
        for start in (0..count).step_by(BATCH) {
            let batch = start..count.min(start + BATCH);
            let this = &*self;
            let ends: Vec<(String, End)> = batch
                .into_par_iter()
                .filter_map(|index| {
                    let label = format!("{kind}/{index}");
                    if !this.is_wanted(&label) {
                        return None;
                    }
                    let mut changed = true;
                    let end = run_refusal(|| match attempt(index) {
                        Some(result) => result.map_err(Some),
                        None => {
                            changed = false;
                            Err(None)
                        }
                    });
                    changed.then_some((label, end))
                })
                .collect();
            for (label, end) in ends {
                self.count(&label, end);
            }
        }
    }

    /// An expectation that must be met; the error says what came instead.
    pub fn require(&mut self, label: &str, check: impl FnOnce() -> Result<(), String>) {
        if !self.is_wanted(label) {
            return;
        }
        self.count(label, run_check(check));
    }

    /// Expectations that must be met, spread over the threads.
    pub fn require_each<T: Sync>(
        &mut self,
        cases: &[T],
        label: impl Fn(&T) -> String + Sync,
        check: impl Fn(&T) -> Result<(), String> + Sync,
    ) {
        for batch in cases.chunks(BATCH) {
            let this = &*self;
            let ends: Vec<(String, End)> = batch
                .par_iter()
                .map(|case| (case, label(case)))
                .filter(|(_, label)| this.is_wanted(label))
                .map(|(case, label)| {
                    let end = run_check(|| check(case));
                    (label, end)
                })
                .collect();
            for (label, end) in ends {
                self.count(&label, end);
            }
        }
    }

    /// Which classes notice that something is deleted.
    pub fn noticed(&mut self, deleted: &str, classes: Vec<&'static str>) {
        self.row.noticed.insert(deleted.to_owned(), classes);
    }

    /// Something to be known that is no failure.
    pub fn note(&mut self, text: impl Into<String>) {
        self.row.notes.push(text.into());
    }

    fn count(&mut self, label: &str, end: End) {
        let row = &mut self.row;
        row.attempts += 1;
        self.bar.inc(1);
        let (count, what) = match end {
            End::Met => return,
            End::Refused(name) => {
                *row.refusals.entry(name).or_default() += 1;
                return;
            }
            End::Accepted => (&mut row.accepted, "accepted".to_owned()),
            End::Untyped(error) => (&mut row.untyped, format!("untyped error: {error}")),
            End::Unmet(why) => (&mut row.unmet, why),
            End::Panicked(text) => (&mut row.panics, format!("panic: {text}")),
        };
        *count += 1;
        if row.failures.len() < SHOWN {
            let (class, seed) = (row.class, self.seed);
            let extent = match self.extent {
                Extent::Quick => "quick",
                Extent::Full => "full",
            };
            row.failures.push(format!(
                "{class}: {label}: {what}\n  replay: cargo xtask hostile --{extent} --only {class} --seed {seed} --replay '{label}'"
            ));
        }
    }

    pub fn finish(mut self) -> Row {
        self.row.seconds = self.started.elapsed().as_secs_f64();
        self.row
    }
}

fn run_check(check: impl FnOnce() -> Result<(), String>) -> End {
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(Ok(())) => End::Met,
        Ok(Err(why)) => End::Unmet(why),
        Err(panic) => End::Panicked(text_of(&*panic)),
    }
}

fn run_refusal<E: Debug>(attempt: impl FnOnce() -> Result<(), E>) -> End {
    match catch_unwind(AssertUnwindSafe(attempt)) {
        Ok(Ok(())) => End::Accepted,
        Ok(Err(error)) => {
            let name = error_name(&error);
            match name.split('/').next_back() {
                Some("Proof") => End::Untyped(format!("{error:?}")),
                _ => End::Refused(name),
            }
        }
        Err(panic) => End::Panicked(text_of(&*panic)),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "no text".to_owned())
}

/// Wrappers around the error that says why.
const WRAPPERS: [&str; 8] = [
    "Some", "Segment", "Join", "Chain", "Policy", "Lookup", "Verify", "Read",
];

/// Name of an error: its variant, behind those of the errors that wrap it.
pub fn error_name(error: &impl Debug) -> String {
    let text = format!("{error:?}");
    let mut rest = text.as_str();
    let mut names: Vec<&str> = vec![];
    loop {
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let name = &rest[..end];
        if name != "Some" {
            names.push(name);
        }
        rest = &rest[end..];
        if !WRAPPERS.contains(&name) {
            break;
        }
        // What is wrapped stands behind the parenthesis, or is the field `source`.
        match (rest.strip_prefix('('), rest.find("source: ")) {
            (Some(inner), _) => rest = inner,
            (None, Some(at)) => rest = &rest[at + "source: ".len()..],
            (None, None) => break,
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use matchmark_verifier::VerifyError;

    fn recorder(replay: Option<&str>) -> Recorder {
        let replay = replay.map(str::to_owned);
        Recorder::new("test", 1, Extent::Quick, replay, ProgressBar::hidden())
    }

    #[test]
    fn every_end_is_counted_where_it_belongs() {
        let mut recorder = recorder(None);
        recorder.refuse("a", || Err(VerifyError::LookupProofMissing));
        recorder.refuse("b", || Ok::<(), VerifyError>(()));
        recorder.refuse("c", || -> Result<(), VerifyError> { panic!("no") });
        recorder.refuse("d", || Err(VerifyError::Proof("other".into())));
        recorder.require("e", || Err("not so".into()));
        recorder.require("f", || Ok(()));
        recorder.refuse_each("g", 5, |index| {
            (index != 2).then_some(Err(VerifyError::ConstraintsNotSatisfied))
        });
        let row = recorder.finish();
        assert_eq!(row.attempts, 10);
        assert_eq!(
            (row.accepted, row.panics, row.untyped, row.unmet),
            (1, 1, 1, 1)
        );
        assert!(!row.is_clean());
        assert_eq!(row.refusals["ConstraintsNotSatisfied"], 4);
        assert_eq!(row.failures.len(), 4);
        assert!(row.failures[0].contains("--only test --seed 1 --replay 'b'"));
    }

    #[test]
    fn a_refusal_for_another_reason_is_unmet() {
        let mut recorder = recorder(None);
        let is_missing = |error: &VerifyError| *error == VerifyError::LookupProofMissing;
        recorder.refuse_as("a", is_missing, || Err(VerifyError::LookupProofMissing));
        recorder.refuse_as("b", is_missing, || {
            Err(VerifyError::ConstraintsNotSatisfied)
        });
        recorder.refuse_as("c", is_missing, || Ok(()));
        recorder.refuse_as("d", is_missing, || panic!("no"));
        let row = recorder.finish();
        assert_eq!(
            (row.attempts, row.accepted, row.panics, row.unmet),
            (4, 1, 1, 1)
        );
    }

    #[test]
    fn a_replay_runs_one_attempt() {
        let mut recorder = recorder(Some("g/3"));
        recorder.refuse("a", || Ok::<(), VerifyError>(()));
        recorder.refuse_each("g", 5, |_| Some(Ok::<(), VerifyError>(())));
        let row = recorder.finish();
        assert_eq!((row.attempts, row.accepted), (1, 1));
    }

    #[test]
    fn errors_are_named_through_their_wrappers() {
        let inner = VerifyError::Lookup(Box::new(VerifyError::ConstraintsNotSatisfied));
        assert_eq!(error_name(&inner), "Lookup/ConstraintsNotSatisfied");
        let error = matchmark_composer::ChainVerifyError::Segment {
            segment: 3,
            source: inner,
        };
        assert_eq!(
            error_name(&Some(error)),
            "Segment/Lookup/ConstraintsNotSatisfied"
        );
    }
}
