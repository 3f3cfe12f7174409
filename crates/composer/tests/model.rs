//! Chains of a model: proven, interrupted, resumed, verified, and refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8Path;
use common::model::{model, options, plan, prompt, PROMPT, TOKENS};
use common::{place, schedule, stop_after};
use matchmark_composer::{
    derive_key, follow_directory, policy_for, segment_file_name, segments_directory,
    verify_directory, ChainProveError, ChainProver, ChainWork, DirectoryError, KeyError,
    KeyOptions, ModelKey, ModelMock, ModelOptions, ModelOptionsError, ModelPlan, Patience,
    PlanError, Progress, ProveEvent, ProvenRow, SegmentTokens, Silent, VerifyDirectoryError,
    MODEL_FILE,
};
use matchmark_models::{execute_model, IntegerModel, ModelExecution, ModelState};
use matchmark_prover::ProveError;
use matchmark_quant::SegmentSteps;
use matchmark_statement::{Cut, Security, SecurityLevel, TokenId};

/// Prompt and decoded tokens, one at a time.
fn text(model: &IntegerModel) -> Vec<u32> {
    let mut tokens = prompt(model);
    let mut state = ModelState::initial(model);
    for position in 0..PROMPT + TOKENS as usize - 1 {
        let (execution, after) = execute_model(model, &state, &[tokens[position]]).unwrap();
        if position + 1 == tokens.len() {
            tokens.push(execution.choices[0]);
        }
        state = after;
    }
    tokens
}

/// Keeps the rows.
#[derive(Default)]
struct Rows(Mutex<Vec<ProvenRow>>);

impl Progress for Rows {
    fn event(&self, event: &ProveEvent) {
        if let ProveEvent::Done { row, .. } = event {
            self.0.lock().unwrap().push(row.clone());
        }
    }
}

fn consumed(tokens: impl IntoIterator<Item = Option<SegmentTokens>>) -> Vec<u32> {
    let tokens = tokens.into_iter().flat_map(|it| it.unwrap().consumed);
    tokens.map(TokenId::get).collect()
}

fn file(chain: &Utf8Path, segment: u64) -> Vec<u8> {
    fs::read(segments_directory(chain).join(segment_file_name(segment))).unwrap()
}

/// The key of a model for chains that are cut after these numbers of steps.
fn key(seed: u64, segment_steps: &[u32]) -> ModelKey {
    let mut options = KeyOptions::of_levels(&[SecurityLevel::Insecure13]).unwrap();
    let steps = segment_steps
        .iter()
        .map(|it| SegmentSteps::new(*it).unwrap());
    options.segment_steps = steps.collect();
    derive_key(&model(seed), &options, &mut |_, _| {}).unwrap()
}

fn given() -> Vec<TokenId> {
    prompt(&model(5)).into_iter().map(TokenId::new).collect()
}

/// What `prove --key` compares before anything is written.
#[test]
fn a_plan_has_the_commitment_that_the_key_lists() {
    let key = |seed| key(seed, &[3]);
    let own = plan(3).weights().unwrap();
    assert!(key(5).weights().contains(&own));
    assert!(!key(6).weights().contains(&own));
}

#[test]
fn a_prompt_is_continued_and_the_chain_resumed() {
    let (_guard, path) = place();
    let expected = text(&model(5));
    let rows = Rows::default();
    // Two segments of 3 steps, of which the first is the prompt, and one of a single step.
    let prover = ChainProver::create(&path, plan(3)).unwrap();
    let report = prover.with_schedule(schedule(2, 1)).run(&rows).unwrap();
    assert_eq!((report.segments, report.steps), (3, 7));
    // The last segment is shorter, and its tables are as large as those of the others.
    assert!(report.trace_rows > 0 && report.trace_rows.is_multiple_of(3));
    assert!(report.committed_cells > report.trace_rows && report.opened_columns > 0);
    let mut rows = rows.0.into_inner().unwrap();
    rows.sort_by_key(|row| row.segment);
    let last = rows[2].tokens.clone().unwrap().chosen;
    let mut told = consumed(rows.into_iter().map(|row| row.tokens));
    told.extend(last.iter().map(|token| token.get()));
    assert_eq!(told, expected);

    let policy = policy_for(&path).unwrap();
    let mut verified = Vec::new();
    let chain = verify_directory(&path, &policy, |row| verified.push(row.tokens.clone())).unwrap();
    assert_eq!(chain.statement.chain_digest(), report.chain_digest);
    assert_eq!(consumed(verified), expected[..7]);

    // Interrupted after one segment, then resumed: the same bytes.
    let (_guard, other) = place();
    let prover = ChainProver::create(&other, plan(3)).unwrap();
    let (cancel, tell) = stop_after(1);
    let prover = prover.with_schedule(schedule(1, 1)).with_cancel(cancel);
    let stopped = prover.run(&tell);
    drop(prover);
    assert!(matches!(
        stopped,
        Err(ChainProveError::Stopped {
            finished: 1,
            segments: 3
        })
    ));
    let resumed = ChainProver::resume(&other).unwrap().run(&Silent).unwrap();
    assert_eq!(
        (resumed.parts_kept, resumed.chain_digest),
        (1, report.chain_digest)
    );
    for segment in 0..3 {
        assert_eq!(file(&path, segment), file(&other, segment));
    }
}

