//! Chains under attack: segments dropped, swapped, doubled, spliced, relabelled, cut off.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use camino::Utf8Path;
use common::{place, plan, prove, segment_bytes, segment_path};
use matchmark_composer::{
    policy_for, verify_directory, ChainPlan, ChainReadError, ChainVerifier, ChainVerifyError,
    VerifyDirectoryError,
};
use matchmark_quant::{Rounding, StepRange};
use matchmark_statement::{
    AcceptancePolicy, ChainError, PolicyMismatch, Port, PublicValues, Security, SegmentStatement,
    VerifierDomain,
};
use matchmark_tables::WeightTable;
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{SegmentFile, VerifyError};

/// The segments of a chain of one-step segments, and the policy that accepts them.
fn segments(seed: u64) -> (Vec<SegmentFile>, AcceptancePolicy) {
    let (_guard, path) = place();
    prove(&path, plan(seed, 1));
    let policy = policy_for(&path).unwrap();
    let files = segment_bytes(&path)
        .iter()
        .map(|bytes| SegmentFile::decode(bytes).unwrap())
        .collect();
    (files, policy)
}

fn verify<'a>(
    files: impl IntoIterator<Item = &'a SegmentFile>,
    policy: &AcceptancePolicy,
) -> Result<(), ChainVerifyError> {
    let mut verifier = ChainVerifier::new(policy.clone());
    for file in files {
        verifier.push(file)?;
    }
    verifier.finish().map(|_| ())
}

#[test]
fn only_the_whole_chain_in_order_is_accepted() {
    let (files, policy) = segments(1);
    let (others, _) = segments(2);
    assert_eq!(verify(&files, &policy), Ok(()));
    let last = files.len() - 1;

    // Truncated at the end: each segment is right, the chain is not.
    assert!(matches!(
        verify(&files[..last], &policy),
        Err(ChainVerifyError::Chain {
            segments: 5,
            source: FoldError::Policy(PolicyMismatch::ChainSteps { .. })
        })
    ));
    // Truncated at the beginning: seen with the first segment.
    let begins_late = |result| {
        matches!(
            result,
            Err(ChainVerifyError::Join {
                segment: 0,
                source: FoldError::Policy(PolicyMismatch::FirstState { .. })
            })
        )
    };
    assert!(begins_late(verify(&files[1..], &policy)));
    // Nothing at all.
    assert!(matches!(
        verify([], &policy),
        Err(ChainVerifyError::Chain {
            segments: 0,
            source: FoldError::Chain(ChainError::Empty)
        })
    ));
    for i in 0..=last {
        // Dropped.
        let dropped = files
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, f)| f);
        let result = verify(dropped, &policy);
        if i == 0 {
            assert!(begins_late(result));
        } else if i == last {
            assert!(matches!(result, Err(ChainVerifyError::Chain { .. })));
        } else {
            assert!(matches!(
                result,
                Err(ChainVerifyError::Join {
                    segment,
                    source: FoldError::Chain(ChainError::PositionGap { .. })
                }) if segment == i as u64
            ));
        }
        // Doubled.
        let doubled = files
            .iter()
            .enumerate()
            .flat_map(|(j, f)| vec![f; 1 + usize::from(i == j)]);
        assert!(matches!(
            verify(doubled, &policy),
            Err(ChainVerifyError::Join {
                segment,
                source: FoldError::Chain(ChainError::PositionOverlap { .. })
            }) if segment == i as u64 + 1
        ));
        // Spliced: one segment of a chain over other values, at the same position. The first of them
        // begins with another cache, which the policy does not accept; the others do not fit the
        // state before.
        let mut spliced = files.clone();
        spliced[i] = others[i].clone();
        let result = verify(&spliced, &policy);
        if i == 0 {
            assert!(matches!(
                result,
                Err(ChainVerifyError::Segment {
                    segment: 0,
                    source: VerifyError::Policy(PolicyMismatch::FirstState { .. })
                })
            ));
        } else {
            assert!(matches!(
                result,
                Err(ChainVerifyError::Join {
                    segment,
                    source: FoldError::Chain(ChainError::StateMismatch { .. })
                }) if segment == i as u64
            ));
        }
        // Swapped with any later one.
        for j in i + 1..=last {
            let mut swapped = files.clone();
            swapped.swap(i, j);
            assert!(verify(&swapped, &policy).is_err(), "{i} {j}");
        }
    }
}

