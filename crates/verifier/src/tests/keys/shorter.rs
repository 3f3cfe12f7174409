//! The shorter chains of the policies that follow from a key.

use alloc::vec;
use alloc::vec::Vec;

use matchmark_statement::{
    AcceptancePolicy, AcceptancePolicyParts, EndTokens, PolicyCircuit, PortCommitment,
    PreprocessedRoot, ProofPart, RelationDigest, ShorterChain,
};

use super::{
    altered, ends, first_state, heavy, key, key_of, options, outline, prompt, steps, TokenId,
};
use crate::key::{KeyError, ModelKey, ModelOptions, ModelOptionsError, Stop};
use crate::{DIGITS_RELATION_DIGEST, RELATION_DIGEST};

fn lengths(policy: &AcceptancePolicy) -> Vec<u32> {
    policy.shorter().iter().map(|it| it.steps).collect()
}

fn policy_of(key: &ModelKey, options: &ModelOptions) -> AcceptancePolicy {
    key.policy(&prompt(), options).unwrap()
}

/// The policy with other shorter chains.
fn changed(
    policy: &AcceptancePolicy,
    change: impl FnOnce(&mut Vec<ShorterChain>),
) -> AcceptancePolicy {
    let mut parts = policy.parts();
    change(&mut parts.shorter);
    AcceptancePolicy::new(parts).unwrap()
}

/// Each shorter chain is what the key says of a chain that is as long.
#[test]
fn a_shorter_chain_is_the_whole_one_of_a_shorter_answer() {
    for key in [key(), key_of(&heavy())] {
        // Two tokens are given: an answer of one takes two steps.
        let policy = policy_of(&key, &options(5));
        assert_eq!(policy.steps().steps(), 6);
        assert_eq!(lengths(&policy), [2, 3, 4, 5]);
        assert_eq!(key.shorter_steps(2, &options(5)), Ok(vec![2, 3, 4, 5]));
        for chain in policy.shorter() {
            let whole = policy_of(&key, &options(chain.steps - 1));
            assert_eq!(chain.circuits, whole.circuits());
            assert_eq!(chain.first_state, whole.first_state());
            assert_eq!(chain.weights, whole.terms().decoder.unwrap().weights);
            assert_eq!(chain.relation_digest, whole.terms().relation_digest);
            // These are its terms by the policy of the longer answer, too.
            assert!(policy.is_shorter(whole.terms()));
            assert_eq!(policy.check_terms(whole.terms()), Ok(()));
            assert_eq!(policy.steps_of(whole.terms()), whole.steps());
        }
        key.check_policy(&policy).unwrap();
        // Nothing depends on who derives it.
        assert_eq!(policy_of(&key, &options(5)).id(), policy.id());
    }
    let mixed = policy_of(&key_of(&heavy()), &options(5));
    let relations: Vec<_> = mixed
        .shorter()
        .iter()
        .map(|it| it.relation_digest)
        .collect();
    assert_eq!(
        relations,
        [
            RELATION_DIGEST,
            RELATION_DIGEST,
            RELATION_DIGEST,
            DIGITS_RELATION_DIGEST
        ]
    );
}

#[test]
fn only_an_answer_that_can_end_early_has_shorter_chains() {
    let with = |stop: Stop| ModelOptions { stop, ..options(5) };
    let none = with(Stop::Tokens(EndTokens::NONE));
    assert_eq!(policy_of(&key(), &none).shorter(), []);
    assert_eq!(key().shorter_steps(2, &none), Ok(vec![]));
    let others = with(Stop::Tokens(ends(&[4, 5])));
    let policy = policy_of(&key(), &others);
    assert_eq!(policy.shorter(), policy_of(&key(), &options(5)).shorter());
    key().check_policy_stopping(&policy, &others.stop).unwrap();
    // An answer of one token has no early end.
    assert_eq!(policy_of(&key(), &options(1)).shorter(), []);
    let without = altered(|it| it.end_tokens = EndTokens::NONE).unwrap();
    assert_eq!(policy_of(&without, &options(5)).shorter(), []);
}

#[test]
fn lengths_are_those_that_the_key_has_circuits_for() {
    let by_two = altered(|it| it.granularity = steps(2)).unwrap();
    // Of five steps, which the longest answer takes, six are made.
    let policy = policy_of(&by_two, &options(4));
    assert_eq!((policy.steps().steps(), lengths(&policy)), (6, vec![2, 4]));
    by_two.check_policy(&policy).unwrap();
    // No chain of it ends with a segment of one step.
    let even = altered(|it| {
        for circuits in &mut it.circuits {
            if let Some(place) = circuits.steps.iter().position(|steps| *steps == 1) {
                circuits.steps.remove(place);
                circuits.whole.remove(place);
                circuits.arithmetic.remove(place);
            }
        }
        it.circuits.retain(|circuits| !circuits.steps.is_empty());
    })
    .unwrap();
    let policy = policy_of(&even, &options(5));
    assert_eq!(lengths(&policy), [2, 4]);
    even.check_policy(&policy).unwrap();
    // One that lists them does not follow from it.
    match even.check_policy(&policy_of(&key(), &options(5))) {
        Err(KeyError::OtherPolicy {
            field,
            expected,
            got,
        }) => {
            assert_eq!(
                (field, &expected[..7], &got[..7]),
                ("shorter", "4 steps", "3 steps")
            );
        }
        other => panic!("{other:?}"),
    }
    // Nor are there any for what the key does not speak of.
    let mut other = options(5);
    other.segment_steps = Some(steps(3));
    assert_eq!(key().shorter_steps(2, &other), Ok(vec![]));
    assert_eq!(key().shorter_steps(0, &options(5)), Ok(vec![]));
    assert_eq!(key().shorter_steps(2, &options(1 << 10)), Ok(vec![]));
}

