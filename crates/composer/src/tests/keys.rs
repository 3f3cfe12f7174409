//! Keys of models. Most errors come of the text of a key, which is whatever somebody hands out.
use std::sync::LazyLock;

use matchmark_prover::ProveError;
use matchmark_quant::SegmentSteps;
use matchmark_statement::{ModelCommitment, RelationDigest, Security, SecurityLevel};
use matchmark_tables::WeightTable;

use super::common::model::{model, options, PROMPT};
use super::{all_are_reached, Case};
use crate::{KeyError, KeyWeights, ModelKey, ModelOptions, PlanError};

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
        let refused = |change: &dyn Fn(&mut ModelKey)| {
            let mut key = KEY.clone();
            change(&mut key);
            ModelKey::from_toml(&key.to_toml()).unwrap_err()
        };
        let last = KEY.weights.len();
        let twice = refused(&|key| key.weights.push(key.weights[last - 1]));
        assert!(matches!(twice, KeyError::Order { index } if index == last));
        let none = refused(&|key| key.weights.clear());
        assert!(matches!(none, KeyError::Order { index: 0 }));
        twice
    }),
    ("Relation", || {
        let key = altered(|key| key.relation_digest = RelationDigest::from_bytes([7; 32]));
        no_policy(&key, PROMPT, &options(1))
    }),
    ("SegmentSteps", || no_policy(&KEY, PROMPT, &options(2))),
    ("NoCommitment", || {
        let mut options = options(1);
        options.security = Security::default();
        let error = no_policy(&KEY, PROMPT, &options);
        let has = KEY.weights.iter();
        let has = has.map(|it| format!("2^{} and 2^{}", it.log_blowup, it.log_height));
        let has = has.collect::<Vec<_>>().join(", ");
        assert!(matches!(&error, KeyError::NoCommitment { expected, .. } if *expected == has));
        error
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

#[test]
fn the_first_line_that_is_not_canonical_is_named() {
    let text = KEY.to_toml();
    let lines: Vec<&str> = text.split('\n').collect();
    for at in 0..lines.len() {
        let mut changed = lines.clone();
        // A comment that is the key's text but for a space at its end, or behind the last line.
        let spaced = format!("{} ", lines[at]);
        changed[at] = &spaced;
        match ModelKey::from_toml(&changed.join("\n")) {
            Err(KeyError::NotCanonical {
                line,
                expected,
                got,
            }) => {
                assert_eq!((line, &*expected, &*got), (at + 1, lines[at], &*spaced));
            }
            // Within the text of the table, a space is another text.
            Err(KeyError::Table(_)) => {}
            other => panic!("{at}: {other:?}"),
        }
    }
    match ModelKey::from_toml(&text[..text.len() - 1]) {
        Err(KeyError::NotCanonical {
            line,
            expected,
            got,
        }) => assert_eq!(
            (line, expected, got),
            (lines.len(), String::new(), String::new())
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_derived_anew_for_its_own_levels() {
    assert_eq!(KEY.rederive(&model(5)).unwrap(), *KEY);
    let other = KEY.rederive(&model(6)).unwrap();
    assert_ne!(other, *KEY);
    let blowups = |key: &ModelKey| -> Vec<_> {
        let places = key
            .weights()
            .iter()
            .map(|it| (it.log_blowup, it.log_height));
        places.collect()
    };
    assert_eq!(blowups(&other), blowups(&KEY));
    assert_eq!(KEY.weights(), KEY.weights);
}

#[test]
fn keys_that_differ_in_a_commitment_alone_differ() {
    assert_eq!(KEY.first_difference(&KEY), None);
    let commitment = ModelCommitment::from_bytes([7; 32]);
    let other = altered(|key| key.weights.last_mut().unwrap().commitment = commitment);
    let difference = KEY.first_difference(&other).unwrap();
    assert_eq!(difference.field, "commitment to the weights");
    let last = KEY.weights.last().unwrap();
    let words = |commitment| {
        let KeyWeights {
            log_blowup,
            log_height,
            ..
        } = last;
        format!("{commitment} at blowup 2^{log_blowup} and height 2^{log_height}")
    };
    assert_eq!(
        [difference.expected, difference.got],
        [words(last.commitment), words(commitment)]
    );
    // One more, which the key does not have.
    let longer = altered(|key| {
        let mut more = *last;
        more.log_height += 1;
        key.weights.push(more);
    });
    let difference = KEY.first_difference(&longer).unwrap();
    assert_eq!(difference.expected, "none");
}
