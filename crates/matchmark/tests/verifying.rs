//! The verifier's side: the committed segments, from bytes and from directories, and what their errors say.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::{
    check_prompt, files, follow, refusal_to_json, verify, verify_segments, verify_with, Chain,
    ChainError, ChainReadError, ChainVerifyError, Domain, Error, ErrorKind, FoldError, Key,
    Patience, Policy, VerifyDirectoryError, VerifyError,
};
use tempfile::TempDir;

fn fixture(name: &str) -> Utf8PathBuf {
    let fixtures = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
    fixtures.join(name)
}

/// The bytes of a committed segment, which is a chain of one, and the policy that accepts it.
fn committed(name: &str) -> (Vec<u8>, Policy) {
    let bytes = fs::read(fixture(&format!("{name}.segment"))).unwrap();
    (
        bytes,
        files::policy(fixture(&format!("{name}.policy.toml"))).unwrap(),
    )
}

/// A chain directory with these segments.
fn directory(segments: &[&[u8]]) -> (TempDir, Utf8PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let chain = Utf8Path::from_path(guard.path()).unwrap().join("chain");
    fs::create_dir_all(chain.join("segments")).unwrap();
    for (index, bytes) in segments.iter().enumerate() {
        fs::write(chain.join(format!("segments/{index:06}.segment")), bytes).unwrap();
    }
    (guard, chain)
}

#[test]
fn the_committed_segments_are_accepted_from_bytes_and_from_a_directory() {
    for name in ["narrow", "split", "decoder"] {
        let (bytes, policy) = committed(name);
        let of_bytes = verify_segments([&bytes], &policy).unwrap();
        let (_guard, chain) = directory(&[&bytes]);
        let mut rows = vec![];
        let of_directory = verify_with(&chain, &policy, |row| rows.push(row.steps)).unwrap();
        let digest = of_bytes.statement().chain_digest();
        assert_eq!(digest, of_directory.statement().chain_digest());
        assert_eq!(rows, [policy.steps().steps()]);
        let patience = Patience::Segment(Duration::from_secs(60));
        let followed = follow(&chain, &policy, patience, |_| {}).unwrap();
        assert_eq!(digest, followed.statement().chain_digest());

        let object = of_directory.to_json();
        assert_eq!(object["accepted"], true);
        assert_eq!(object["chain_digest"], digest.to_string());
        assert_eq!(
            object["security"]["level"],
            policy.terms().security.level().name()
        );
        assert!(of_directory.to_string().contains(&digest.to_string()));
        assert_eq!(of_directory.is_insecure(), of_bytes.is_insecure());
        assert_eq!(
            of_directory.allows_replay(),
            policy.terms().domain.allows_replay()
        );
    }
}

#[test]
fn every_refusal_can_be_matched() {
    let (bytes, policy) = committed("narrow");
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let refused = verify_segments([&flipped], &policy).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.name()),
        (ErrorKind::Rejected, "segment")
    );
    assert!(matches!(
        refused,
        Error::Refused(ChainVerifyError::Segment { segment: 0, .. })
    ));
    // The verifier's own reason, and its name.
    let reason = refused.refusal().unwrap();
    let variant = refused.reason().unwrap();
    // The last layer moves the queries, and so the work before them is not theirs.
    assert!(matches!(reason, VerifyError::Work(_)), "{reason:?}");
    assert_eq!(variant, "NotEnough");
    let object = refusal_to_json(&refused, &policy, &[]);
    assert_eq!(object["accepted"], false);
    assert_eq!(object["error"]["variant"], variant);

    // The same file in a directory, and one that is no segment at all.
    for (bytes, of_reading) in [(&flipped[..], false), (b"nothing", true)] {
        let (_guard, chain) = directory(&[bytes]);
        let refused = verify(&chain, &policy).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Rejected);
        assert!(refused.refusal().is_some());
        let read = matches!(refused, Error::Chain(ChainReadError::Segment { .. }));
        assert_eq!(read, of_reading, "{refused:?}");
    }

    // A segment that does not continue the chain, which is as it was before.
    let mut chain = Chain::new(&policy);
    assert_eq!(chain.push(&bytes).unwrap().segment, 0);
    let refused = chain.push(&bytes).unwrap_err();
    assert!(matches!(
        refused,
        Error::Refused(ChainVerifyError::Join { segment: 1, .. })
    ));
    assert!(refused.refusal().is_none());
    assert_eq!(
        (refused.kind(), refused.name()),
        (ErrorKind::Rejected, "chain")
    );
    assert_eq!(chain.accepted().len(), 1);
    assert!(chain.finish().is_ok());
}

