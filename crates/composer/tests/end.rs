//! Chains of a model that an end token ends: proven, resumed, verified, followed, and refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use camino::Utf8Path;
use common::model::{model, options, prompt, PROMPT};
use common::{place, schedule, stop_after};
use matchmark_composer::{
    derive_key, end_tokens_of, follow_directory, policy_for, segment_file_name, segments_directory,
    verify_directory, ChainProveError, ChainProver, ChainVerifyError, DirectoryError, KeyOptions,
    ModelMock, ModelOptions, ModelPlan, Patience, ProveEvent, ProveReport, Silent, Stop,
    VerifyDirectoryError,
};
use matchmark_models::{execute_model, IntegerModel, ModelState};
use matchmark_statement::{EndToken, EndTokens, FinishReason, PolicyMismatch, TokenId};
use matchmark_verifier::chain::FoldError;

/// Tokens that are decoded at most: 14 steps, in segments of 4 and a last one of 2.
const TOKENS: u32 = 12;

/// What a model generates behind some tokens without any rule.
fn generated(model: &IntegerModel, prompt: &[u32]) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    while tokens.len() < prompt.len() + TOKENS as usize {
        let (execution, _) = execute_model(model, &ModelState::initial(model), &tokens).unwrap();
        tokens.extend(execution.choices.last());
    }
    tokens.split_off(prompt.len())
}

/// Generates 0 2 12 12 0 18 8 8 22 6 6 0 behind the first of these prompts, and no 12 behind the second. Token 1,
/// which ends every text of the model, is in both and is not generated.
const SEED: u64 = 5;
const STOPS: [u32; PROMPT] = [1, 1, 3];
const RUNS_ON: [u32; PROMPT] = [5, 1, 7];

fn ends(tokens: &[u32]) -> EndTokens {
    EndTokens::new(tokens.iter().copied().map(TokenId::new)).unwrap()
}

fn with(tokens: &[u32]) -> ModelOptions {
    ModelOptions {
        tokens: TOKENS,
        stop: Stop::Tokens(ends(tokens)),
        ..options(4)
    }
}

fn plan(prompt: [u32; PROMPT], options: &ModelOptions) -> ModelPlan {
    ModelPlan::new(model(SEED), prompt.to_vec(), options).unwrap()
}

fn prove(path: &Utf8Path, prompt: [u32; PROMPT], options: &ModelOptions) -> ProveReport {
    let prover = ChainProver::create(path, plan(prompt, options)).unwrap();
    prover.with_schedule(schedule(2, 1)).run(&Silent).unwrap()
}

fn file(chain: &Utf8Path, segment: u64) -> std::path::PathBuf {
    segments_directory(chain)
        .join(segment_file_name(segment))
        .into()
}

fn end(position: usize, token: u32) -> Option<EndToken> {
    let token = TokenId::new(token);
    Some(EndToken { position, token })
}

