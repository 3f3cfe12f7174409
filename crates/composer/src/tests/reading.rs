//! Reading and verifying chains: the segment that is committed with its policy is a chain of one.
use std::fs;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_statement::{AcceptancePolicy, VerifierDomain};
use matchmark_verifier::SegmentFile;
use tempfile::TempDir;

use super::{all_are_reached, Case};
use crate::{
    follow_directory, max_segment_bytes, segment_file_name, segments_directory, verify_directory,
    ChainReadError, ChainReader, ChainVerifier, ChainVerifyError, FollowError,
    VerifyDirectoryError, MAX_SEGMENT_BYTES,
};

fn fixture(name: &str) -> Vec<u8> {
    let directory = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
    fs::read(directory.join(name)).unwrap()
}

fn policy() -> AcceptancePolicy {
    let text = String::from_utf8(fixture("narrow.policy.toml")).unwrap();
    AcceptancePolicy::from_toml(&text).unwrap()
}

fn segment() -> SegmentFile {
    SegmentFile::decode(&fixture("narrow.segment")).unwrap()
}

/// A policy that differs from the segment's in what it was made for.
fn other_policy() -> AcceptancePolicy {
    let mut parts = policy().parts();
    parts.domain = VerifierDomain::new("other", [0; 16]).unwrap();
    AcceptancePolicy::new(parts).unwrap()
}

/// A chain directory with the segment under each of these names.
fn chain(names: &[&str]) -> (TempDir, Utf8PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
    let segments = segments_directory(&path);
    fs::create_dir(&segments).unwrap();
    for name in names {
        fs::write(segments.join(name), fixture("narrow.segment")).unwrap();
    }
    (directory, path)
}

/// Opens and reads a chain; no file may be longer than `max_bytes`.
fn read(names: &[&str], max_bytes: u64) -> ChainReadError {
    let (_guard, path) = chain(names);
    let reader = ChainReader::open(&path, max_bytes);
    let read = reader.and_then(|segments| segments.collect::<Result<Vec<_>, _>>());
    read.unwrap_err()
}

const READ: &[Case<ChainReadError>] = &[
    ("Io", || {
        let (_guard, path) = chain(&[]);
        ChainReader::open(&path.join("none"), 0).unwrap_err()
    }),
    ("NoSegments", || read(&[], MAX_SEGMENT_BYTES)),
    ("MissingSegment", || {
        read(&["000000.segment", "000002.segment"], MAX_SEGMENT_BYTES)
    }),
    ("UnexpectedFile", || {
        read(&["000000.segment", "notes.txt"], MAX_SEGMENT_BYTES)
    }),
    ("FileTooLarge", || read(&["000000.segment"], 100)),
    ("Segment", || {
        let (_guard, path) = chain(&["000000.segment"]);
        let file = segments_directory(&path).join(segment_file_name(0));
        fs::write(&file, &fixture("narrow.segment")[1..]).unwrap();
        let mut reader = ChainReader::open(&path, MAX_SEGMENT_BYTES).unwrap();
        reader.next().unwrap().unwrap_err()
    }),
];

const VERIFY: &[Case<ChainVerifyError>] = &[
    ("Segment", || {
        let mut verifier = ChainVerifier::new(other_policy());
        verifier.push(&segment()).unwrap_err()
    }),
    ("Join", || {
        let mut verifier = ChainVerifier::new(policy());
        verifier.push(&segment()).unwrap();
        verifier.push(&segment()).unwrap_err()
    }),
    ("Chain", || {
        ChainVerifier::new(policy()).finish().unwrap_err()
    }),
];

const DIRECTORY: &[Case<VerifyDirectoryError>] = &[
    ("Read", || {
        let (_guard, path) = chain(&[]);
        verify_directory(&path, &policy(), |_| {}).unwrap_err()
    }),
    ("Verify", || {
        let (_guard, path) = chain(&["000000.segment"]);
        verify_directory(&path, &policy(), |_| {}).expect("the chain is valid");
        verify_directory(&path, &other_policy(), |_| {}).unwrap_err()
    }),
];

/// Follows a chain that does not grow.
fn follow(names: &[&str], policy: &AcceptancePolicy) -> FollowError {
    let (_guard, path) = chain(names);
    follow_directory(&path, policy, Duration::ZERO, |_| {}).unwrap_err()
}

const FOLLOW: &[Case<FollowError>] = &[
    ("Read", || {
        let (_guard, path) = chain(&[]);
        let file = segments_directory(&path).join(segment_file_name(0));
        // A directory in the place of the file is there, and is none to wait for.
        fs::create_dir(&file).unwrap();
        let error = follow_directory(&path, &policy(), Duration::ZERO, |_| {}).unwrap_err();
        assert!(matches!(
            error,
            FollowError::Read(ChainReadError::Io { action: "read", .. })
        ));
        fs::remove_dir(&file).unwrap();
        fs::write(&file, b"no segment at all").unwrap();
        follow_directory(&path, &policy(), Duration::ZERO, |_| {}).unwrap_err()
    }),
    ("Verify", || follow(&["000000.segment"], &other_policy())),
    ("Timeout", || follow(&[], &policy())),
    ("SegmentsBehind", || {
        let (_guard, path) = chain(&["000000.segment"]);
        follow_directory(&path, &policy(), Duration::ZERO, |_| {}).expect("the chain is valid");
        follow(&["000000.segment", "000001.segment"], &policy())
    }),
];

#[test]
fn every_reason_not_to_read_a_chain_is_reached() {
    all_are_reached(ChainReadError::NAMES, READ, ChainReadError::name);
}

#[test]
fn every_reason_not_to_accept_a_chain_is_reached() {
    all_are_reached(ChainVerifyError::NAMES, VERIFY, ChainVerifyError::name);
    all_are_reached(
        VerifyDirectoryError::NAMES,
        DIRECTORY,
        VerifyDirectoryError::name,
    );
    all_are_reached(FollowError::NAMES, FOLLOW, FollowError::name);
}

/// The fixture is shorter than what its policy allows.
#[test]
fn the_fixture_is_within_the_bounds_of_its_policy() {
    assert!(fixture("narrow.segment").len() as u64 <= max_segment_bytes(&policy()));
}
