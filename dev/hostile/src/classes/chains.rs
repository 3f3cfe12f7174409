//! Chains of eight: segments dropped, swapped, repeated, cut off, taken from another run, relabelled; and
//! chains that an end token ends; grids of segments and groups of layers.
use super::restated::restated;
use matchmark_quant::StepRange;
use matchmark_statement::SegmentStatement;

use super::{ends, grids};
use crate::report::Recorder;
use crate::runs::{all, all_of_decoder, verify, Run, SEGMENTS};
use crate::Rng;

pub fn run(recorder: &mut Recorder) {
    edited(recorder, "attention", &all());
    edited(recorder, "decoder", &all_of_decoder());
    ends::run(recorder);
    grids::chains(recorder);
}

fn edited(recorder: &mut Recorder, of: &str, runs: &[Run]) {
    let plain = &runs[0];
    let order = |recorder: &mut Recorder, label: String, order: Vec<(usize, usize)>| {
        recorder.refuse(&format!("{of}/{label}"), || {
            verify(
                order.iter().map(|(run, at)| &runs[*run].files[*at]),
                &plain.policy,
            )
        });
    };
    let whole: Vec<(usize, usize)> = (0..SEGMENTS).map(|at| (0, at)).collect();
    order(recorder, "empty".into(), vec![]);
    for i in 0..SEGMENTS {
        let mut edited = whole.clone();
        edited.remove(i);
        order(recorder, format!("drop {i}"), edited);
        for j in 0..SEGMENTS {
            let mut edited = whole.clone();
            edited.insert(j, (0, i));
            order(recorder, format!("duplicate {i} at {j}"), edited);
            if i < j {
                let mut edited = whole.clone();
                edited.swap(i, j);
                order(recorder, format!("swap {i} and {j}"), edited);
                if (i, j) != (0, SEGMENTS - 1) {
                    let edited = whole[i..=j].to_vec();
                    order(recorder, format!("only {i} to {j}"), edited);
                }
            }
        }
        let mut edited = whole.clone();
        edited.push((0, i));
        order(recorder, format!("go on with {i}"), edited);
    }
    for (other, run) in runs.iter().enumerate().skip(1) {
        for i in 0..SEGMENTS {
            for j in 0..SEGMENTS {
                let mut edited = whole.clone();
                edited[i] = (other, j);
                order(recorder, format!("{i} is {j} of {}", run.name), edited);
                // Another run's inputs are as good as any: all of it is another valid chain.
                if (i, j) != (0, 0) {
                    let edited = whole[..i].iter().copied();
                    let edited = edited.chain((j..SEGMENTS).map(|at| (other, at))).collect();
                    order(
                        recorder,
                        format!("{i} of plain, {} from {j}", run.name),
                        edited,
                    );
                }
            }
        }
        let known = run.policy == plain.policy;
        if !known {
            let edited = (0..SEGMENTS).map(|at| (other, at)).collect();
            order(recorder, format!("all of {}", run.name), edited);
        }
    }
    relabelled(recorder, of, plain);
    random(recorder, of, runs);
}

/// The same proof said to stand at another position.
fn relabelled(recorder: &mut Recorder, of: &str, plain: &Run) {
    let first = plain.policy.steps().entries_before();
    for at in 0..SEGMENTS {
        for position in 0..SEGMENTS {
            if position == at {
                continue;
            }
            let mut files = plain.files.clone();
            let mut parts = files[at].statement().parts();
            parts.steps = StepRange::new((first + position) as u32, 1).unwrap();
            let statement = SegmentStatement::new(parts).unwrap();
            files[at] = restated(&files[at], statement);
            let label = format!("{of}/segment {at} at position {position}");
            recorder.refuse(&label, || verify(&files, &plain.policy));
            // In the order that the labels ask for.
            files.swap(at, position);
            let label = format!("{of}/segment {at} moved to position {position}");
            recorder.refuse(&label, || verify(&files, &plain.policy));
        }
    }
}

/// Several edits after one another.
fn random(recorder: &mut Recorder, of: &str, runs: &[Run]) {
    let seed = recorder.seed;
    let count = recorder.amount(250, 10_000);
    let same: Vec<bool> = runs
        .iter()
        .map(|run| run.policy == runs[0].policy)
        .collect();
    recorder.refuse_each(&format!("{of}/edits"), count, |index| {
        let mut rng = Rng::of(seed, "chains", index as u64);
        let mut order: Vec<(usize, usize)> = (0..SEGMENTS).map(|at| (0, at)).collect();
        for _ in 0..=rng.below(4) {
            let at = rng.below(order.len());
            match rng.below(6) {
                0 if order.len() > 1 => drop(order.remove(at)),
                1 => order.insert(rng.below(order.len() + 1), order[at]),
                2 => {
                    let other = rng.below(order.len());
                    order.swap(at, other);
                }
                3 => order.truncate(at + 1),
                4 => order[at] = (rng.below(runs.len()), rng.below(SEGMENTS)),
                _ => {
                    let (run, from) = (rng.below(runs.len()), rng.below(SEGMENTS));
                    order.truncate(at);
                    order.extend((from..SEGMENTS).map(|at| (run, at)));
                }
            }
        }
        let run = order[0].0;
        let is_whole =
            order.len() == SEGMENTS && order.iter().enumerate().all(|(at, it)| *it == (run, at));
        if is_whole && same[run] {
            return None;
        }
        let files = order.iter().map(|(run, at)| &runs[*run].files[*at]);
        Some(verify(files, &runs[0].policy))
    });
}