#[test]
fn one_rule_accepts_an_answer_that_ends_and_one_that_runs_to_its_limit() {
    let model = model(SEED);
    let [stops, runs_on] = [STOPS, RUNS_ON].map(|prompt| generated(&model, &prompt));
    assert_eq!(stops, [0, 2, 12, 12, 0, 18, 8, 8, 22, 6, 6, 0]);
    assert!(!runs_on.contains(&12) && !stops.contains(&1));
    let options = with(&[12]);
    // Token 12 is chosen by the first step of the second segment; three more are decoded there.
    let (_guard, path) = place();
    let report = prove(&path, STOPS, &options);
    let answer = report.answer.unwrap();
    assert_eq!((report.segments, report.steps), (2, 8));
    assert_eq!(report.finish_reason, FinishReason::Stop);
    assert_eq!(
        (answer.tokens(), answer.surplus(), answer.end()),
        (3, 3, end(5, 12))
    );
    assert_eq!(report.per_segment.len(), 2);
    let stopped = policy_for(&path).unwrap();
    let verified = verify_directory(&path, &stopped, |_| ()).unwrap();
    assert_eq!(
        (verified.finish_reason, verified.answer),
        (FinishReason::Stop, Some(answer))
    );
    assert_eq!(verified.statement.chain_digest(), report.chain_digest);

    let (_guard, other) = place();
    let report = prove(&other, RUNS_ON, &options);
    assert_eq!((report.segments, report.steps), (4, 14));
    assert_eq!(report.finish_reason, FinishReason::Length);
    let to_the_limit = policy_for(&other).unwrap();
    let verified = verify_directory(&other, &to_the_limit, |_| ()).unwrap();
    assert_eq!(verified.answer.unwrap().tokens(), 12);
    assert_eq!(verified.answer.unwrap().end(), None);

    // But for the prompt, which both of them pin, it is one policy: nothing of it says where the answer ends.
    let mut parts = stopped.parts();
    parts.prompt = to_the_limit.prompt().to_vec();
    assert_eq!(parts, to_the_limit.parts());
    // And but for the list it is that of a chain without a rule.
    let mut parts = plan(STOPS, &with(&[])).policy().unwrap().parts();
    parts.end_tokens = ends(&[12]);
    assert_eq!(parts, stopped.parts());
}

/// The segments do not depend on the rule: one that goes on is the same chain, and is refused behind the end.
#[test]
fn a_chain_that_goes_on_or_ends_before_is_refused() {
    let (_guard, whole) = place();
    prove(&whole, STOPS, &with(&[]));
    let (_guard, path) = place();
    prove(&path, STOPS, &with(&[8, 18]));
    let policy = policy_for(&path).unwrap();
    // Token 18 is the last that the second segment chooses: nothing is surplus.
    let verified = verify_directory(&path, &policy, |_| ()).unwrap();
    let answer = verified.answer.unwrap();
    assert_eq!(
        (answer.tokens(), answer.surplus(), answer.end()),
        (6, 0, end(8, 18))
    );
    for segment in 0..2 {
        let [one, other] = [&path, &whole].map(|it| fs::read(file(it, segment)).unwrap());
        assert_eq!(one, other);
    }
    // One segment more, which is proven and follows.
    fs::copy(file(&whole, 2), file(&path, 2)).unwrap();
    match verify_directory(&path, &policy, |_| ()).unwrap_err() {
        VerifyDirectoryError::Verify(ChainVerifyError::Join {
            segment: 2,
            source:
                FoldError::PastEnd {
                    segment: 2,
                    end: got,
                    end_tokens,
                },
        }) => assert_eq!((Some(got), end_tokens), (end(8, 18), ends(&[8, 18]))),
        other => panic!("{other:?}"),
    }
    let patience = Patience::Segment(Duration::from_secs(60));
    assert!(matches!(
        follow_directory(&path, &policy, patience, |_| ()),
        Err(VerifyDirectoryError::SegmentsBehind {
            expected: 2,
            got: 3
        })
    ));
    // Nor does a prover go on with such a directory.
    let resumed = ChainProver::resume(&path).unwrap();
    assert!(matches!(
        resumed.run(&Silent),
        Err(ChainProveError::Directory(DirectoryError::SegmentOutside {
            expected: 2,
            got: 2,
            ..
        }))
    ));
    // One less may come yet.
    for segment in [2, 1] {
        fs::remove_file(file(&path, segment)).unwrap();
    }
    let error = verify_directory(&path, &policy, |_| ()).unwrap_err();
    assert!(error.is_incomplete());
    assert!(matches!(
        error,
        VerifyDirectoryError::Verify(ChainVerifyError::Chain {
            segments: 1,
            source: FoldError::Policy(PolicyMismatch::EndsEarly { .. }),
        })
    ));
    // Without the rule the whole chain is one, and with it none.
    let all = policy_for(&whole).unwrap();
    assert!(verify_directory(&whole, &all, |_| ()).is_ok());
    assert!(verify_directory(&whole, &policy, |_| ()).is_err());
}

