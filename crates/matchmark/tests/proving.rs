//! Proving: of a trace and of a model, told in order, stopped and resumed, and what its errors say.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::num::NonZeroUsize;
use std::sync::Mutex;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark::{
    policy_of, prove, resume, synthetic_trace, verify, AttentionShape, CancelToken, Domain,
    EndTokens, Error, ErrorKind, FinishReason, HeadDim, Job, Key, KeyOptions, KvHeads, Model,
    ModelKey, Profile, ProveEvent, QueryHeads, Security, SecurityLevel, SegmentSteps, StepRange,
    Stop, TokenId, Trace, ValueBits,
};
use matchmark_graph::ModelShape;
use matchmark_models::{synthetic_arithmetic, synthetic_model};
use matchmark_quant::{CacheCapacity, HiddenSize, Layers, MlpSize, VocabularySize};
use tempfile::TempDir;

fn place() -> (TempDir, Utf8PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(guard.path()).unwrap().join("chain");
    (guard, path)
}

fn weak() -> Security {
    Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap()
}

fn steps(count: u32) -> SegmentSteps {
    SegmentSteps::new(count).unwrap()
}

fn domain() -> Domain {
    Domain::new("tests of the library", [3; 16]).unwrap()
}

/// 2 query heads, 1 key/value head, dimension 8, 2 entries of prefix, 6 steps.
fn trace() -> Trace {
    let shape = AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(8).unwrap(),
    )
    .unwrap();
    synthetic_trace(shape, ValueBits::DEFAULT, StepRange::new(2, 6).unwrap(), 1).unwrap()
}

/// Three segments of two steps, one at a time.
fn job<'a>(path: &Utf8Path) -> Job<'a> {
    let claim = prove(&trace()).domain(domain()).security(weak());
    claim
        .segment_steps(steps(2))
        .to(path)
        .jobs(NonZeroUsize::MIN)
}

/// The bytes of all segment files.
fn segments(path: &Utf8Path) -> Vec<Vec<u8>> {
    let path = |index| path.join(format!("segments/{index:06}.segment"));
    (0..)
        .map_while(|index| fs::read(path(index)).ok())
        .collect()
}

#[test]
fn cancelled_between_segments_and_resumed_it_is_the_same_bytes() {
    let (_guard, whole) = place();
    let expected = job(&whole).run().unwrap();
    let policy = policy_of(&whole).unwrap();

    let (_guard, path) = place();
    let cancel = CancelToken::new();
    let stopped = job(&path)
        .cancel(&cancel)
        .progress(|event| {
            if matches!(event, ProveEvent::Done { .. }) {
                cancel.cancel();
            }
        })
        .run()
        .unwrap_err();
    assert_eq!(
        (stopped.kind(), stopped.name()),
        (ErrorKind::System, "stopped")
    );
    assert!(stopped.is_cancelled());
    // It says what is to be resumed.
    let Error::Stopped {
        directory,
        finished: 1,
        segments: 3,
    } = stopped
    else {
        panic!("{stopped:?}")
    };
    assert_eq!(directory, path);
    assert_eq!(segments(&path), segments(&whole)[..1]);
    let missing = verify(&path, &policy).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Incomplete);

    let report = resume(directory).run().unwrap();
    assert_eq!(report.parts_kept, 1);
    assert_eq!(report.chain_digest, expected.chain_digest);
    assert_eq!(segments(&path), segments(&whole));
    let verdict = verify(&path, &policy).unwrap();
    assert_eq!(verdict.statement().chain_digest(), expected.chain_digest);
}

#[test]
fn cancelled_before_anything_is_written() {
    let (_guard, path) = place();
    let cancel = CancelToken::new();
    let planned = job(&path).cancel(&cancel).plan().unwrap();
    assert_eq!((planned.segments(), planned.steps().steps()), (3, 6));
    cancel.cancel();
    let error = planned.begin().unwrap_err();
    assert!(matches!(error, Error::Cancelled) && error.is_cancelled());
    assert_eq!(error.kind(), ErrorKind::System);
    assert!(matches!(
        job(&path).cancel(&cancel).run(),
        Err(Error::Cancelled)
    ));
    assert!(!path.exists());
}

