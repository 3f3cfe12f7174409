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
    ChainReadError, ChainReader, ChainVerifier, ChainVerifyError, Patience, VerifyDirectoryError,
    MAX_SEGMENT_BYTES,
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
    parts.terms.domain = VerifierDomain::new("other", [0; 16]).unwrap();
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

/// Makes the first segment of a chain a link.
fn link(target: &str, chain: &Utf8Path) {
    let link = segments_directory(chain).join(segment_file_name(0));
    std::os::unix::fs::symlink(target, link).unwrap();
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
    ("NotAFile", || {
        let (_guard, path) = chain(&[]);
        fs::create_dir(segments_directory(&path).join(segment_file_name(0))).unwrap();
        ChainReader::open(&path, MAX_SEGMENT_BYTES).unwrap_err()
    }),
    ("BrokenLink", || {
        let (_guard, path) = chain(&[]);
        link("nothing", &path);
        let mut reader = ChainReader::open(&path, MAX_SEGMENT_BYTES).unwrap();
        reader.next().unwrap().unwrap_err()
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

/// Follows a chain that does not grow.
fn follow(names: &[&str], policy: &AcceptancePolicy) -> VerifyDirectoryError {
    let (_guard, path) = chain(names);
    follow_directory(&path, policy, Patience::Segment(Duration::ZERO), |_| {}).unwrap_err()
}

const FOLLOW: &[Case<VerifyDirectoryError>] = &[
    ("Read", || {
        let (_guard, path) = chain(&[]);
        let file = segments_directory(&path).join(segment_file_name(0));
        // What is not a file is there, and nothing to wait for.
        fs::create_dir(&file).unwrap();
        let error = follow_directory(&path, &policy(), Patience::Segment(Duration::ZERO), |_| {})
            .unwrap_err();
        assert!(matches!(
            error,
            VerifyDirectoryError::Read(ChainReadError::NotAFile { .. })
        ));
        fs::remove_dir(&file).unwrap();
        fs::write(&file, b"no segment at all").unwrap();
        follow_directory(&path, &policy(), Patience::Segment(Duration::ZERO), |_| {}).unwrap_err()
    }),
    ("Verify", || follow(&["000000.segment"], &other_policy())),
    ("Timeout", || follow(&[], &policy())),
    ("SegmentsBehind", || {
        let (_guard, path) = chain(&["000000.segment"]);
        follow_directory(&path, &policy(), Patience::Segment(Duration::ZERO), |_| {})
            .expect("the chain is valid");
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
        FOLLOW,
        VerifyDirectoryError::name,
    );
    // A directory that nobody writes to is refused for the same reasons.
    let (_guard, path) = chain(&["000000.segment"]);
    verify_directory(&path, &policy(), |_| {}).expect("the chain is valid");
    let error = verify_directory(&path, &other_policy(), |_| {}).unwrap_err();
    assert_eq!(error.name(), "Verify");
}

/// What may still come is told from what is wrong.
#[test]
fn incomplete_chains_are_told_from_wrong_ones() {
    let incomplete = ["Io", "NoSegments", "MissingSegment", "BrokenLink"];
    for (name, case) in READ {
        assert_eq!(case().is_incomplete(), incomplete.contains(name), "{name}");
    }
    for (name, case) in FOLLOW {
        assert_eq!(case().is_incomplete(), *name == "Timeout", "{name}");
    }
    for (name, case) in VERIFY {
        // Of no segment at all.
        assert_eq!(case().is_incomplete(), *name == "Chain", "{name}");
    }
    let (_guard, path) = chain(&[]);
    let error = verify_directory(&path, &policy(), |_| {}).unwrap_err();
    assert!(error.is_incomplete());
}

/// As content stores keep them: the files elsewhere, links by their names.
#[test]
fn segments_may_be_links_to_files() {
    let (_guard, path) = chain(&[]);
    fs::write(path.join("content"), fixture("narrow.segment")).unwrap();
    link("../content", &path);
    verify_directory(&path, &policy(), |_| {}).expect("the chain is valid");
    let patience = Patience::Chain(Duration::from_secs(60));
    follow_directory(&path, &policy(), patience, |_| {}).expect("the chain is valid");
    // Without the content the follower waits for it; who does not follow is told where it is not.
    fs::remove_file(path.join("content")).unwrap();
    assert!(matches!(
        follow_directory(&path, &policy(), Patience::Segment(Duration::ZERO), |_| {}),
        Err(VerifyDirectoryError::Timeout { segment: 0, .. })
    ));
    assert!(matches!(
        verify_directory(&path, &policy(), |_| {}),
        Err(VerifyDirectoryError::Read(
            ChainReadError::BrokenLink { .. }
        ))
    ));
}

#[test]
fn the_time_for_a_chain_ends_before_a_segment_that_is_there() {
    let (_guard, path) = chain(&["000000.segment"]);
    let patience = Patience::Chain(Duration::ZERO);
    assert!(matches!(
        follow_directory(&path, &policy(), patience, |_| {}),
        Err(VerifyDirectoryError::Timeout {
            segment: 0,
            got: 0,
            ..
        })
    ));
}

/// The fixture is shorter than what its policy allows.
#[test]
fn the_fixture_is_within_the_bounds_of_its_policy() {
    assert!(fixture("narrow.segment").len() as u64 <= max_segment_bytes(&policy()));
}
