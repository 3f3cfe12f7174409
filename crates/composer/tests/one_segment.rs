//! A chain of one committed segment, read and verified without the prover.
#![allow(clippy::unwrap_used)]

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_composer::{
    max_segment_bytes, verify_directory, ChainReadError, ChainReader, ChainVerifier,
    ChainVerifyError, VerifyDirectoryError,
};
use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::SegmentFile;

fn fixture(name: &str) -> Vec<u8> {
    let directory = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
    fs::read(directory.join(name)).unwrap()
}

fn policy(name: &str) -> AcceptancePolicy {
    let text = fixture(&format!("{name}.policy.toml"));
    AcceptancePolicy::from_toml(std::str::from_utf8(&text).unwrap()).unwrap()
}

/// A chain directory with these files among its segments.
fn directory(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Utf8PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(guard.path().to_owned()).unwrap();
    fs::create_dir(path.join("segments")).unwrap();
    for (name, bytes) in files {
        fs::write(path.join("segments").join(name), bytes).unwrap();
    }
    (guard, path)
}

#[test]
fn a_chain_of_one_segment() {
    for name in ["narrow", "split"] {
        let bytes = fixture(&format!("{name}.segment"));
        let file = SegmentFile::decode(&bytes).unwrap();
        let policy = policy(name);
        let (_guard, path) = directory(&[("000000.segment", &bytes)]);
        let mut seen = vec![];
        let report = verify_directory(&path, &policy, |row| seen.push(row.segment)).unwrap();
        assert_eq!(seen, [0]);
        assert_eq!((report.segments, report.steps), (1, 2));
        assert_eq!(
            report.statement.first_state(),
            file.statement().state_before()
        );
        assert_eq!(
            report.statement.last_state(),
            file.statement().state_after()
        );
        let public = file.public_values().encode().len() as u64;
        assert_eq!(report.public_bytes, public);
        assert_eq!(report.proof_bytes, file.proof_bytes() as u64);
        let row = &report.per_segment[0];
        assert_eq!(
            (row.proof_bytes, row.public_bytes),
            (report.proof_bytes, public)
        );
        assert_eq!(
            row.entries_before,
            file.statement().steps().entries_before()
        );
        assert!(report.figures.is_insecure());
        // Times are times: the parts within the whole, none negative, a millisecond no second.
        assert!(row.public_ms > 0.0 && row.public_ms <= row.verify_ms);
        assert!(row.verify_ms <= report.verify_ms && report.verify_ms < 60_000.0);
    }
}

/// Two steps of public values cost next to nothing beside the proof. An interruption may fall on them, but
/// not most of the times.
#[test]
fn the_time_of_public_values_is_told_apart() {
    let file = SegmentFile::decode(&fixture("narrow.segment")).unwrap();
    let told = |_: &u32| {
        let mut verifier = ChainVerifier::new(policy("narrow"));
        let row = verifier.push(&file).unwrap();
        10.0 * row.public_ms < row.verify_ms
    };
    assert!((0..20).filter(told).count() > 10);
}

#[test]
fn a_verifier_tells_what_it_has_seen() {
    let file = SegmentFile::decode(&fixture("narrow.segment")).unwrap();
    let policy = policy("narrow");
    let mut verifier = ChainVerifier::new(policy.clone());
    assert_eq!(verifier.policy(), &policy);
    assert_eq!(verifier.parts(), 0);
    assert!(verifier.figures().is_none());
    assert!(matches!(
        verifier.clone().finish(),
        Err(ChainVerifyError::Chain { segments: 0, .. })
    ));
    verifier.push(&file).unwrap();
    assert_eq!(verifier.parts(), 1);
    assert!(verifier.figures().is_some());
    // The same steps again do not belong to the chain, and the chain stays what it was.
    assert!(matches!(
        verifier.push(&file),
        Err(ChainVerifyError::Join { segment: 1, .. })
    ));
    assert_eq!(verifier.parts(), 1);
    assert_eq!(verifier.finish().unwrap().segments(), 1);
}

#[test]
fn what_is_wrong_with_a_directory_is_said() {
    let bytes = fixture("narrow.segment");
    let policy = policy("narrow");
    let verify = |files: &[(&str, &[u8])]| {
        let (_guard, path) = directory(files);
        verify_directory(&path, &policy, |_| {})
            .map(|_| ())
            .unwrap_err()
    };
    assert!(matches!(
        verify(&[]),
        VerifyDirectoryError::Read(ChainReadError::NoSegments { .. })
    ));
    assert!(matches!(
        verify(&[("000001.segment", &bytes)]),
        VerifyDirectoryError::Read(ChainReadError::MissingSegment {
            expected: 2,
            got: 1,
            ..
        })
    ));
    assert!(matches!(
        verify(&[("000000.segment", &bytes), ("000001.segment", &bytes)]),
        VerifyDirectoryError::Verify(ChainVerifyError::Join { segment: 1, .. })
    ));
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(
        verify(&[("000000.segment", &changed)]),
        VerifyDirectoryError::Verify(ChainVerifyError::Segment { segment: 0, .. })
    ));
    assert!(matches!(
        verify(&[("000000.segment", &bytes[1..])]),
        VerifyDirectoryError::Read(ChainReadError::Segment { .. })
    ));
}

/// The longest file under a policy: header, longest statement, public values of the longest segment, and
/// a bound on the proof. A file of that length is read, one byte more is not.
#[test]
fn the_longest_file_is_read() {
    let policy = policy("narrow");
    let file = SegmentFile::decode(&fixture("narrow.segment")).unwrap();
    let steps = u64::from(policy.terms().shape.segment_steps().get());
    let (own_steps, own_bytes) = (
        file.statement().steps().steps() as u64,
        file.public_values().encode().len() as u64,
    );
    let longest = max_segment_bytes(&policy);
    assert_eq!(
        longest,
        64 + 640 + own_bytes * steps / own_steps + 8 * 1024 * 1024
    );
    let zeros = vec![0; usize::try_from(longest).unwrap() + 1];
    for (len, is_read) in [(zeros.len() - 1, true), (zeros.len(), false)] {
        let (_guard, path) = directory(&[("000000.segment", &zeros[..len])]);
        let first = ChainReader::open(&path, longest).unwrap().next().unwrap();
        match first.map(|_| ()).unwrap_err() {
            ChainReadError::Segment { .. } => assert!(is_read),
            ChainReadError::FileTooLarge { expected, got, .. } => {
                assert!(!is_read);
                assert_eq!((expected, got), (longest, longest + 1));
            }
            other => panic!("{other:?}"),
        }
    }
}
