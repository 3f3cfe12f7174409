//! Keys of models. Most errors come of the text of a key, which is whatever somebody hands out.
use std::sync::LazyLock;

use matchmark_prover::ProveError;
use matchmark_quant::SegmentSteps;
use matchmark_statement::{RelationDigest, Security, SecurityLevel};
use matchmark_tables::WeightTable;

use super::common::model::{model, options, PROMPT};
use super::{all_are_reached, Case};
use crate::{KeyError, ModelKey, ModelOptions, PlanError};

/// The key of a model for chains of single steps.
static KEY: LazyLock<ModelKey> = LazyLock::new(|| {
    let steps = SegmentSteps::new(1).unwrap();
    ModelKey::derive(&model(5), &[SecurityLevel::Insecure13], steps).unwrap()
});

/// Reads the key with another text in place of one of its own.
fn with_text(from: &str, to: &str) -> KeyError {
    let text = KEY.to_toml();
    assert!(text.contains(from));
    ModelKey::from_toml(&text.replacen(from, to, 1)).unwrap_err()
}

/// A key that reads well and says something else of the model.
fn altered(change: impl FnOnce(&mut ModelKey)) -> ModelKey {
    let mut key = KEY.clone();
    change(&mut key);
    let read = ModelKey::from_toml(&key.to_toml()).unwrap();
    assert_eq!(read, key);
    read
}

fn no_policy(key: &ModelKey, prompt: usize, options: &ModelOptions) -> KeyError {
    KEY.policy(PROMPT, &self::options(1))
        .expect("the key has a policy");
    key.policy(prompt, options).unwrap_err()
}

const KEYS: &[Case<KeyError>] = &[
    ("Format", || with_text("format = 1", "format = 2")),
    ("Text", || with_text("format = 1", "format = 1\nextra = 0")),
    ("NotCanonical", || with_text("# ", "#  ")),
    ("Table", || with_text("entries ", "entry ")),
    ("Order", || {
        let mut key = KEY.clone();
        key.weights.reverse();
        key.weights.push(key.weights[0]);
        ModelKey::from_toml(&key.to_toml()).unwrap_err()
    }),
    ("Relation", || {
        let key = altered(|key| key.relation_digest = RelationDigest::from_bytes([7; 32]));
        no_policy(&key, PROMPT, &options(1))
    }),
    ("SegmentSteps", || no_policy(&KEY, PROMPT, &options(2))),
    ("NoCommitment", || {
        let mut options = options(1);
        options.security = Security::default();
        no_policy(&KEY, PROMPT, &options)
    }),
    ("Plan", || {
        let error = no_policy(&KEY, 0, &options(1));
        assert!(matches!(
            error,
            KeyError::Plan(PlanError::EmptyPrompt { .. })
        ));
        error
    }),
    ("Prove", || {
        // Weights for which the sums of an attention row do not fit into the field.
        let table = WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap();
        let key = altered(|key| key.outline.table = table);
        let error = no_policy(&key, PROMPT, &options(1));
        assert!(matches!(error, KeyError::Prove(ProveError::Layout(_))));
        error
    }),
];

#[test]
fn every_reason_to_have_no_key_is_reached() {
    all_are_reached(KeyError::NAMES, KEYS, KeyError::name);
}
