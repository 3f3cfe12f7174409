//! In which order samples are taken, and the taking of them.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::thread;

use indicatif::{ProgressBar, ProgressStyle};

use crate::pressure::command::{measure, nonce, Outcome};
use crate::pressure::data::Configuration;
use crate::pressure::store::Store;
use matchmark_tools::failure::{Context as _, Failure};
use matchmark_tools::matchmark::Matchmark;

/// Configurations that are expected to take more processor seconds than this a proof come last.
const HEAVY_SECONDS: f64 = 12.0;

/// One proof to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// What is proven.
    pub configuration: Configuration,
    /// Which of its samples it is, from 0.
    pub sample: usize,
}

/// All samples, in order: light configurations before heavy ones, and within both one sample of each before
/// a second of any. So an interrupted run has something of almost everything.
pub fn order(configurations: &[Configuration], proofs: usize) -> Vec<Task> {
    let mut tasks: Vec<Task> = configurations
        .iter()
        .flat_map(|configuration| {
            (0..proofs).map(|sample| Task {
                configuration: configuration.clone(),
                sample,
            })
        })
        .collect();
    let heavy = |task: &Task| task.configuration.rough_seconds() > HEAVY_SECONDS;
    // Stable: within a round, the order of the report; heavy ones level by level.
    tasks.sort_by_key(|task| {
        let level = heavy(task).then_some(task.configuration.level);
        (heavy(task), task.sample, level)
    });
    tasks
}

/// Takes the samples that the store does not have, so many at a time.
///
/// # Errors
/// The first failure; what was finished is kept.
pub fn take(
    tasks: Vec<Task>,
    matchmark: &Matchmark,
    store: &Store,
    jobs: NonZeroUsize,
) -> Result<(), Failure> {
    let mut missing = VecDeque::new();
    let mut refused = Vec::new();
    for task in tasks {
        match store.load(&task.configuration, &nonce(task.sample))? {
            None => missing.push_back(task),
            Some(Outcome::Refused(_)) => refused.push(task.configuration),
            Some(Outcome::Measured { .. }) => {}
        }
    }
    // What the relation does not carry in one domain, it carries in none.
    missing.retain(|task| !refused.contains(&task.configuration));
    let bar = progress(&missing);
    let queue = Mutex::new(missing);
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..jobs.get() {
            scope.spawn(|| {
                if let Err(failure) = work(&queue, matchmark, store, &bar) {
                    // Nothing more is begun.
                    clear(&queue);
                    if let Ok(mut failed) = failed.lock() {
                        failed.get_or_insert(failure);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    match failed.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(failure)) => Err(failure),
        Err(_) => Err(Failure::failed("a measuring thread panicked")),
    }
}

fn clear(queue: &Mutex<VecDeque<Task>>) {
    if let Ok(mut queue) = queue.lock() {
        queue.clear();
    }
}

/// Takes samples until there are none left.
fn work(
    queue: &Mutex<VecDeque<Task>>,
    matchmark: &Matchmark,
    store: &Store,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    loop {
        let next = queue.lock().map(|mut queue| queue.pop_front());
        let Some(task) = next.map_err(|_| Failure::failed("a measuring thread panicked"))? else {
            return Ok(());
        };
        let Task {
            configuration,
            sample,
        } = task;
        bar.set_message(describe(&configuration));
        let scratch = tempfile::tempdir().context("a scratch directory")?;
        let nonce = nonce(sample);
        let outcome = measure(matchmark, &configuration, &nonce, scratch.path())?;
        store.save(&configuration, &nonce, &outcome)?;
        bar.inc(cost(&configuration));
    }
}

/// A configuration on one line.
pub fn describe(configuration: &Configuration) -> String {
    let shape = &configuration.shape;
    let mut text = format!(
        "{}/{} heads, d {}, prefix {}, {} steps",
        shape.heads, shape.kv_heads, shape.head_dim, shape.prefix, shape.steps
    );
    if shape.segment_steps != shape.steps {
        text += &format!(" by {}", shape.segment_steps);
    }
    let (level, cut) = (configuration.level.name(), configuration.cut.name());
    format!("{text}, {level}, {cut}")
}

/// Tenths of expected seconds: what the bar counts.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // Positive, and below 10^5.
fn cost(configuration: &Configuration) -> u64 {
    (configuration.rough_seconds() * 10.0) as u64
}

/// A bar on a terminal; nothing in a pipe.
fn progress(tasks: &VecDeque<Task>) -> ProgressBar {
    let bar = ProgressBar::new(tasks.iter().map(|task| cost(&task.configuration)).sum());
    // A template that does not parse would leave the plain bar.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {eta:>6} left  {msg}")
    {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::pressure::rows::all;

    #[test]
    fn every_sample_once_and_round_by_round() {
        let configurations = all();
        let tasks = order(&configurations, 3);
        assert_eq!(tasks.len(), 3 * configurations.len());
        let heavy = |task: &Task| task.configuration.rough_seconds() > HEAVY_SECONDS;
        let first_heavy = tasks.iter().position(heavy).unwrap();
        assert!(first_heavy > 0 && tasks[first_heavy..].iter().all(heavy));
        for part in [&tasks[..first_heavy], &tasks[first_heavy..]] {
            assert!(part.is_sorted_by_key(|task| task.sample));
            for sample in 0..3 {
                let round = part.iter().filter(|task| task.sample == sample);
                assert_eq!(round.count() * 3, part.len());
            }
        }
        for sample in 0..3 {
            for configuration in &configurations {
                let task = Task {
                    configuration: configuration.clone(),
                    sample,
                };
                assert!(tasks.contains(&task));
            }
        }
    }
}