/// A policy that lists fewer accepts less, and is its owner's choice; one that lists another chain is not the key's.
#[test]
fn a_policy_may_list_fewer_and_no_others() {
    let policy = policy_of(&key(), &options(5));
    for fewer in [
        changed(&policy, |it| it.truncate(2)),
        changed(&policy, |it| drop(it.remove(1))),
        changed(&policy, Vec::clear),
    ] {
        assert_eq!(key().check_policy(&fewer), Ok(()));
        assert_ne!(fewer.id(), policy.id());
    }
    let changes: [fn(&mut ShorterChain); 5] = [
        |it| it.weights = PortCommitment::from_bytes([1; 32]),
        |it| it.first_state = PortCommitment::from_bytes([1; 32]),
        |it| it.relation_digest = RelationDigest::from_bytes([1; 32]),
        |it| it.circuits[0].preprocessed_root = PreprocessedRoot::from_bytes([8; 32]),
        |it| {
            it.circuits.pop();
        },
    ];
    for change in changes {
        let other = changed(&policy, |it| change(&mut it[1]));
        match key().check_policy(&other) {
            Err(KeyError::OtherPolicy { field, .. }) => assert_eq!(field, "shorter"),
            other => panic!("{other:?}"),
        }
    }
    // A length that chains of the key do not have.
    let by_two = altered(|it| it.granularity = steps(2)).unwrap();
    match by_two.check_policy(&policy_of(&key(), &options(5))) {
        Err(KeyError::OtherPolicy { field, .. }) => assert_eq!(field, "shorter"),
        other => panic!("{other:?}"),
    }
}

/// Each length is proven in the ways that the policy has circuits for, as of the whole chain.
#[test]
fn cuts_are_those_of_the_policy() {
    for cuts in ["fused", "split", "fused,split", "split,fused"] {
        let mut options = options(5);
        options.cuts = cuts.parse().unwrap();
        let policy = policy_of(&key(), &options);
        assert_eq!(lengths(&policy), [2, 3, 4, 5]);
        assert_eq!(key().check_policy(&policy), Ok(()));
        let of_three = &policy.shorter()[1].circuits;
        let parts: Vec<_> = of_three.iter().map(|it| (it.steps, it.part)).collect();
        use ProofPart::{Arithmetic, Lookup, Whole};
        let expected = match cuts {
            "fused" => vec![(1, Whole), (2, Whole)],
            "split" => vec![(1, Arithmetic), (1, Lookup), (2, Arithmetic), (2, Lookup)],
            "fused,split" => vec![(1, Arithmetic), (1, Lookup), (2, Whole)],
            _ => vec![(1, Whole), (2, Arithmetic), (2, Lookup)],
        };
        assert_eq!(parts, expected);
        // One of its circuits less is none of the ways.
        let other = changed(&policy, |it| {
            it[1].circuits.retain(|it: &PolicyCircuit| it.steps == 2);
        });
        assert!(key().check_policy(&other).is_err());
    }
}

/// Behind a prefix: shorter chains begin with its cache, too.
#[test]
fn shorter_chains_begin_with_the_prefix_of_the_key() {
    let key = altered(|it| {
        it.prefix = [7, 8].map(TokenId::new).to_vec();
        for circuits in &mut it.circuits {
            circuits.first_state = Some(first_state());
        }
    })
    .unwrap();
    let policy = policy_of(&key, &options(3));
    assert_eq!(lengths(&policy), [2, 3]);
    for chain in policy.shorter() {
        let whole = policy_of(&key, &options(chain.steps - 1));
        assert_eq!(chain.first_state, whole.first_state());
        assert_eq!(policy.steps_of(whole.terms()), whole.steps());
        assert_eq!(whole.steps().entries_before(), 2);
    }
    key.check_policy(&policy).unwrap();
}

/// Options name the shorter chain that is proven.
#[test]
fn options_name_a_shorter_chain() {
    let shape = outline().shape;
    let chain = |shorter| {
        let options = ModelOptions {
            shorter: Some(shorter),
            ..options(5)
        };
        options.chain(&shape, 0, &prompt())
    };
    let (chain_of_three, range) = chain(3).unwrap();
    assert_eq!((range.entries_before(), range.steps()), (0, 3));
    assert_eq!(chain_of_three.capacity.get(), 3);
    assert_eq!(chain_of_three.segment_steps.get(), 2);
    for got in [0, 1, 6, 7, u32::MAX] {
        let expected = [2, 5];
        let refused = ModelOptionsError::Shorter { expected, got };
        assert_eq!(chain(got).unwrap_err(), refused);
    }
    // What a verifier asks for is the policy with all of them, whatever was proven.
    let proven = ModelOptions {
        shorter: Some(3),
        ..options(5)
    };
    assert_eq!(policy_of(&key(), &proven), policy_of(&key(), &options(5)));
    let AcceptancePolicyParts { answer_tokens, .. } = policy_of(&key(), &proven).parts();
    assert_eq!(answer_tokens, 5);
}
