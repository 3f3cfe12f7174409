//! Running steps one after the other.

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and this is why.
    Failed(String),
    /// It could not be tried here, and this is why.
    Skipped(String),
}

/// Something that a change must pass.
pub struct Step {
    name: &'static str,
    run: Box<dyn FnOnce() -> Outcome>,
}

impl Step {
    /// A step of this name.
    pub fn new(name: &'static str, run: impl FnOnce() -> Outcome + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// How many steps passed, failed and were skipped. Those that were not reached are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Steps that hold.
    pub passed: usize,
    /// Steps that do not.
    pub failed: usize,
    /// Steps that could not be tried here.
    pub skipped: usize,
}

impl fmt::Display for Summary {
    /// The closing line, which `.ci/run` reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Runs the steps in order, to the first failure or to the end. The last line written is
/// `N passed, N failed, N skipped`; the reasons of what was skipped stand in the lines above it.
pub fn run(steps: Vec<Step>, keep_going: bool, out: &mut impl Write) -> Summary {
    let mut summary = Summary::default();
    let mut lines = Vec::new();
    let all = steps.len();
    for Step { name, run } in steps {
        say(out, &format!("--- {name}"));
        let started = Instant::now();
        let outcome = run();
        let line = describe(name, &outcome, started.elapsed());
        say(out, &line);
        lines.push(line);
        match outcome {
            Outcome::Passed => summary.passed += 1,
            Outcome::Failed(_) => summary.failed += 1,
            Outcome::Skipped(_) => summary.skipped += 1,
        }
        if summary.failed > 0 && !keep_going {
            break;
        }
    }
    say(out, "--- summary");
    for line in &lines {
        say(out, line);
    }
    if lines.len() < all {
        say(
            out,
            &format!("not run: {} steps after the failure", all - lines.len()),
        );
    }
    say(out, &summary.to_string());
    summary
}

fn describe(name: &str, outcome: &Outcome, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("passed  {name} ({seconds:.1} s)"),
        Outcome::Failed(why) => format!("FAILED  {name} ({seconds:.1} s): {why}"),
        Outcome::Skipped(why) => format!("skipped {name}: {why}"),
    }
}

/// A closed pipe is no reason to leave a step out.
fn say(out: &mut impl Write, line: &str) {
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn steps() -> Vec<Step> {
        vec![
            Step::new("first", || Outcome::Passed),
            Step::new("second", || Outcome::Skipped("no such tool".into())),
            Step::new("third", || Outcome::Failed("exit code 101".into())),
            Step::new("fourth", || Outcome::Passed),
        ]
    }

    fn output(keep_going: bool) -> (Summary, String) {
        let mut out = Vec::new();
        let summary = run(steps(), keep_going, &mut out);
        (summary, String::from_utf8(out).unwrap())
    }

    #[test]
    fn stops_at_the_first_failure() {
        let (summary, text) = output(false);
        assert_eq!(
            summary,
            Summary {
                passed: 1,
                failed: 1,
                skipped: 1
            }
        );
        assert!(!text.contains("fourth"));
        assert!(text.contains("skipped second: no such tool"));
        assert!(text.contains("not run: 1 steps after the failure"));
        assert!(text.ends_with("\n1 passed, 1 failed, 1 skipped\n"));
    }

    #[test]
    fn goes_on_where_asked() {
        let (summary, text) = output(true);
        assert_eq!(
            summary,
            Summary {
                passed: 2,
                failed: 1,
                skipped: 1
            }
        );
        assert!(text.contains("passed  fourth"));
        assert!(!text.contains("not run"));
        assert!(text.ends_with("\n2 passed, 1 failed, 1 skipped\n"));
    }

    #[test]
    fn every_step_is_listed_once_more_at_the_end() {
        let (_, text) = output(true);
        let summary = text.split("--- summary\n").nth(1).unwrap();
        let kinds: Vec<&str> = summary.lines().map(|line| &line[..6]).collect();
        assert_eq!(kinds, ["passed", "skippe", "FAILED", "passed", "2 pass"]);
    }
}