#[test]
fn a_relabelled_segment_is_refused() {
    let (files, policy) = segments(3);
    let original = &files[2];
    let relabel = |change: &dyn Fn(&mut matchmark_statement::SegmentStatementParts)| {
        let mut parts = original.statement().parts();
        change(&mut parts);
        let statement = SegmentStatement::new(parts).unwrap();
        let values = original.public_values().clone();
        let file = SegmentFile::new(statement, values, original.proof().to_vec());
        let mut verifier = ChainVerifier::new(policy.clone());
        verifier.push(&files[0]).unwrap();
        verifier.push(&files[1]).unwrap();
        let result = verifier.push(&file);
        assert_eq!(verifier.parts(), 2);
        match result {
            Err(ChainVerifyError::Segment { segment: 2, source }) => source,
            other => panic!("{other:?}"),
        }
    };
    // Another position, with the states of this one.
    assert!(matches!(
        relabel(&|parts| parts.steps = StepRange::new(5, 1).unwrap()),
        VerifyError::PortNotOpened {
            port: Port::StateBefore,
            ..
        }
    ));
    let other = files[3].statement();
    assert!(matches!(
        relabel(&|parts| parts.state_before = other.state_before()),
        VerifyError::PortNotOpened {
            port: Port::StateBefore,
            ..
        }
    ));
    assert!(matches!(
        relabel(&|parts| parts.state_after = other.state_after()),
        VerifyError::PortNotOpened {
            port: Port::StateAfter,
            ..
        }
    ));
    assert!(matches!(
        relabel(&|parts| parts.public_values = other.public_values()),
        VerifyError::PublicValuesMismatch { .. }
    ));
    assert!(matches!(
        relabel(&|parts| parts.terms.rounding = Rounding::Floor),
        VerifyError::Policy(PolicyMismatch::Rounding { .. })
    ));
    assert!(matches!(
        relabel(&|parts| parts.terms.domain = VerifierDomain::new("other", [0; 16]).unwrap()),
        VerifyError::Policy(PolicyMismatch::Domain { .. })
    ));
    assert!(matches!(
        relabel(&|parts| parts.terms.security = Security::default()),
        VerifyError::Policy(PolicyMismatch::Security { .. })
    ));
    // Both, statement and values, taken from the next segment: everything fits but the proof.
    let file = SegmentFile::new(
        files[2].statement().clone(),
        PublicValues::clone(files[2].public_values()),
        files[3].proof().to_vec(),
    );
    let mut verifier = ChainVerifier::new(policy.clone());
    verifier.push(&files[0]).unwrap();
    verifier.push(&files[1]).unwrap();
    assert!(matches!(
        verifier.push(&file),
        Err(ChainVerifyError::Segment { segment: 2, .. })
    ));
}

