//! Keys of models, and chains that are followed.
use std::fs;
use std::time::Duration;

use camino::Utf8Path;
use matchmark_quant::{
    CacheCapacity, HiddenSize, Layers, MlpSize, ModelShape, SegmentSteps, VocabularySize,
};
use matchmark_statement::{AcceptancePolicy, RelationDigest, Security, SecurityLevel};

use super::common::{model, model_options, place, plan, prove, segment_path, PROMPT, TOKENS};
use super::{all_are_reached, Case};
use crate::{follow_directory, policy_for, FollowError, KeyError, ModelKey, ModelOptions};

fn key() -> ModelKey {
    let steps = SegmentSteps::new(4).unwrap();
    ModelKey::derive(&model(5), &[SecurityLevel::Insecure13], steps).unwrap()
}

/// Why the text of a key is refused after a change.
fn text(change: impl FnOnce(String) -> String) -> KeyError {
    ModelKey::from_toml(&change(key().to_toml())).unwrap_err()
}

/// Why there is no policy by a key that was changed.
fn policy(change: impl FnOnce(&mut ModelKey), prompt: usize, options: &ModelOptions) -> KeyError {
    let mut key = key();
    change(&mut key);
    key.policy(prompt, options).unwrap_err()
}

const KEY: &[Case<KeyError>] = &[
    ("Format", || {
        text(|text| text.replace("format = 1", "format = 2"))
    }),
    ("Text", || {
        text(|text| text.replace("layers = 2", "layers = 0"))
    }),
    ("NotCanonical", || text(|text| text + "\n")),
    ("Table", || {
        text(|text| text.replace("matchmark table 1", "matchmark table 9"))
    }),
    ("Order", || {
        text(|text| {
            let last = text.rfind("[[weights]]").unwrap();
            format!("{text}\n{}", &text[last..])
        })
    }),
    ("Relation", || {
        let digest = RelationDigest::from_bytes([7; 32]);
        let other = |key: &mut ModelKey| key.relation_digest = digest;
        policy(other, PROMPT, &model_options(3, TOKENS))
    }),
    ("SegmentSteps", || {
        policy(|_| (), PROMPT, &model_options(5, TOKENS))
    }),
    ("NoCommitment", || {
        let options = ModelOptions {
            security: Security::default(),
            ..model_options(3, TOKENS)
        };
        policy(|_| (), PROMPT, &options)
    }),
    ("Plan", || policy(|_| (), 0, &model_options(3, TOKENS))),
    ("Prove", || {
        // More tokens in the vocabulary than the choice of so many steps has rows for.
        let large = |key: &mut ModelKey| {
            key.max_segment_steps = SegmentSteps::new(64).unwrap();
            key.outline.shape = ModelShape::new(
                Layers::new(2).unwrap(),
                HiddenSize::new(12).unwrap(),
                key.outline.shape.attention(),
                MlpSize::new(20).unwrap(),
                VocabularySize::new(VocabularySize::MAX).unwrap(),
                CacheCapacity::new(128).unwrap(),
            )
            .unwrap();
        };
        policy(large, PROMPT, &model_options(64, 70))
    }),
];

/// A finished chain of three segments, after a change, followed by its policy.
fn follow(change: impl FnOnce(&Utf8Path)) -> FollowError {
    let (_guard, path) = place();
    prove(&path, plan(1, 2));
    let policy: AcceptancePolicy = policy_for(&path).unwrap();
    change(&path);
    let timeout = Duration::from_millis(1);
    follow_directory(&path, &policy, timeout, |_| ()).unwrap_err()
}

const FOLLOW: &[Case<FollowError>] = &[
    ("Read", || {
        follow(|path| fs::write(segment_path(path, 1), b"nonsense").unwrap())
    }),
    ("Verify", || {
        follow(|path| {
            fs::copy(segment_path(path, 0), segment_path(path, 1)).unwrap();
        })
    }),
    ("Timeout", || {
        follow(|path| fs::remove_file(segment_path(path, 2)).unwrap())
    }),
    ("SegmentsBehind", || {
        follow(|path| {
            fs::copy(segment_path(path, 2), segment_path(path, 3)).unwrap();
        })
    }),
];

#[test]
fn every_reason_to_refuse_a_key_is_reached() {
    all_are_reached(KeyError::NAMES, KEY, KeyError::name);
}

#[test]
fn every_reason_not_to_accept_a_followed_chain_is_reached() {
    all_are_reached(FollowError::NAMES, FOLLOW, FollowError::name);
}