#[test]
fn directories_are_of_one_chain() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, plan(4)).unwrap());
    let begun = ChainProver::create(&path, plan(4)).unwrap_err();
    assert!(matches!(
        begun,
        ChainProveError::Directory(DirectoryError::AlreadyBegun { .. })
    ));
    let model = model(5);
    // What is read of it is the model's work, and that of a trace is not.
    let read = ChainWork::open(&path).unwrap();
    let read = read.model().unwrap();
    assert_eq!(read.steps(), plan(4).steps());
    assert_eq!(read.policy().unwrap(), plan(4).policy().unwrap());
    assert!(ChainWork::from(common::plan(1, 2)).model().is_none());
    let mut prompt = prompt(&model);
    prompt[0] ^= 1;
    let plan = ModelPlan::new(model, prompt, &options(4)).unwrap();
    let other = ChainProver::create(&path, plan).unwrap_err();
    assert!(matches!(
        other,
        ChainProveError::Directory(DirectoryError::OtherChain {
            field: "prompt",
            ..
        })
    ));

    // The copy is checked before it is used.
    let copy = path.join(MODEL_FILE);
    let bytes = fs::read(&copy).unwrap();
    fs::write(&copy, &bytes[..bytes.len() / 2]).unwrap();
    let changed = ChainProver::resume(&path).unwrap_err();
    assert!(matches!(
        changed,
        ChainProveError::Directory(DirectoryError::InputChanged { .. })
    ));
}

#[test]
fn tokens_must_have_their_positions() {
    let model = model(5);
    let plan = |prompt: Vec<u32>, tokens| {
        let options = ModelOptions {
            tokens,
            ..options(1)
        };
        ModelPlan::new(model.clone(), prompt, &options).err()
    };
    assert!(matches!(
        plan(vec![], 1),
        Some(PlanError::Options(ModelOptionsError::EmptyPrompt {
            expected: 1,
            got: 0
        }))
    ));
    assert!(matches!(
        plan(vec![1], 0),
        Some(PlanError::Options(ModelOptionsError::NoTokens {
            expected: 1,
            got: 0
        }))
    ));
    assert!(matches!(
        plan(vec![1; 17], 1),
        Some(PlanError::Options(
            ModelOptionsError::PromptAbovePositions {
                expected: 16,
                got: 17
            }
        ))
    ));
    assert!(matches!(
        plan(vec![1; 10], 8),
        Some(PlanError::Options(ModelOptionsError::CacheFull {
            prompt: 10,
            tokens: 8,
            expected: 16,
            got: 17
        }))
    ));
    assert!(plan(vec![1; 10], 7).is_none());
    assert!(plan(vec![1; 16], 1).is_none());
    // Three given tokens and four more are six steps, which are a segment at the most.
    let in_segments = |steps| {
        let options = ModelOptions {
            tokens: 4,
            ..options(steps)
        };
        let (chain, steps) = options.chain_after(model.shape(), 0, 3).unwrap();
        (chain.segment_steps.get(), steps.steps())
    };
    assert_eq!(
        [5, 6, 7, 16].map(in_segments),
        [(5, 6), (6, 6), (6, 6), (6, 6)]
    );
    assert!(matches!(
        plan(vec![1, 24], 1),
        Some(PlanError::Options(ModelOptionsError::PromptToken {
            position: 1,
            expected: 24,
            got
        })) if got == TokenId::new(24)
    ));
}

#[test]
fn the_mock_checker_accepts_a_model_and_refuses_what_is_not_its_run() {
    let model = model(5);
    let prompt = prompt(&model);
    let mock = ModelMock::new(Arc::clone(&model), prompt.clone(), &options(3)).unwrap();
    let mut seen = vec![];
    mock.run(|segment, steps| seen.push((segment, steps.steps())))
        .unwrap();
    assert_eq!(seen, [(0, 3), (1, 3), (2, 1)]);
    assert_eq!(mock.segment_count(), 3);

    let (chain, _) = options(3).chain_after(model.shape(), 0, PROMPT).unwrap();
    let mock = matchmark_prover::ModelMock::new(&chain, Arc::clone(&model), 0).unwrap();
    let empty = ModelState::initial(&model);
    let (execution, after) = execute_model(&model, &empty, &prompt).unwrap();
    let check = |execution: &ModelExecution, after: &ModelState| {
        mock.check(execution, empty.cache(), after.cache(), Cut::Fused)
    };
    check(&execution, &after).unwrap();
    // Another choice than the greedy one, and a cache that stands elsewhere.
    let mut other = execution.clone();
    let last = other.choices.last_mut().unwrap();
    *last = (*last + 1) % 24;
    assert!(matches!(check(&other, &after), Err(ProveError::Mock(_))));
    assert!(matches!(
        check(&execution, &empty),
        Err(ProveError::StateEntries {
            which: "last",
            expected: 3,
            got: 0
        })
    ));
    // A token that the model does not have.
    let (execution, after) = execute_model(&model, &empty, &[1, 2, 3]).unwrap();
    let mut other = execution;
    other.tokens[0] = 24;
    assert!(matches!(
        check(&other, &after),
        Err(ProveError::PublicValues(_))
    ));
}

