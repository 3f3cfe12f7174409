//! Interrupted runs, determinism, and what resume keeps.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Mutex;

use common::{
    names, options, place, plan, prove, schedule, segment_bytes, segment_path, stop_after, trace,
};
use matchmark_composer::{
    policy_for, segments_directory, verify_directory, CancelToken, ChainOutline, ChainPlan,
    ChainProgress, ChainProveError, ChainProver, DirectoryError, ProveEvent, SegmentPhase, Silent,
};
use matchmark_quant::StepRange;
use matchmark_statement::{Profile, Security, SecurityLevel};
use matchmark_verifier::VerifyError;

#[test]
fn an_interrupted_run_ends_in_the_same_chain() {
    let (_guard, whole) = place();
    let expected = prove(&whole, plan(1, 1));
    for (stop, workers) in [(1, 1), (3, 1), (2, 2), (2, 3)] {
        let (_guard, path) = place();
        let prover = ChainProver::create(&path, plan(1, 1))
            .unwrap()
            .with_schedule(schedule(workers, 1));
        let (cancel, tell) = stop_after(stop);
        let prover = prover.with_cancel(cancel);
        assert_eq!(prover.directory(), path);
        match prover.run(&tell) {
            Err(ChainProveError::Stopped { finished, segments }) => {
                assert_eq!(segments, 6);
                assert!((stop..=stop + workers as u64).contains(&finished));
                assert_eq!(names(&segments_directory(&path)).len() as u64, finished);
            }
            other => panic!("{other:?}"),
        }
        // Not a whole chain yet.
        let policy = policy_for(&path).unwrap();
        assert!(verify_directory(&path, &policy, |_| {}).is_err());
        drop(prover);
        // What a killed process leaves behind.
        fs::write(segments_directory(&path).join(".matchmark-left"), b"half").unwrap();
        let kept = names(&segments_directory(&path)).len() as u64 - 1;

        let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(report.parts_kept, kept);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
        assert_eq!(names(&segments_directory(&path)).len(), 6);
        // Once more: nothing is left to be done.
        let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert_eq!((report.parts_kept, report.segments), (6, 6));
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(report.lookup_claims, expected.lookup_claims);
        assert_eq!(report.proof_bytes, expected.proof_bytes);
    }
}

#[test]
fn resume_keeps_files_that_finished_out_of_order() {
    let (_guard, path) = place();
    let expected = prove(&path, plan(2, 2));
    let bytes = segment_bytes(&path);
    fs::remove_file(segment_path(&path, 0)).unwrap();
    let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
    let kept: Vec<bool> = report.per_segment.iter().map(|row| row.kept).collect();
    assert_eq!(kept, [false, true, true]);
    assert_eq!(report.chain_digest, expected.chain_digest);
    assert_eq!(segment_bytes(&path), bytes);
}

#[test]
fn the_bytes_do_not_depend_on_the_schedule() {
    let mut options = options(3);
    options.security = Security::new(SecurityLevel::Conjectured100, Profile::Fast).unwrap();
    let mut all = vec![];
    for (workers, threads) in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 5)] {
        let (_guard, path) = place();
        let plan = ChainPlan::new(trace(3), options.clone()).unwrap();
        let report = ChainProver::create(&path, plan)
            .unwrap()
            .with_schedule(schedule(workers, threads))
            .run(&Silent)
            .unwrap();
        assert_eq!(report.schedule, schedule(workers, threads));
        all.push((segment_bytes(&path), report.chain_digest));
    }
    assert!(all.iter().all(|chain| *chain == all[0]));
}

#[test]
fn a_corrupted_segment_is_named_and_left_alone() {
    let (_guard, path) = place();
    let expected = prove(&path, plan(4, 2));
    let file = segment_path(&path, 1);
    let original = fs::read(&file).unwrap();
    let mut flipped = original.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let truncated = original[..last].to_vec();
    let resume = || {
        ChainProver::resume(&path)
            .unwrap()
            .run(&Silent)
            .unwrap_err()
    };
    for bytes in [flipped, truncated, vec![]] {
        fs::write(&file, &bytes).unwrap();
        match resume() {
            ChainProveError::CorruptSegment { path, .. } => assert_eq!(path, file),
            other => panic!("{other:?}"),
        }
        assert_eq!(fs::read(&file).unwrap(), bytes);
    }
    // A right proof of another segment is not kept either.
    fs::copy(segment_path(&path, 0), &file).unwrap();
    assert!(matches!(
        resume(),
        ChainProveError::OtherSegment { path, expected, got } if path == file && expected != got
    ));
    let (_guard, other) = place();
    prove(&other, plan(5, 2));
    fs::copy(segment_path(&other, 1), &file).unwrap();
    assert!(matches!(resume(), ChainProveError::OtherSegment { .. }));
    // Its owner removes it.
    fs::remove_file(&file).unwrap();
    let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
    assert_eq!(report.chain_digest, expected.chain_digest);
    assert_eq!(fs::read(&file).unwrap(), original);
}