#[test]
fn progress_is_complete_and_in_order() {
    let (_guard, path) = place();
    let told = Mutex::new(vec![]);
    let tell = |event: &ProveEvent| {
        told.lock().unwrap().push(match event {
            ProveEvent::Planned(outline) => format!("{} of {}", outline.segments, outline.steps),
            ProveEvent::Begun { part, steps } => format!("begun {part}: {}", steps.steps()),
            ProveEvent::Phase { part, phase } => format!("{} {part}", phase.name()),
            ProveEvent::Done { row, progress } => {
                assert!(progress.bytes >= row.proof_bytes + row.public_bytes);
                let (steps, all) = (progress.finished_steps, progress.steps);
                format!("done {}: {} {steps}/{all}", row.segment, progress.finished)
            }
            other => panic!("{other:?}"),
        });
    };
    job(&path).progress(tell).run().unwrap();
    fs::remove_file(path.join("segments/000001.segment")).unwrap();
    let resumed = resume(&path).jobs(NonZeroUsize::MIN).progress(tell).run();
    assert_eq!(resumed.unwrap().parts_kept, 2);
    let mut expected = vec![];
    for phases in [["prove"; 3], ["check", "prove", "check"]] {
        expected.push("3 of 6".to_owned());
        for (segment, phase) in phases.into_iter().enumerate() {
            expected.push(format!("begun {segment}: 2"));
            expected.push(format!("execute {segment}"));
            expected.push(format!("{phase} {segment}"));
            if phase == "prove" {
                expected.push(format!("write {segment}"));
            }
            let done = segment + 1;
            expected.push(format!("done {segment}: {done} {}/6", 2 * done));
        }
    }
    assert_eq!(*told.lock().unwrap(), expected);
}

