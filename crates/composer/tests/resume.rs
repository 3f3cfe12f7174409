//! Interrupted runs, determinism, and what resume keeps.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{names, options, place, plan, prove, schedule, segment_bytes, segment_path, trace};
use matchmark_composer::{
    policy_for, segments_directory, verify_directory, ChainOutline, ChainPlan, ChainProveError,
    ChainProver, DirectoryError, Progress, ProvenRow, Silent,
};
use matchmark_statement::{Profile, Security, SecurityLevel};
use matchmark_verifier::VerifyError;

/// Stops after some segments.
struct StopAfter(AtomicU64);

impl Progress for StopAfter {
    fn segment(&self, _row: &ProvenRow) -> ControlFlow<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) <= 1 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn an_interrupted_run_ends_in_the_same_chain() {
    let (_guard, whole) = place();
    let expected = prove(&whole, plan(1, 1));
    for (stop, workers) in [(1, 1), (3, 1), (2, 2), (2, 3)] {
        let (_guard, path) = place();
        let prover = ChainProver::create(&path, plan(1, 1))
            .unwrap()
            .with_schedule(schedule(workers, 1));
        match prover.run(&StopAfter(AtomicU64::new(stop))) {
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
        assert_eq!(report.segments_kept, kept);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
        assert_eq!(names(&segments_directory(&path)).len(), 6);
        // Once more: nothing is left to be done.
        let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert_eq!((report.segments_kept, report.segments), (6, 6));
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
fn progress_is_told_everything() {
    struct Count {
        begun: AtomicU64,
        rows: AtomicU64,
    }
    impl Progress for Count {
        fn begin(&self, outline: &ChainOutline) {
            assert_eq!((outline.segments, outline.steps), (3, 6));
            self.begun.fetch_add(1, Ordering::SeqCst);
        }

        fn segment(&self, row: &ProvenRow) -> ControlFlow<()> {
            assert!(!row.kept && row.steps == 2 && row.proof_bytes > 0);
            self.rows.fetch_add(1, Ordering::SeqCst);
            ControlFlow::Continue(())
        }
    }
    let count = Count {
        begun: AtomicU64::new(0),
        rows: AtomicU64::new(0),
    };
    let (_guard, path) = place();
    let prover = ChainProver::create(&path, plan(8, 2)).unwrap();
    let report = prover.run(&count).unwrap();
    assert_eq!(count.begun.into_inner(), 1);
    assert_eq!(count.rows.into_inner(), 3);
    // 2 heads; steps see 3 to 8 candidates.
    assert_eq!(report.lookup_claims, 2 * (3 + 4 + 5 + 6 + 7 + 8));
    assert_eq!(report.segments_kept, 0);
    assert!(report.opened_columns > 0 && report.committed_cells > report.trace_rows);
}