#[test]
fn what_may_come_yet_is_incomplete() {
    let (bytes, policy) = committed("narrow");
    let empty = Chain::new(&policy).finish().unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Incomplete);
    assert!(matches!(
        empty,
        Error::Refused(ChainVerifyError::Chain {
            segments: 0,
            source: FoldError::Chain(ChainError::Empty)
        })
    ));
    let (_guard, chain) = directory(&[]);
    let none = verify(&chain, &policy).unwrap_err();
    assert_eq!(
        (none.kind(), none.name()),
        (ErrorKind::Incomplete, "segments")
    );
    let late = follow(&chain, &policy, Patience::Chain(Duration::ZERO), |_| {}).unwrap_err();
    assert_eq!(
        (late.kind(), late.name()),
        (ErrorKind::Incomplete, "timeout")
    );
    let Error::Follow(late) = late else {
        panic!("{late:?}")
    };
    assert!(matches!(*late, VerifyDirectoryError::Timeout { .. }));
    // One segment too many is not.
    let (_guard, chain) = directory(&[&bytes, &bytes]);
    let patience = Patience::Segment(Duration::ZERO);
    let behind = follow(&chain, &policy, patience, |_| {}).unwrap_err();
    assert_eq!(behind.kind(), ErrorKind::Rejected);
    let Error::Follow(behind) = behind else {
        panic!("{behind:?}")
    };
    assert!(matches!(
        *behind,
        VerifyDirectoryError::SegmentsBehind { .. }
    ));
}

#[test]
fn a_file_in_the_place_of_another_is_named() {
    let place = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(place.path()).unwrap().join("a.key");
    files::write(&path, key().to_toml().as_bytes()).unwrap();
    assert_eq!(files::key(&path).unwrap(), key());
    let error = files::policy(&path).unwrap_err();
    assert_eq!(
        (error.kind(), error.name()),
        (ErrorKind::Input, "other-file")
    );
    let message = error.message();
    assert!(
        message.contains("is the key of a model, expected an acceptance policy"),
        "{message}"
    );
    let missing = files::key(fixture("none.key")).unwrap_err();
    assert_eq!((missing.kind(), missing.name()), (ErrorKind::Input, "read"));
    assert_eq!(missing.reason().as_deref(), Some("NotFound"));
    // The folder of the segments, in the place of the chain's.
    let (bytes, policy) = committed("narrow");
    let (_guard, chain) = directory(&[&bytes]);
    let error = verify(chain.join("segments"), &policy).unwrap_err();
    assert_eq!(
        (error.kind(), error.name()),
        (ErrorKind::Input, "other-file")
    );
}

fn key() -> Key {
    Key::from_bytes(&fs::read(fixture("functions.key")).unwrap()).unwrap()
}

#[test]
fn policies_follow_from_keys_and_choices() {
    let key = key();
    assert_eq!(Key::from_toml(&key.to_toml()).unwrap(), key);
    assert_eq!(
        key.to_bytes().unwrap(),
        fs::read(fixture("functions.key")).unwrap()
    );
    assert!(key.check_key(&key).is_ok());

    let (bytes, policy) = committed("function-1");
    assert!(key.check_policy(&policy).is_ok());
    let given: Vec<u32> = policy.prompt().iter().map(|token| token.get()).collect();
    let tokens = policy.steps().entries_after() + 1 - given.len();
    let choices = key
        .policy()
        .prompt_tokens(given.iter().copied())
        .tokens(u32::try_from(tokens).unwrap())
        .security(policy.terms().security)
        .segment_steps(policy.terms().shape.segment_steps())
        .domain(policy.terms().domain.clone());
    // Shorter chains are the key's to list, and a policy's to leave out.
    let built = choices.clone().build().unwrap();
    assert_eq!(built.without_shorter(), policy.without_shorter());
    // What the key makes is all that a verifier needs.
    assert!(verify_segments([&bytes], &choices.clone().build().unwrap()).is_ok());
    let other = choices.domain(Domain::new("others", [1; 16]).unwrap());
    let other = other.build().unwrap();
    let refused = verify_segments([&bytes], &other).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);

    // A policy for another function than the key's.
    let (_, other) = committed("function-2");
    match key.check_policy(&other).unwrap_err() {
        Error::KeyMismatch { what, field, .. } => {
            assert_eq!((what, field), ("policy", "decoder.arithmetic"));
        }
        error => panic!("{error:?}"),
    }
    // Choices that make no chain.
    let refused = key.policy().build().unwrap_err();
    assert_eq!((refused.kind(), refused.name()), (ErrorKind::Input, "key"));
    assert_eq!(refused.reason().as_deref(), Some("EmptyPrompt"));

    assert!(check_prompt(&policy, &given).is_ok());
    let error = check_prompt(&policy, &[&given[..], &[0]].concat()).unwrap_err();
    assert_eq!(
        (error.kind(), error.name()),
        (ErrorKind::Input, "other-prompt")
    );
}