#[test]
fn a_proof_that_decodes_but_does_not_verify_is_not_kept() {
    let (_guard, path) = place();
    prove(&path, plan(6, 6));
    let file = segment_path(&path, 0);
    let mut bytes = fs::read(&file).unwrap();
    // Among the first bytes of the proof are the claimed sums; their low bits stay canonical.
    let stored = matchmark_verifier::SegmentFile::decode(&bytes).unwrap();
    let position = bytes.len() - stored.proof().len();
    bytes[position] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert!(matches!(
        ChainProver::resume(&path).unwrap().run(&Silent),
        Err(ChainProveError::CorruptSegment {
            source: VerifyError::LookupSumNotZero { .. },
            ..
        })
    ));
}

#[test]
fn a_segment_beyond_the_end_is_refused() {
    let (_guard, path) = place();
    prove(&path, plan(7, 2));
    fs::copy(segment_path(&path, 2), segment_path(&path, 3)).unwrap();
    assert!(matches!(
        ChainProver::resume(&path),
        Err(ChainProveError::Directory(DirectoryError::SegmentOutside {
            expected: 3,
            got: 3,
            ..
        }))
    ));
}

#[test]
fn a_token_that_was_used_before_stops_at_once() {
    let (_guard, path) = place();
    let cancel = CancelToken::new();
    cancel.cancel();
    let prover = ChainProver::create(&path, plan(1, 2)).unwrap();
    let stopped = prover.with_cancel(cancel).run(&Silent);
    assert!(matches!(
        stopped,
        Err(ChainProveError::Stopped {
            finished: 0,
            segments: 3
        })
    ));
    // Once all is done there is nothing to be stopped.
    let (cancel, tell) = stop_after(3);
    let prover = ChainProver::resume(&path).unwrap();
    let prover = prover.with_schedule(schedule(1, 1)).with_cancel(cancel);
    assert_eq!(prover.run(&tell).unwrap().segments, 3);
}

#[test]
fn progress_is_told_everything_in_order() {
    use SegmentPhase::{Check, Execute, Prove, Write};
    let (_guard, path) = place();
    let all = Mutex::new(vec![]);
    let tell = |event: &ProveEvent| all.lock().unwrap().push(event.clone());
    let prover = ChainProver::create(&path, plan(8, 2)).unwrap();
    let prover = prover.with_schedule(schedule(1, 1));
    let report = prover.run(&tell).unwrap();
    drop(prover);
    // 2 heads; steps see 3 to 8 scores.
    assert_eq!(report.lookup_claims, 2 * (3 + 4 + 5 + 6 + 7 + 8));
    assert_eq!(report.parts_kept, 0);
    assert!(report.opened_columns > 0 && report.committed_cells > report.trace_rows);

    fs::remove_file(segment_path(&path, 1)).unwrap();
    let prover = ChainProver::resume(&path).unwrap();
    let resumed = prover.with_schedule(schedule(1, 1)).run(&tell).unwrap();
    let mut events = all.into_inner().unwrap().into_iter();
    let new = &[Execute, Prove, Write][..];
    let kept = &[Execute, Check][..];
    for (report, phases) in [(report, [new, new, new]), (resumed, [kept, new, kept])] {
        let outline = ChainOutline {
            segments: 3,
            groups: 1,
            steps: 6,
            schedule: schedule(1, 1),
        };
        assert_eq!(events.next(), Some(ProveEvent::Planned(outline)));
        let mut bytes = 0;
        for (row, phases) in report.per_segment.iter().zip(phases) {
            let part = row.segment;
            let steps = StepRange::new(u32::try_from(row.entries_before).unwrap(), 2).unwrap();
            assert_eq!(events.next(), Some(ProveEvent::Begun { part, steps }));
            for &phase in phases {
                assert_eq!(events.next(), Some(ProveEvent::Phase { part, phase }));
            }
            bytes += row.proof_bytes + row.public_bytes;
            let progress = ChainProgress {
                finished: part + 1,
                parts: 3,
                finished_steps: 2 * (usize::try_from(part).unwrap() + 1),
                steps: 6,
                bytes,
            };
            let row = row.clone();
            assert_eq!(events.next(), Some(ProveEvent::Done { row, progress }));
        }
        assert_eq!(bytes, report.proof_bytes + report.public_bytes);
    }
    assert_eq!(events.next(), None);
}

#[test]
fn with_several_workers_every_segment_has_all_its_events() {
    let (_guard, path) = place();
    let all = Mutex::new(vec![]);
    let tell = |event: &ProveEvent| all.lock().unwrap().push(event.clone());
    let prover = ChainProver::create(&path, plan(8, 1)).unwrap();
    prover.with_schedule(schedule(3, 1)).run(&tell).unwrap();
    let events = all.into_inner().unwrap();
    let mut begun = vec![];
    let mut finished = 0;
    for event in &events {
        match event {
            ProveEvent::Begun { part, .. } => begun.push(*part),
            ProveEvent::Done { row, progress } => {
                finished += 1;
                assert!(begun.contains(&row.segment));
                assert_eq!((progress.finished, progress.parts), (finished, 6));
            }
            _ => {}
        }
    }
    assert_eq!(begun, [0, 1, 2, 3, 4, 5]);
    assert_eq!(finished, 6);
    for segment in 0..6 {
        let phases = events.iter().filter_map(|event| match event {
            ProveEvent::Phase { part: of, phase } if *of == segment => Some(phase.name()),
            _ => None,
        });
        assert_eq!(phases.collect::<Vec<_>>(), ["execute", "prove", "write"]);
    }
}
