//! Chains of a model: proven, interrupted, resumed, verified, and refused.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use camino::Utf8Path;
use common::model::{model, options, plan, prompt, PROMPT, TOKENS};
use common::{place, schedule};
use matchmark_composer::{
    follow_directory, policy_for, segment_file_name, segments_directory, verify_directory,
    ChainProveError, ChainProver, ChainWork, DirectoryError, FollowError, KeyError, ModelKey,
    ModelOptions, ModelPlan, Patience, PlanError, Progress, ProvenRow, SegmentTokens, Silent,
    MODEL_FILE,
};
use matchmark_model::{execute_model, IntegerModel, ModelState};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{Security, SecurityLevel, TokenId};

/// Prompt and decoded tokens, one at a time.
fn text(model: &IntegerModel) -> Vec<u32> {
    let mut tokens = prompt(model);
    let mut state = ModelState::empty(model);
    for position in 0..PROMPT + TOKENS as usize - 1 {
        let (execution, after) = execute_model(model, &state, &[tokens[position]]).unwrap();
        if position + 1 == tokens.len() {
            tokens.push(execution.choices[0]);
        }
        state = after;
    }
    tokens
}

/// Keeps the rows, and stops after so many.
struct Rows(Mutex<Vec<ProvenRow>>, usize);

impl Progress for Rows {
    fn segment(&self, row: &ProvenRow) -> ControlFlow<()> {
        let mut rows = self.0.lock().unwrap();
        rows.push(row.clone());
        if rows.len() == self.1 {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn consumed(tokens: impl IntoIterator<Item = Option<SegmentTokens>>) -> Vec<u32> {
    let tokens = tokens.into_iter().flat_map(|it| it.unwrap().consumed);
    tokens.map(TokenId::get).collect()
}

fn file(chain: &Utf8Path, segment: u64) -> Vec<u8> {
    fs::read(segments_directory(chain).join(segment_file_name(segment))).unwrap()
}

/// What `prove --key` compares before anything is written.
#[test]
fn a_plan_has_the_commitment_that_the_key_lists() {
    let key = |seed| {
        let steps = SegmentSteps::new(3).unwrap();
        ModelKey::derive(&model(seed), &[SecurityLevel::Insecure13], steps).unwrap()
    };
    let own = plan(3).weights().unwrap();
    assert!(key(5).weights().contains(&own));
    assert!(!key(6).weights().contains(&own));
}

#[test]
fn a_prompt_is_continued_and_the_chain_resumed() {
    let (_guard, path) = place();
    let expected = text(&model(5));
    let rows = Rows(Mutex::default(), usize::MAX);
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
    let stopped = prover
        .with_schedule(schedule(1, 1))
        .run(&Rows(Mutex::default(), 1));
    assert!(matches!(
        stopped,
        Err(ChainProveError::Stopped {
            finished: 1,
            segments: 3
        })
    ));
    let resumed = ChainProver::resume(&other).unwrap().run(&Silent).unwrap();
    assert_eq!(
        (resumed.segments_kept, resumed.chain_digest),
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
        Some(PlanError::EmptyPrompt {
            expected: 1,
            got: 0
        })
    ));
    assert!(matches!(
        plan(vec![1], 0),
        Some(PlanError::NoTokens {
            expected: 1,
            got: 0
        })
    ));
    assert!(matches!(
        plan(vec![1; 17], 1),
        Some(PlanError::PromptAbovePositions {
            expected: 16,
            got: 17
        })
    ));
    assert!(matches!(
        plan(vec![1; 10], 8),
        Some(PlanError::CacheFull {
            prompt: 10,
            tokens: 8,
            expected: 16,
            got: 17
        })
    ));
    assert!(plan(vec![1; 10], 7).is_none());
    assert!(plan(vec![1; 16], 1).is_none());
    // Three given tokens and four more are six steps, which are a segment at the most.
    let in_segments = |steps| {
        let options = ModelOptions {
            tokens: 4,
            ..options(steps)
        };
        ModelPlan::new(model.clone(), vec![1; 3], &options).err()
    };
    assert!(in_segments(6).is_none());
    assert!(matches!(
        in_segments(7),
        Some(PlanError::SegmentSteps {
            expected: 6,
            got: 7
        })
    ));
    assert!(matches!(
        plan(vec![1, 24], 1),
        Some(PlanError::PromptToken {
            position: 1,
            expected: 24,
            got
        }) if got == TokenId::new(24)
    ));
}

#[test]
fn a_key_gives_the_policy_without_the_weights() {
    let (_guard, path) = place();
    ChainProver::create(&path, plan(3))
        .unwrap()
        .run(&Silent)
        .unwrap();
    let levels = [SecurityLevel::Insecure13];
    let key = ModelKey::derive(&model(5), &levels, SegmentSteps::new(4).unwrap()).unwrap();
    let key = ModelKey::from_toml(&key.to_toml()).unwrap();
    let policy = key.policy(PROMPT, &options(3)).unwrap();
    assert_eq!(policy, policy_for(&path).unwrap());
    verify_directory(&path, &policy, |_| ()).unwrap();

    // The key of another model gives another policy, which the chain does not satisfy.
    let other = ModelKey::derive(&model(6), &levels, SegmentSteps::new(4).unwrap()).unwrap();
    let difference = key.first_difference(&other).unwrap();
    assert_eq!(difference.field, "model");
    verify_directory(&path, &other.policy(PROMPT, &options(3)).unwrap(), |_| ()).unwrap_err();

    // What the key does not speak of, it names.
    let secure = ModelOptions {
        security: Security::default(),
        ..options(3)
    };
    assert!(matches!(
        key.policy(PROMPT, &secure),
        Err(KeyError::NoCommitment { .. })
    ));
    assert!(matches!(
        key.policy(PROMPT, &options(5)),
        Err(KeyError::SegmentSteps {
            expected: 4,
            got: 5
        })
    ));
}

#[test]
fn keys_are_strict() {
    let levels = [SecurityLevel::Insecure13];
    let key = ModelKey::derive(&model(5), &levels, SegmentSteps::new(4).unwrap()).unwrap();
    let text = key.to_toml();
    for bad in [
        text.replace("format = 1", "format = 1\nextra = 0"),
        text.replace("layers = 2", "layers = 0"),
        text.replace("max_segment_steps = 4", "max_segment_steps = 0"),
        format!("{text}\n"),
        text.replacen("# ", "#  ", 1),
        text[..text.len() - 3].to_owned(),
    ] {
        assert_ne!(bad, text);
        assert!(ModelKey::from_toml(&bad).is_err(), "{bad}");
    }
    assert!(matches!(
        ModelKey::from_toml(&text.replace("format = 1", "format = 2")),
        Err(KeyError::Format {
            expected: 1,
            got: 2
        })
    ));
}

#[test]
fn a_growing_chain_is_followed() {
    let (_guard, path) = place();
    let policy = plan(3).policy().unwrap();
    let second = Patience::Segment(Duration::from_millis(200));
    let waited = follow_directory(&path, &policy, second, |_| ()).unwrap_err();
    assert!(matches!(waited, FollowError::Timeout { segment: 0, .. }));
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
    assert!(matches!(refused, FollowError::SegmentsBehind { .. }));
}
