//! Keys as they are derived: the right commitments and roots, and why there is none.
use std::sync::{Arc, LazyLock};

use matchmark_graph::ModelArithmetic;
use matchmark_prover::{model_outline, ModelChain, SegmentProver};
use matchmark_quant::{CacheCapacity, SegmentSteps, ValueBits};
use matchmark_statement::{Cut, LayerGroups, PromptLength, SecurityLevel, TokenId};
use matchmark_tables::WeightTable;
use matchmark_verifier::key::{CircuitSizes, KeyError, ModelKey, ModelKeyParts, Stop};

use super::common::model::{model, options, prompt, PROMPT};
use super::{all_are_reached, Case};
use crate::proving::key::chains;
use crate::{
    derive_key, rederive_key, KeyOptions, KeygenError, ModelOptions, ModelPlan, Resources,
};

fn key_options(segment_steps: &[u32]) -> KeyOptions {
    let mut options = KeyOptions::of_levels(&[SecurityLevel::Insecure13]).unwrap();
    let steps = segment_steps
        .iter()
        .map(|it| SegmentSteps::new(*it).unwrap());
    options.segment_steps = steps.collect();
    options
}

/// The key of a model for chains that are cut every three or four steps.
static KEY: LazyLock<ModelKey> =
    LazyLock::new(|| derive_key(&model(5), &key_options(&[4, 3]), &mut |_, _| {}).unwrap());

/// Of every length that a chain can have, key and plan come to the same policy; the shorter chains of the key's are those
/// of the policies of shorter answers.
#[test]
fn a_key_has_the_policies_of_all_chains() {
    let model = model(5);
    let given = prompt(&model);
    let ids: Vec<TokenId> = given.iter().copied().map(TokenId::new).collect();
    let positions = u32::try_from(model.shape().positions()).unwrap();
    for tokens in 1..=positions - u32::try_from(PROMPT).unwrap() + 1 {
        for (segment_steps, cuts) in [(3, "fused"), (4, "split"), (3, "split,fused")] {
            let options = ModelOptions {
                tokens,
                cuts: cuts.parse().unwrap(),
                stop: Stop::default(),
                ..options(segment_steps)
            };
            let plan = ModelPlan::new(model.clone(), given.clone(), &options).unwrap();
            let policy = KEY.policy(&ids, &options).unwrap();
            let whole = policy.without_shorter().unwrap();
            assert_eq!(
                whole,
                plan.policy().unwrap(),
                "{tokens} by {segment_steps}, {cuts}"
            );
            KEY.check_policy(&policy).unwrap();
            KEY.check_policy(&whole).unwrap();
            assert_eq!(policy.shorter().len(), tokens as usize - 1);
            for chain in policy.shorter() {
                let tokens = chain.steps - u32::try_from(PROMPT).unwrap() + 1;
                let answer = ModelOptions {
                    tokens,
                    ..options.clone()
                };
                let of_answer = KEY.policy(&ids, &answer).unwrap();
                assert_eq!(policy.check_terms(of_answer.terms()), Ok(()));
                assert_eq!(chain.circuits, of_answer.circuits());
                assert_eq!(chain.first_state, of_answer.first_state());
            }
        }
    }
}

/// Segments whose sizes are the same have the same preprocessed columns, whatever the length of their
/// chain: what the list of a key's circuits relies on.
#[test]
fn roots_follow_from_the_sizes() {
    let model = model(5);
    let outline = model_outline(&model);
    let security = options(1).security;
    let mut seen = std::collections::BTreeMap::new();
    let mut repeated = 0;
    for capacity in 2..=16 {
        let chain = ModelChain {
            domain: options(1).domain,
            security,
            capacity: CacheCapacity::new(capacity).unwrap(),
            segment_steps: SegmentSteps::new(2).unwrap(),
            prompt: PromptLength::new(1).unwrap(),
            groups: LayerGroups::ONE,
        };
        let prover = SegmentProver::for_model(chain.clone(), Arc::clone(&model)).unwrap();
        for steps in [1, 2] {
            let layout = chain.layout(&outline, steps).unwrap();
            let sizes = CircuitSizes::of(&layout, security.parameters().log_blowup);
            let roots = Cut::ALL
                .map(|cut| prover.circuits(cut, steps).unwrap())
                .concat();
            match seen.insert((sizes, steps), roots.clone()) {
                None => {}
                Some(other) => {
                    assert_eq!(other, roots, "capacity {capacity}");
                    repeated += 1;
                }
            }
        }
    }
    assert!(
        repeated > 10 && seen.len() > 2,
        "{repeated} of {}",
        seen.len()
    );
}

#[test]
fn progress_is_told_of_every_tree() {
    let mut told = vec![];
    let key = derive_key(&model(5), &key_options(&[2]), &mut |done, all| {
        told.push((done, all));
    });
    let key = key.unwrap();
    let roots: usize = key
        .circuits()
        .iter()
        .map(|it| 1 + it.whole.len() + it.arithmetic.len())
        .sum();
    let trees = roots + key.weights().len();
    assert_eq!(
        told,
        (1..=trees).map(|done| (done, trees)).collect::<Vec<_>>()
    );
}

#[test]
fn a_key_is_derived_anew_for_its_own_levels() {
    let quiet = &mut |_, _| {};
    assert_eq!(rederive_key(&KEY, &model(5), quiet).unwrap(), *KEY);
    let other = rederive_key(&KEY, &model(6), quiet).unwrap();
    assert_ne!(other, *KEY);
    let blowups = |key: &ModelKey| -> Vec<_> {
        let weights = key.weights().iter();
        weights.map(|it| (it.log_blowup, it.log_height)).collect()
    };
    assert_eq!(blowups(&other), blowups(&KEY));
    // Roots do not depend on the weights.
    assert_eq!(other.circuits(), KEY.circuits());
}

const KEYGEN: &[Case<KeygenError>] = &[
    ("Nothing", || {
        let derive =
            |options: &KeyOptions| derive_key(&model(5), options, &mut |_, _| {}).unwrap_err();
        let none = derive(&key_options(&[]));
        assert!(matches!(
            none,
            KeygenError::Nothing {
                what: "segment length"
            }
        ));
        let mut options = key_options(&[1]);
        options.securities.clear();
        derive(&options)
    }),
    ("NoChain", || {
        // Weights with which the sums of no attention row fit into the field, in two digits of 12 bits: a model
        // that no file holds.
        let mut outline = model_outline(&model(5));
        let mut of_nodes = outline.arithmetic.into_parts();
        of_nodes.value_bits = ValueBits::new(12).unwrap();
        outline.arithmetic = ModelArithmetic::new(of_nodes).unwrap();
        outline.table = WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap();
        match chains(&outline, 0, &key_options(&[2])) {
            Err(error) => error,
            Ok(_) => panic!("there is no such chain"),
        }
    }),
    ("Plan", || {
        let resources = Resources {
            max_memory: Some(1 << 20),
            ..Resources::default()
        };
        let error = resources.check_key(&model(5), &key_options(&[1]));
        KeygenError::from(error.unwrap_err())
    }),
    ("Key", || {
        let parts = ModelKeyParts {
            segment_steps: vec![],
            ..KEY.parts().clone()
        };
        let error = ModelKey::new(parts).unwrap_err();
        assert!(matches!(error, KeyError::Order { .. }));
        error.into()
    }),
];

#[test]
fn every_reason_to_derive_no_key_is_reached() {
    all_are_reached(KeygenError::NAMES, KEYGEN, KeygenError::name);
}