#[test]
fn an_interrupted_chain_knows_that_it_is_complete() {
    let options = with(&[8]);
    let (_guard, path) = place();
    let report = prove(&path, STOPS, &options);
    // Token 8 is chosen by the first step of the third segment.
    assert_eq!((report.segments, report.answer.unwrap().surplus()), (3, 3));
    let (_guard, other) = place();
    let (cancel, tell) = stop_after(2);
    let prover = ChainProver::create(&other, plan(STOPS, &options)).unwrap();
    let prover = prover.with_schedule(schedule(1, 1)).with_cancel(cancel);
    assert!(matches!(
        prover.run(&tell),
        Err(ChainProveError::Stopped { finished: 2, .. })
    ));
    drop(prover);
    // Followed while the rest is proven: both end with the end token.
    let policy = policy_for(&other).unwrap();
    let follower = {
        let (chain, policy) = (other.clone(), policy.clone());
        thread::spawn(move || {
            let patience = Patience::Segment(Duration::from_secs(120));
            follow_directory(&chain, &policy, patience, |_| ()).unwrap()
        })
    };
    let totals = std::sync::Mutex::new(Vec::new());
    let told = |event: &ProveEvent| {
        if let ProveEvent::Done { progress, .. } = event {
            let total = (progress.finished, progress.parts, progress.steps);
            totals.lock().unwrap().push(total);
        }
    };
    let prover = ChainProver::resume(&other).unwrap();
    let resumed = prover.with_schedule(schedule(1, 1)).run(&told).unwrap();
    assert_eq!((resumed.segments, resumed.parts_kept), (3, 2));
    assert_eq!(resumed.chain_digest, report.chain_digest);
    // How many there are is known as soon as the end is.
    let totals = totals.into_inner().unwrap();
    assert_eq!(totals, [(1, 4, 14), (2, 4, 14), (3, 3, 12)]);
    let followed = follower.join().unwrap();
    assert_eq!(
        (followed.segments, followed.finish_reason),
        (3, FinishReason::Stop)
    );
    assert_eq!(followed.statement.chain_digest(), report.chain_digest);
    // Once more: all are there.
    let again = ChainProver::resume(&other).unwrap().run(&Silent).unwrap();
    assert_eq!((again.parts_kept, again.answer), (3, report.answer));
}

#[test]
fn a_key_lists_the_end_tokens_of_the_model() {
    let model: Arc<IntegerModel> = model(SEED);
    let own = end_tokens_of(model.tokenizer()).unwrap();
    assert_eq!(own, ends(&[1]));
    let mut of_key = KeyOptions::of_levels(&[options(4).security.level()]).unwrap();
    of_key.segment_steps = options(4).segment_steps.into_iter().collect();
    let key = derive_key(&model, &of_key, &mut |_, _| {}).unwrap();
    assert_eq!(key.end_tokens(), &own);
    // By default they are the rule, of key and plan alike; other lists and none are said.
    let given = STOPS.map(TokenId::new);
    for (stop, expected) in [
        (Stop::Model, own),
        (Stop::Tokens(ends(&[8, 10])), ends(&[8, 10])),
        (Stop::Tokens(EndTokens::NONE), EndTokens::NONE),
    ] {
        let options = ModelOptions { stop, ..with(&[]) };
        let policy = key.policy(&given, &options).unwrap();
        assert_eq!(policy.end_tokens(), &expected);
        let whole = policy.without_shorter().unwrap();
        assert_eq!(plan(STOPS, &options).policy().unwrap(), whole);
        assert_eq!(whole == policy, expected.is_empty());
    }
    assert!(ModelPlan::new(model, prompt(&common::model::model(SEED)), &with(&[24])).is_err());
}

#[test]
fn a_check_without_a_proof_ends_with_the_answer() {
    let mut segments = Vec::new();
    let mock = ModelMock::new(model(SEED), STOPS.to_vec(), &with(&[12])).unwrap();
    assert_eq!(mock.segment_count(), 4);
    mock.run(|segment, _| segments.push(segment)).unwrap();
    assert_eq!(segments, [0, 1]);
}