#[test]
fn a_policy_for_another_chain_is_not_satisfied() {
    let (files, policy) = segments(4);
    let other_policy = |change: &dyn Fn(&mut matchmark_composer::ChainOptions)| {
        let mut options = common::options(1);
        change(&mut options);
        let policy = ChainPlan::new(common::trace(4), options)
            .unwrap()
            .policy()
            .unwrap();
        match verify(&files, &policy) {
            Err(ChainVerifyError::Segment {
                segment: 0,
                source: VerifyError::Policy(mismatch),
            }) => mismatch,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        policy,
        ChainPlan::new(common::trace(4), common::options(1))
            .unwrap()
            .policy()
            .unwrap()
    );
    assert!(matches!(
        other_policy(&|options| options.table = Some(WeightTable::essay9())),
        PolicyMismatch::Table { .. }
    ));
    assert!(matches!(
        other_policy(&|options| options.rounding = Rounding::Floor),
        PolicyMismatch::Rounding { .. }
    ));
    assert!(matches!(
        other_policy(&|options| options.security = Security::default()),
        PolicyMismatch::WeakerSecurity { .. }
    ));
    assert!(matches!(
        other_policy(
            &|options| options.domain = VerifierDomain::new("composer tests", [1; 16]).unwrap()
        ),
        PolicyMismatch::Domain { .. }
    ));
    let first_state = plan(5, 1).policy().unwrap();
    assert!(matches!(
        verify(&files, &first_state),
        Err(ChainVerifyError::Segment {
            segment: 0,
            source: VerifyError::Policy(PolicyMismatch::FirstState { .. })
        })
    ));
}

#[test]
fn a_directory_is_verified_from_its_segments_alone() {
    let (_guard, path) = place();
    // The last segment is shorter than the others.
    let proven = prove(&path, plan(6, 4));
    let policy = policy_for(&path).unwrap();
    for name in ["chain.toml", "trace.safetensors", "table.txt", "lock"] {
        fs::write(path.join(name), "nonsense").unwrap();
    }
    let mut seen = vec![];
    let report = verify_directory(&path, &policy, |row| seen.push(row.steps)).unwrap();
    assert_eq!(seen, [4, 2]);
    assert_eq!((report.segments, report.steps), (2, 6));
    assert_eq!(report.statement.chain_digest(), proven.chain_digest);
    assert_eq!(report.statement.first_state(), proven.first_state);
    assert_eq!(report.statement.last_state(), proven.last_state);
    assert_eq!(report.proof_bytes, proven.proof_bytes);
    assert_eq!(report.public_bytes, proven.public_bytes);
    assert_eq!(report.public_bytes, (2 + 1 + 1 + 2) * 6 * 8);
    for (verified, proven) in report.per_segment.iter().zip(&proven.per_segment) {
        assert_eq!(verified.state_before, proven.state_before);
        assert_eq!(verified.state_after, proven.state_after);
        assert_eq!(verified.proof_bytes, proven.proof_bytes);
        assert_eq!(verified.entries_before, proven.entries_before);
    }
    assert_eq!(
        report.per_segment[0].state_after,
        report.per_segment[1].state_before
    );
}

#[test]
fn files_missing_doubled_exchanged_or_malformed() {
    let (_guard, path) = place();
    prove(&path, plan(7, 2));
    let policy = policy_for(&path).unwrap();
    let bytes = segment_bytes(&path);
    let verify = |path: &Utf8Path| verify_directory(path, &policy, |_| {}).unwrap_err();
    let restore = || {
        for (index, bytes) in (0..).zip(&bytes) {
            fs::write(segment_path(&path, index), bytes).unwrap();
        }
    };

    fs::remove_file(segment_path(&path, 1)).unwrap();
    assert!(matches!(
        verify(&path),
        VerifyDirectoryError::Read(ChainReadError::MissingSegment {
            expected: 3,
            got: 2,
            ..
        })
    ));
    restore();
    fs::write(segment_path(&path, 3), &bytes[2]).unwrap();
    assert!(matches!(
        verify(&path),
        VerifyDirectoryError::Verify(ChainVerifyError::Join {
            segment: 3,
            source: FoldError::Chain(ChainError::PositionOverlap { .. })
        })
    ));
    fs::remove_file(segment_path(&path, 3)).unwrap();
    fs::write(segment_path(&path, 0), &bytes[1]).unwrap();
    fs::write(segment_path(&path, 1), &bytes[0]).unwrap();
    assert!(matches!(
        verify(&path),
        VerifyDirectoryError::Verify(ChainVerifyError::Join {
            segment: 0,
            source: FoldError::Policy(PolicyMismatch::FirstState { .. })
        })
    ));
    restore();
    // Cut off, extended, and every kind of flipped byte: never accepted, never a panic.
    let original = &bytes[1];
    for len in [0, 10, 40, 200, original.len() / 2, original.len() - 1] {
        fs::write(segment_path(&path, 1), &original[..len]).unwrap();
        assert!(matches!(
            verify(&path),
            VerifyDirectoryError::Read(ChainReadError::Segment { .. })
        ));
    }
    let mut extended = original.clone();
    extended.push(0);
    fs::write(segment_path(&path, 1), &extended).unwrap();
    assert!(matches!(
        verify(&path),
        VerifyDirectoryError::Read(ChainReadError::Segment {
            source: VerifyError::TrailingBytes { .. },
            ..
        })
    ));
    for position in (0..original.len()).step_by(original.len() / 60) {
        let mut flipped = original.clone();
        flipped[position] ^= 1 << (position % 8);
        fs::write(segment_path(&path, 1), &flipped).unwrap();
        verify(&path);
    }
    restore();
    assert!(verify_directory(&path, &policy, |_| {}).is_ok());
}
