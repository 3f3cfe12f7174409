//! Fused, split and mixed chains: proven, interrupted, verified, taken apart and put together wrongly.
#![allow(clippy::unwrap_used)]

mod common;

use common::{options, place, prove, schedule, segment_bytes, stop_after, trace};
use matchmark_composer::{
    policy_for, segment_sizes, verify_directory, ChainPlan, ChainProveError, ChainProver,
    ChainVerifier, ChainVerifyError, DirectoryError, Silent,
};
use matchmark_statement::{AcceptancePolicy, Cut, CutPattern, PolicyMismatch};
use matchmark_verifier::{SegmentFile, VerifyError};

fn chain(seed: u64, pattern: &str) -> ChainPlan {
    let mut options = options(2);
    options.cuts = pattern.parse().unwrap();
    ChainPlan::new(trace(seed), options).unwrap()
}

/// The segments of a chain of three, and the policy that accepts them.
fn segments(seed: u64, pattern: &str) -> (Vec<SegmentFile>, AcceptancePolicy) {
    let (_guard, path) = place();
    prove(&path, chain(seed, pattern));
    let policy = policy_for(&path).unwrap();
    let files = segment_bytes(&path)
        .iter()
        .map(|bytes| SegmentFile::decode(bytes).unwrap())
        .collect();
    (files, policy)
}

fn verify(files: &[SegmentFile], policy: &AcceptancePolicy) -> Result<(), ChainVerifyError> {
    let mut verifier = ChainVerifier::new(policy.clone());
    for file in files {
        verifier.push(file)?;
    }
    verifier.finish().map(|_| ())
}

/// Why the segment is refused.
fn refusal(files: &[SegmentFile], policy: &AcceptancePolicy, at: u64) -> VerifyError {
    match verify(files, policy) {
        Err(ChainVerifyError::Segment { segment, source }) if segment == at => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_pattern_makes_a_chain_over_the_same_states() {
    let patterns = ["fused", "split", "fused,split", "split,fused,fused"];
    let chains = patterns.map(|pattern| segments(1, pattern));
    for (pattern, (files, policy)) in patterns.iter().zip(&chains) {
        assert_eq!(verify(files, policy), Ok(()), "{pattern}");
        let wanted: CutPattern = pattern.parse().unwrap();
        for (index, file) in (0..).zip(files) {
            let split = wanted.of(index) == Cut::Split;
            assert_eq!(file.lookup().is_some(), split, "{pattern} {index}");
        }
        // What is carried from step to step does not depend on how it is proven.
        for (file, fused) in files.iter().zip(&chains[0].0) {
            let (one, other) = (file.statement(), fused.statement());
            assert_eq!(one.state_before(), other.state_before());
            assert_eq!(one.state_after(), other.state_after());
            assert_eq!(one.public_values(), other.public_values());
        }
    }
    // Segments of chains that are proven in different ways may follow each other, under a policy that
    // accepts both kinds.
    let [fused, split, mixed, _] = &chains;
    let spliced = [&fused.0[0], &split.0[1], &split.0[2]].map(Clone::clone);
    assert_eq!(verify(&spliced, &mixed.1), Ok(()));
    // A policy that accepts one kind alone refuses the other, wherever it stands.
    assert!(matches!(
        refusal(&spliced, &fused.1, 1),
        VerifyError::Policy(PolicyMismatch::Cut {
            expected: Cut::Fused,
            got: Cut::Split
        })
    ));
    assert!(matches!(
        refusal(&spliced, &split.1, 0),
        VerifyError::Policy(PolicyMismatch::Cut {
            expected: Cut::Split,
            got: Cut::Fused
        })
    ));
}

#[test]
fn lookup_proofs_belong_to_their_segment() {
    let (files, policy) = segments(1, "split");
    let (others, _) = segments(2, "split");
    for at in 0..files.len() {
        let with = |lookup: Option<_>| {
            let mut files = files.clone();
            files[at] = files[at].clone().with_lookup(lookup);
            refusal(&files, &policy, at as u64)
        };
        assert_eq!(with(None), VerifyError::LookupProofMissing);
        // Of another run, and of another segment of this run.
        let next = (at + 1) % files.len();
        for other in [&others[at], &files[next]] {
            assert!(matches!(
                with(other.lookup().cloned()),
                VerifyError::CutMismatch { .. } | VerifyError::OtherLookup { .. }
            ));
        }
    }
}

#[test]
fn a_mixed_chain_is_resumed_as_it_was_begun() {
    let (_guard, whole) = place();
    let expected = prove(&whole, chain(3, "split,fused"));
    for workers in [1, 2] {
        let (_guard, path) = place();
        let prover = ChainProver::create(&path, chain(3, "split,fused"))
            .unwrap()
            .with_schedule(schedule(workers, 1));
        let (cancel, tell) = stop_after(1);
        let stopped = prover.with_cancel(cancel).run(&tell);
        assert!(matches!(stopped, Err(ChainProveError::Stopped { .. })));
        let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert!(report.parts_kept > 0);
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
        let policy = policy_for(&path).unwrap();
        verify_directory(&path, &policy, |_| {}).unwrap();
        // Another pattern is another chain.
        match ChainProver::create(&path, chain(3, "split")) {
            Err(ChainProveError::Directory(DirectoryError::OtherChain {
                field,
                expected,
                got,
                ..
            })) => {
                assert_eq!(field, "cuts");
                // What is asked for, and what stands there.
                assert_eq!([&*expected, &*got], ["split", "split,fused"]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn measured_sizes_add_up_to_the_proofs() {
    let (files, _) = segments(4, "fused,split");
    for file in &files {
        let sizes = segment_sizes(file).unwrap();
        let lookup = file.lookup().map(|lookup| lookup.proof().len());
        let lengths: Vec<usize> = [file.proof().len()].into_iter().chain(lookup).collect();
        assert_eq!(sizes.len(), lengths.len());
        for (measured, length) in sizes.iter().zip(lengths) {
            let it = &measured.sizes;
            assert_eq!(it.bytes, length);
            let parts = [it.samples, it.queried_values, it.merkle_paths];
            assert_eq!(
                parts.iter().sum::<usize>() + it.low_degree + it.rest,
                length
            );
            let columns: usize = it.trees.iter().map(|tree| tree.columns).sum();
            assert_eq!(columns, it.opened_columns);
            // Digits and brackets take more room than the bytes that they stand for.
            assert!(measured.json_bytes > it.bytes as u64);
        }
    }
    // A proof under the wrong statement has no sizes.
    let [fused, split] = [&files[0], &files[1]];
    let wrong = SegmentFile::new(
        fused.statement().clone(),
        fused.public_values().clone(),
        split.proof().to_vec(),
    );
    assert!(segment_sizes(&wrong).is_err());
}