#[test]
fn errors_keep_their_class() {
    let (_guard, path) = place();
    // The system: no memory, before anything is written.
    let short = job(&path).max_memory(1).run().unwrap_err();
    assert_eq!((short.kind(), short.name()), (ErrorKind::System, "memory"));
    assert!(!path.exists());
    // Input: nothing to resume, a chain that is there, terms that there are not.
    let none = resume(&path).run().unwrap_err();
    assert_eq!((none.kind(), none.name()), (ErrorKind::Input, "no-chain"));
    let proving = job(&path).plan().unwrap().begin().unwrap();
    let locked = resume(&path).run().unwrap_err();
    assert_eq!(
        (locked.kind(), locked.name()),
        (ErrorKind::System, "locked")
    );
    proving.run().unwrap();
    drop(proving);
    let begun = job(&path).run().unwrap_err();
    assert_eq!(
        (begun.kind(), begun.name()),
        (ErrorKind::Input, "already-begun")
    );
    let terms: Error = Domain::new("", [0; 16]).unwrap_err().into();
    assert_eq!((terms.kind(), terms.name()), (ErrorKind::Input, "terms"));
    // Rejected: a stored segment that was changed, with the verifier's reason.
    let segment = path.join("segments/000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    let corrupt = resume(&path).run().unwrap_err();
    assert_eq!(
        (corrupt.kind(), corrupt.name()),
        (ErrorKind::Rejected, "stored-segment")
    );
    assert!(corrupt.refusal().is_some());
    // Of a file, an error stays what it is.
    let kind = corrupt.kind();
    assert_eq!(corrupt.in_file("x").kind(), kind);
    let missing = matchmark::files::trace(path.join("none")).unwrap_err();
    assert_eq!((missing.kind(), missing.name()), (ErrorKind::Input, "read"));
}

#[test]
fn constraints_are_checked_without_a_proof() {
    let mock = prove(trace()).segment_steps(steps(4)).mock().unwrap();
    assert_eq!((mock.segments(), mock.steps().steps()), (2, 6));
    let mut checked = vec![];
    mock.run(|segment, steps| checked.push((segment, steps.steps())))
        .unwrap();
    assert_eq!(checked, [(0, 4), (1, 2)]);
}

/// 1 layer of 2 query heads and 1 key/value head, of dimension 4; 8 positions.
fn model(seed: u64) -> Model {
    let shape = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(8).unwrap(),
        AttentionShape::new(
            QueryHeads::new(2).unwrap(),
            KvHeads::new(1).unwrap(),
            HeadDim::new(4).unwrap(),
        )
        .unwrap(),
        MlpSize::new(8).unwrap(),
        VocabularySize::new(16).unwrap(),
        CacheCapacity::new(8).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    synthetic_model(shape, arithmetic, seed).unwrap().into()
}

#[test]
fn a_model_is_proven_by_its_key() {
    let model = model(5);
    assert_eq!(
        Model::from_bytes(&model.as_integer().to_bytes())
            .unwrap()
            .identity(),
        model.identity()
    );
    let options = KeyOptions::default()
        .levels([SecurityLevel::Insecure13])
        .profiles([Profile::Compact])
        .segment_steps([steps(2)]);
    let key = Key::derive(&model, &options).unwrap();
    let policy = key
        .policy()
        .prompt_tokens([1, 2])
        .tokens(3)
        .domain(domain())
        .security(weak())
        .segment_steps(steps(2))
        .build()
        .unwrap();
    assert!(key.check_policy(&policy).is_ok());

    let (_guard, path) = place();
    let claim = |model| {
        let claim = prove(model)
            .prompt_tokens([1, 2])
            .tokens(3)
            .key(key.clone());
        claim
            .domain(domain())
            .security(weak())
            .segment_steps(steps(2))
    };
    let told = Mutex::new(None);
    let proving = claim(&model).to(&path).plan().unwrap().begin().unwrap();
    told.lock().unwrap().clone_from(&proving.text());
    let tell = |event: &ProveEvent| {
        if let ProveEvent::Done { row, .. } = event {
            let text = &mut *told.lock().unwrap();
            let tokens = row.tokens.as_ref().unwrap();
            text.as_mut().unwrap().push(row.segment, tokens).unwrap();
        }
    };
    proving.run_telling(&tell).unwrap();
    let object = told.into_inner().unwrap().unwrap().object().unwrap();
    assert_eq!(object["prompt"], serde_json::json!([1, 2]));
    assert_eq!(object["decoded"].as_array().unwrap().len(), 3);
    let verdict = verify(&path, &policy).unwrap();
    assert_eq!(verdict.statement().steps().steps(), 4);

    // The rule of the key by default: its end token is not generated here. Another is said in prove and policy.
    assert_eq!(verdict.finish_reason(), FinishReason::Length);
    let decoded = object["decoded"][0].as_u64().unwrap();
    let first = TokenId::new(u32::try_from(decoded).unwrap());
    let stop = Stop::Tokens(EndTokens::new([first]).unwrap());
    let (_guard, path) = place();
    let planned = claim(&model).stop(stop.clone()).to(&path).plan().unwrap();
    let rule = planned.policy().unwrap();
    let report = planned.begin().unwrap().run().unwrap();
    let verdict = verify(&path, &rule).unwrap();
    let answer = verdict.answer().unwrap();
    assert_eq!(
        (verdict.finish_reason(), report.answer),
        (FinishReason::Stop, Some(answer))
    );
    assert_eq!((answer.tokens(), answer.end().unwrap().token), (1, first));
    assert_eq!(
        verdict.to_json()["finish_reason"],
        serde_json::json!("stop")
    );
    assert!(key.check_policy(&rule).is_err());
    assert!(key.check_policy_stopping(&rule, &stop).is_ok());
    // A key with other end tokens is not the model's, whatever else it says.
    let mut parts = key.as_ref().parts().clone();
    parts.end_tokens = EndTokens::new([first]).unwrap();
    let forged = Key::from(ModelKey::new(parts).unwrap());
    match forged.check_model(&model).unwrap_err() {
        Error::KeyMismatch { field, .. } => assert_eq!(field, "end tokens"),
        other => panic!("{other:?}"),
    }

    // Another model is not the key's, and says so before anything is written.
    let (_guard, path) = place();
    let other = self::model(6);
    let error = claim(&other).to(&path).run().unwrap_err();
    assert_eq!(
        (error.kind(), error.name()),
        (ErrorKind::Input, "key-mismatch")
    );
    assert!(!path.exists());
    let error = key
        .check_derivation(&other, &Default::default(), &mut |_, _| {})
        .unwrap_err();
    assert_eq!(error.name(), "key-mismatch");
    let mut trees = vec![];
    let on_tree = &mut |done, all| trees.push((done, all));
    key.check_derivation(&model, &Default::default(), on_tree)
        .unwrap();
    let all = trees.len();
    assert_eq!(trees, (1..=all).map(|done| (done, all)).collect::<Vec<_>>());
}
