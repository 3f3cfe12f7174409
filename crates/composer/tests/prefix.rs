//! Chains of a model whose every text begins with the same tokens: these are no steps, and the chain begins
//! with their cache.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::model::{model, options};
use common::{place, schedule};
use matchmark_composer::{
    derive_key, policy_for, verify_directory, ChainProver, KeyOptions, ModelPlan, Silent,
    VerifyDirectoryError,
};
use matchmark_models::{execute_model, IntegerModel, ModelPrefix, ModelState};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{SecurityLevel, TokenId};

const PREFIX: [u32; 2] = [3, 5];

/// The model of the other tests, behind these tokens, whose cache it computed itself.
fn with_prefix(tokens: &[u32]) -> Arc<IntegerModel> {
    let plain = model(5);
    let (_, state) = execute_model(&plain, &ModelState::initial(&plain), tokens).unwrap();
    let mut parts = (*plain).clone().into_parts();
    parts.prefix = ModelPrefix {
        tokens: tokens.to_vec(),
        cache: state.cache().clone(),
    };
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// A chain behind a prefix says what one says that is given the same tokens as its own; its policy follows
/// from the key, and that of another prefix is another.
#[test]
fn a_chain_begins_behind_the_prefix() {
    let (_guard, path) = place();
    let prompt = vec![7, 9, 4];
    let model = with_prefix(&PREFIX);
    let plan = ModelPlan::new(Arc::clone(&model), prompt.clone(), &options(3)).unwrap();
    assert_eq!(plan.prompt(), [3, 5, 7, 9, 4]);
    assert_eq!(
        (plan.steps().entries_before(), plan.steps().steps()),
        (2, 7)
    );
    let derived = plan.policy().unwrap();
    let prover = ChainProver::create(&path, plan).unwrap();
    prover.with_schedule(schedule(2, 1)).run(&Silent).unwrap();
    let policy = policy_for(&path).unwrap();
    assert_eq!(policy, derived);
    let mut consumed = vec![];
    let chain = verify_directory(&path, &policy, |row| {
        consumed.extend(row.tokens.clone().unwrap().consumed);
    });
    assert_eq!(chain.unwrap().statement.steps().entries_before(), 2);

    // The same tokens of the model without a prefix, which computes those of the prefix itself.
    let plain = common::model::model(5);
    let given = [PREFIX.as_slice(), &prompt].concat();
    let mut state = ModelState::initial(&plain);
    let mut tokens = given.clone();
    for position in 0..given.len() + 4 {
        let (execution, after) = execute_model(&plain, &state, &[tokens[position]]).unwrap();
        if position + 1 == tokens.len() {
            tokens.push(execution.choices[0]);
        }
        state = after;
    }
    let consumed: Vec<u32> = consumed.into_iter().map(TokenId::get).collect();
    assert_eq!(consumed, tokens[2..9]);

    // By the key, which has the cache of the prefix.
    let mut wanted = KeyOptions::of_levels(&[SecurityLevel::Insecure13]).unwrap();
    wanted.segment_steps = vec![SegmentSteps::new(3).unwrap()];
    let key = |model: &Arc<IntegerModel>| derive_key(model, &wanted, &mut |_, _| {}).unwrap();
    let own = key(&model);
    assert_eq!(own.check_policy(&policy), Ok(()));
    let prompt: Vec<TokenId> = prompt.into_iter().map(TokenId::new).collect();
    let of_key = own.policy(&prompt, &options(3)).unwrap();
    assert_eq!(of_key.without_shorter().unwrap(), policy);
    for other in [with_prefix(&[5, 3]), with_prefix(&[3]), plain] {
        let other = key(&other);
        let policy = other.policy(&prompt, &options(3)).unwrap();
        assert!(own.check_policy(&policy).is_err());
        assert!(matches!(
            verify_directory(&path, &policy, |_| {}),
            Err(VerifyDirectoryError::Verify(_))
        ));
    }
}