#[test]
fn a_key_gives_the_policy_without_the_weights() {
    let (_guard, path) = place();
    ChainProver::create(&path, plan(3))
        .unwrap()
        .run(&Silent)
        .unwrap();
    let key = ModelKey::from_toml(&key(5, &[3]).to_toml()).unwrap();
    let policy = key.policy(&given(), &options(3)).unwrap();
    assert_eq!(
        policy.without_shorter().unwrap(),
        policy_for(&path).unwrap()
    );
    verify_directory(&path, &policy, |_| ()).unwrap();

    // The key of another model gives another policy, which the chain does not satisfy.
    let other = self::key(6, &[3]);
    let difference = key.first_difference(&other).unwrap();
    assert_eq!(difference.field, "model");
    verify_directory(&path, &other.policy(&given(), &options(3)).unwrap(), |_| ()).unwrap_err();

    // What the key does not speak of, it names.
    let secure = ModelOptions {
        security: Security::default(),
        ..options(3)
    };
    assert!(matches!(
        key.policy(&given(), &secure),
        Err(KeyError::NoCommitment { .. })
    ));
    assert!(matches!(
        key.policy(&given(), &options(5)),
        Err(KeyError::NoCircuit {
            segment_steps: 5,
            steps: 2,
            ..
        })
    ));
}

/// The segments of a decoder are cut as those of attention are, one after the other, and resumed so.
#[test]
fn a_model_is_proven_in_parts() {
    let model = model(5);
    let split = ModelOptions {
        cuts: "fused,split".parse().unwrap(),
        ..options(3)
    };
    let plan = ModelPlan::new(model.clone(), prompt(&model), &split).unwrap();
    let (_guard, path) = place();
    ChainProver::create(&path, plan)
        .unwrap()
        .run(&Silent)
        .unwrap();
    let key = key(5, &[3]);
    let policy = key.policy(&given(), &split).unwrap();
    assert_eq!(
        policy.without_shorter().unwrap(),
        policy_for(&path).unwrap()
    );
    key.check_policy(&policy).unwrap();
    verify_directory(&path, &policy, |_| ()).unwrap();
    // A verifier who asks for fused segments does not get split ones.
    let fused = key.policy(&given(), &options(3)).unwrap();
    assert!(verify_directory(&path, &fused, |_| ()).is_err());
    // One segment less is proven again, in the way that the manifest says.
    let segment = segments_directory(&path).join(segment_file_name(1));
    let before = fs::read(&segment).unwrap();
    fs::remove_file(&segment).unwrap();
    ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
    assert_eq!(fs::read(&segment).unwrap(), before);
    verify_directory(&path, &policy, |_| ()).unwrap();
}

/// A chain that is given other tokens, and as many, is another chain.
#[test]
fn a_policy_pins_which_tokens_are_given() {
    let (_guard, path) = place();
    ChainProver::create(&path, plan(3))
        .unwrap()
        .run(&Silent)
        .unwrap();
    let key = key(5, &[3]);
    for position in 0..PROMPT {
        let mut others = given();
        others[position] = TokenId::new((others[position].get() + 1) % 24);
        let policy = key.policy(&others, &options(3)).unwrap();
        let refused = verify_directory(&path, &policy, |_| ()).unwrap_err();
        let reason = format!("{:?}", refused);
        assert!(reason.contains("PromptToken"), "{reason}");
    }
}

#[test]
fn a_growing_chain_is_followed() {
    let (_guard, path) = place();
    let policy = plan(3).policy().unwrap();
    let second = Patience::Segment(Duration::from_millis(200));
    let waited = follow_directory(&path, &policy, second, |_| ()).unwrap_err();
    assert!(matches!(
        waited,
        VerifyDirectoryError::Timeout { segment: 0, .. }
    ));
    std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let mut tokens = Vec::new();
            let minute = Patience::Segment(Duration::from_secs(60));
            let report = follow_directory(&path, &policy, minute, |row| {
                tokens.push(row.tokens.clone());
            });
            (report.unwrap(), consumed(tokens))
        });
        let report = ChainProver::create(&path, plan(3))
            .unwrap()
            .run(&Silent)
            .unwrap();
        let (followed, tokens) = follower.join().unwrap();
        assert_eq!(followed.statement.chain_digest(), report.chain_digest);
        assert_eq!(tokens, text(&model(5))[..7]);
    });
    // A segment more than the policy has steps for.
    let extra = segments_directory(&path).join(segment_file_name(3));
    fs::write(&extra, file(&path, 2)).unwrap();
    let refused = follow_directory(&path, &policy, second, |_| ()).unwrap_err();
    assert!(matches!(
        refused,
        VerifyDirectoryError::SegmentsBehind { .. }
    ));
}
