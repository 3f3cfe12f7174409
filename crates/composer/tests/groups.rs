//! Chains of a model whose layers are proven in groups: the same tokens, in as many parts a segment as there are
//! groups.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use camino::Utf8Path;
use common::{names, place, prove, schedule, segment_bytes, segment_path, stop_after};
use matchmark_composer::{
    derive_key, follow_directory, policy_for, rederive_key, segments_directory, verify_directory,
    ChainOutline, ChainProveError, ChainProver, ChainReadError, ChainReader, ChainVerifyError,
    DirectoryError, KeyError, KeyOptions, ModelKey, ModelMock, ModelOptions, ModelOptionsError,
    ModelPlan, Patience, PlanError, ProveEvent, ProvenRow, SegmentPhase, SegmentReport, Silent,
    Stop, VerifyDirectoryError, MAX_SEGMENT_BYTES,
};
use matchmark_graph::ModelShape;
use matchmark_models::{
    execute_group, execute_model, synthetic_arithmetic, synthetic_model, GroupInput, IntegerModel,
    ModelGroup, ModelPrefix, ModelState,
};
use matchmark_prover::ProveError;
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_runtime::KvCache;
use matchmark_statement::{
    ChainError, Cut, EndTokens, FinishReason, LayerGroups, PolicyMismatch, SecurityLevel, TokenId,
};
use matchmark_verifier::chain::FoldError;

/// Four layers; otherwise the model of the other tests.
fn model(seed: u64) -> Arc<IntegerModel> {
    let shape = ModelShape::new(
        Layers::new(4).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(24).unwrap(),
        CacheCapacity::new(16).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    Arc::new(synthetic_model(shape, arithmetic, seed).unwrap())
}

fn groups(groups: u16) -> LayerGroups {
    LayerGroups::new(groups).unwrap()
}

/// Seven steps: three of the prompt and four of the model's choice, in segments of 3, 3 and 1.
fn options(count: u16) -> ModelOptions {
    ModelOptions {
        groups: groups(count),
        ..common::model::options(3)
    }
}

fn cut(count: u16, cuts: &str) -> ModelOptions {
    ModelOptions {
        cuts: cuts.parse().unwrap(),
        ..options(count)
    }
}

fn prompt() -> Vec<u32> {
    common::model::prompt(&model(5))
}

fn given() -> Vec<TokenId> {
    prompt().into_iter().map(TokenId::new).collect()
}

fn plan_with(options: &ModelOptions) -> ModelPlan {
    ModelPlan::new(model(5), prompt(), options).unwrap()
}

fn plan(count: u16) -> ModelPlan {
    plan_with(&options(count))
}

/// Index of the segment and group of every row, and the tokens told.
fn told(rows: &[SegmentReport]) -> (Vec<(u64, Option<u16>)>, Vec<u32>) {
    let places = rows.iter().map(|row| (row.segment, row.group)).collect();
    let tokens = rows.iter().flat_map(|row| row.tokens.clone());
    let consumed = tokens.flat_map(|it| it.consumed).map(TokenId::get);
    (places, consumed.collect())
}

#[test]
fn the_same_tokens_are_proven_in_any_number_of_groups() {
    let mut all = vec![];
    for (count, cuts) in [(1, "fused"), (2, "fused"), (4, "fused,split"), (3, "split")] {
        let (_guard, path) = place();
        let options = cut(count, cuts);
        let plan = plan_with(&options);
        assert_eq!(plan.terms().groups(), groups(count));
        let derived = plan.policy().unwrap();
        let prover = ChainProver::create(&path, plan).unwrap();
        let report = prover.with_schedule(schedule(2, 1)).run(&Silent).unwrap();
        let parts = 3 * u64::from(count);
        assert_eq!(
            (
                report.segments,
                report.parts,
                report.parts_kept,
                report.steps
            ),
            (3, parts, 0, 7)
        );
        assert_eq!(report.per_segment.len() as u64, parts);
        let policy = policy_for(&path).unwrap();
        assert_eq!(policy, derived);
        assert_eq!(policy.first_state(), report.first_state);
        let mut rows = vec![];
        let chain = verify_directory(&path, &policy, |row| rows.push(row.clone())).unwrap();
        assert_eq!((chain.segments, chain.parts, chain.steps), (3, parts, 7));
        assert_eq!(chain.per_segment, rows);
        assert_eq!(chain.statement.chain_digest(), report.chain_digest);
        assert_eq!(chain.statement.last_state(), report.last_state);
        assert_eq!(chain.proof_bytes, report.proof_bytes);
        let (places, tokens) = told(&rows);
        let expected = (0..3).flat_map(|segment| {
            (0..count).map(move |group| (segment, (count > 1).then_some(group)))
        });
        assert_eq!(places, expected.collect::<Vec<_>>());
        // Only the last part of a segment tells its tokens.
        for row in &rows {
            let is_last = row.group.is_none_or(|group| group + 1 == count);
            assert_eq!(row.tokens.is_some(), is_last);
        }
        let proven: Vec<_> = report
            .per_segment
            .iter()
            .map(|it| (it.segment, it.group))
            .collect();
        assert_eq!(proven, places);
        all.push((tokens, report.lookup_claims));
    }
    assert_eq!(all[0].0.len(), 7);
    assert!(all.iter().all(|it| *it == all[0]));
}

#[test]
fn a_growing_grid_is_followed() {
    let (_guard, path) = place();
    let policy = plan(2).policy().unwrap();
    let moment = Patience::Segment(Duration::from_millis(200));
    let report = std::thread::scope(|scope| {
        let follower = scope.spawn(|| {
            let minute = Patience::Segment(Duration::from_secs(120));
            let mut rows = vec![];
            let report = follow_directory(&path, &policy, minute, |row| rows.push(row.clone()));
            (report.unwrap(), rows)
        });
        let report = prove(&path, plan(2));
        let (followed, rows) = follower.join().unwrap();
        assert_eq!(followed.statement.chain_digest(), report.chain_digest);
        assert_eq!((followed.segments, followed.parts), (3, 6));
        assert_eq!(rows.len(), 6);
        report
    });
    // While the last part is missing nothing is whole.
    let last = segment_path(&path, 5);
    let bytes = fs::read(&last).unwrap();
    fs::remove_file(&last).unwrap();
    let refused = follow_directory(&path, &policy, moment, |_| ()).unwrap_err();
    assert!(matches!(
        refused,
        VerifyDirectoryError::Timeout {
            segment: 5,
            expected: 7,
            got: 6,
            ..
        }
    ));
    fs::write(&last, &bytes).unwrap();
    let again = follow_directory(&path, &policy, moment, |_| ()).unwrap();
    assert_eq!(again.statement.chain_digest(), report.chain_digest);
    // A part more than the policy has steps for.
    fs::write(segment_path(&path, 6), &bytes).unwrap();
    let refused = follow_directory(&path, &policy, moment, |_| ()).unwrap_err();
    assert!(matches!(
        refused,
        VerifyDirectoryError::SegmentsBehind {
            expected: 6,
            got: 7,
            ..
        }
    ));
}

#[test]
fn an_interrupted_grid_ends_in_the_same_chain() {
    let (_guard, whole) = place();
    let work = || plan_with(&cut(4, "fused,split"));
    let expected = prove(&whole, work());
    for (stop, workers) in [(1, 1), (4, 1), (6, 2)] {
        let (_guard, path) = place();
        let (cancel, tell) = stop_after(stop);
        let prover = ChainProver::create(&path, work()).unwrap();
        let prover = prover
            .with_schedule(schedule(workers, 1))
            .with_cancel(cancel);
        match prover.run(&tell) {
            Err(ChainProveError::Stopped { finished, segments }) => {
                assert_eq!(segments, 12);
                assert!((stop..stop + workers as u64).contains(&finished));
                assert_eq!(names(&segments_directory(&path)).len() as u64, finished);
            }
            other => panic!("{other:?}"),
        }
        drop(prover);
        let policy = policy_for(&path).unwrap();
        assert!(verify_directory(&path, &policy, |_| {}).is_err());
        let kept = names(&segments_directory(&path)).len() as u64;
        let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
        assert_eq!((report.parts, report.parts_kept), (12, kept));
        assert_eq!(report.chain_digest, expected.chain_digest);
        assert_eq!(segment_bytes(&path), segment_bytes(&whole));
        let rows = |rows: &[ProvenRow]| -> Vec<_> {
            let tokens = rows
                .iter()
                .map(|row| (row.segment, row.group, row.tokens.clone()));
            tokens.collect()
        };
        assert_eq!(rows(&report.per_segment), rows(&expected.per_segment));
    }
    // A part from among the others is proven again by itself, of whichever group and cut.
    for part in [0, 2, 5, 11] {
        let before = fs::read(segment_path(&whole, part)).unwrap();
        fs::remove_file(segment_path(&whole, part)).unwrap();
        let report = ChainProver::resume(&whole).unwrap().run(&Silent).unwrap();
        let kept: Vec<bool> = report.per_segment.iter().map(|row| row.kept).collect();
        assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1);
        assert!(!kept[usize::try_from(part).unwrap()]);
        assert_eq!(fs::read(segment_path(&whole, part)).unwrap(), before);
    }
}

#[test]
fn progress_is_told_part_by_part() {
    use SegmentPhase::{Execute, Prove, Write};
    let (_guard, path) = place();
    let all = Mutex::new(vec![]);
    let tell = |event: &ProveEvent| all.lock().unwrap().push(event.clone());
    let prover = ChainProver::create(&path, plan(2)).unwrap();
    let report = prover.with_schedule(schedule(1, 1)).run(&tell).unwrap();
    let mut events = all.into_inner().unwrap().into_iter();
    let outline = ChainOutline {
        segments: 3,
        groups: 2,
        steps: 7,
        schedule: schedule(1, 1),
    };
    assert_eq!(events.next(), Some(ProveEvent::Planned(outline)));
    for (part, row) in (0..).zip(&report.per_segment) {
        if part % 2 == 0 {
            let begun = events.next().unwrap();
            assert!(
                matches!(&begun, ProveEvent::Begun { part: of, steps } if *of == part && steps.steps() == row.steps),
                "{begun:?}"
            );
            let phase = Execute;
            assert_eq!(events.next(), Some(ProveEvent::Phase { part, phase }));
        }
        for phase in [Prove, Write] {
            assert_eq!(events.next(), Some(ProveEvent::Phase { part, phase }));
        }
        let Some(ProveEvent::Done {
            row: told,
            progress,
        }) = events.next()
        else {
            panic!("{part}");
        };
        assert_eq!(&told, row);
        assert_eq!((progress.finished, progress.parts), (part + 1, 6));
        // The steps of segments of which all parts are finished.
        let finished = [0, 3, 3, 6, 6, 7][usize::try_from(part).unwrap()];
        assert_eq!((progress.finished_steps, progress.steps), (finished, 7));
    }
    assert_eq!(events.next(), None);
}

fn verify(path: &Utf8Path) -> Result<(), VerifyDirectoryError> {
    let policy = policy_for(path).unwrap();
    verify_directory(path, &policy, |_| {}).map(|_| ())
}

#[test]
fn missing_exchanged_and_corrupted_parts_are_refused() {
    let (_guard, path) = place();
    prove(&path, plan(2));
    let original = segment_bytes(&path);
    let put = |part: u64, bytes: &[u8]| fs::write(segment_path(&path, part), bytes).unwrap();
    let resume = || {
        let prover = ChainProver::resume(&path)?;
        prover.with_schedule(schedule(1, 1)).run(&Silent)
    };
    for part in [0, 3, 5_u64] {
        let own = &original[usize::try_from(part).unwrap()];
        let file = segment_path(&path, part);
        // Missing.
        fs::remove_file(&file).unwrap();
        match verify(&path).unwrap_err() {
            VerifyDirectoryError::Read(ChainReadError::MissingSegment {
                path: missing,
                expected: 6,
                got: 5,
            }) => assert_eq!(missing, file),
            VerifyDirectoryError::Verify(ChainVerifyError::Chain {
                source:
                    FoldError::Chain(ChainError::PartsMissing {
                        segment: 2,
                        expected: 2,
                        got: 1,
                    }),
                ..
            }) => assert_eq!(part, 5),
            other => panic!("{part}: {other:?}"),
        }
        // Each other part in its place.
        for other in (0..6_u64).filter(|other| *other != part) {
            put(part, &original[usize::try_from(other).unwrap()]);
            let refused = verify(&path).unwrap_err();
            let VerifyDirectoryError::Verify(ChainVerifyError::Join {
                segment,
                source: FoldError::Chain(error),
            }) = refused
            else {
                panic!("{part} {other}: {refused:?}");
            };
            let same_group = part % 2 == other % 2;
            let fits = match error {
                ChainError::GroupOrder { .. } => !same_group,
                ChainError::PositionGap { .. }
                | ChainError::PositionOverlap { .. }
                | ChainError::OtherSegment { .. } => same_group,
                _ => false,
            };
            // That the chain begins late is seen with the part behind the first, which is of other steps.
            let seen = if part == 0 && same_group { 1 } else { part };
            assert!(fits && segment == seen, "{part} {other}: {segment} {error}");
            // Of the same group elsewhere, and of another group beside it.
            if other == part ^ 1 || other == (part + 2) % 6 {
                let resumed = resume().unwrap_err();
                assert!(
                    matches!(&resumed, ChainProveError::OtherSegment { path, expected, got } if *path == file && expected != got),
                    "{resumed:?}"
                );
            }
        }
        // A bit of its proof, and a byte less.
        let mut flipped = own.clone();
        *flipped.last_mut().unwrap() ^= 1;
        for bytes in [&flipped[..], &own[..own.len() - 1]] {
            put(part, bytes);
            assert!(verify(&path).is_err());
            let resumed = resume().unwrap_err();
            assert!(
                matches!(&resumed, ChainProveError::CorruptSegment { path, .. } if *path == file),
                "{resumed:?}"
            );
            assert_eq!(fs::read(&file).unwrap(), bytes);
        }
        put(part, own);
    }
    verify(&path).unwrap();
    // Parts of other chains of the model: of other tokens, and of another model.
    let mut others = prompt();
    others[0] ^= 1;
    let of_tokens = ModelPlan::new(model(5), others, &options(2)).unwrap();
    let of_model = ModelPlan::new(model(6), prompt(), &options(2)).unwrap();
    for plan in [of_tokens, of_model] {
        let (_guard, other) = place();
        prove(&other, plan);
        for part in [0, 1, 3] {
            put(part, &fs::read(segment_path(&other, part)).unwrap());
            assert!(verify(&path).is_err());
            assert!(matches!(
                resume().unwrap_err(),
                ChainProveError::OtherSegment { .. }
            ));
            put(part, &original[usize::try_from(part).unwrap()]);
        }
    }
    // A file behind the last.
    put(6, &original[4]);
    assert!(verify(&path).is_err());
    assert!(matches!(
        resume(),
        Err(ChainProveError::Directory(DirectoryError::SegmentOutside {
            expected: 6,
            got: 6,
            ..
        }))
    ));
}

#[test]
fn a_directory_is_of_one_number_of_groups() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, plan(2)).unwrap());
    match ChainProver::create(&path, plan(4)) {
        Err(ChainProveError::Directory(DirectoryError::OtherChain { field, .. })) => {
            // The weights of other groups have another commitment, which is compared first.
            assert_eq!(field, "decoder.weights");
        }
        other => panic!("{other:?}"),
    }
    let read = ChainProver::resume(&path).unwrap();
    assert_eq!(
        (read.work().groups(), read.work().part_count()),
        (groups(2), 6)
    );
    // More groups than layers.
    assert!(matches!(
        ModelPlan::new(model(5), prompt(), &options(5)),
        Err(PlanError::Options(ModelOptionsError::Groups { expected: 4, got })) if got == groups(5)
    ));
    assert!(matches!(
        ModelMock::new(model(5), prompt(), &options(5)),
        Err(PlanError::Options(ModelOptionsError::Groups { .. }))
    ));
}

/// A policy of another number of groups accepts nothing of a chain.
#[test]
fn a_policy_is_of_one_number_of_groups() {
    let (_guard, path) = place();
    prove(&path, plan(2));
    for other in [1, 4] {
        let policy = plan(other).policy().unwrap();
        let refused = verify_directory(&path, &policy, |_| {}).unwrap_err();
        let reason = format!("{refused:?}");
        assert!(reason.contains("ModelWeights"), "{reason}");
    }
}

fn key_options(counts: &[u16], segment_steps: &[u32]) -> KeyOptions {
    let mut options = KeyOptions::of_levels(&[SecurityLevel::Insecure13]).unwrap();
    options.groups = counts.iter().copied().map(groups).collect();
    let steps = segment_steps.iter();
    options.segment_steps = steps.map(|it| SegmentSteps::new(*it).unwrap()).collect();
    options
}

#[test]
fn a_key_has_the_policies_of_all_its_numbers_of_groups() {
    let mut told = vec![];
    let options_of_key = key_options(&[4, 1, 3, 2], &[3, 2]);
    let key = derive_key(&model(5), &options_of_key, &mut |done, all| {
        told.push((done, all))
    });
    let key = key.unwrap();
    // Every tree is told of once, up to the last, whichever groups have layers in common.
    let trees = told.len();
    let expected = (1..=trees).map(|done| (done, trees));
    assert!(told.into_iter().eq(expected));
    assert_eq!(key.groups(), [1, 2, 3, 4].map(groups));
    for count in 1..=4 {
        for (cuts, steps, tokens) in [
            ("fused", 3, 5),
            ("split", 3, 5),
            ("fused,split", 2, 5),
            ("fused", 3, 14),
            ("split", 2, 1),
        ] {
            let options = ModelOptions {
                segment_steps: Some(SegmentSteps::new(steps).unwrap()),
                tokens,
                ..cut(count, cuts)
            };
            let plan = plan_with(&options);
            let policy = key.policy(&given(), &options).unwrap();
            assert_eq!(
                policy.without_shorter(),
                Ok(plan.policy().unwrap()),
                "{count} {cuts} {steps} {tokens}"
            );
            key.check_policy(&policy).unwrap();
            assert!(key.weights().contains(&plan.weights().unwrap()));
        }
    }
    assert_eq!(ModelKey::from_toml(&key.to_toml()).unwrap(), key);
    let quiet = &mut |_, _| {};
    assert_eq!(rederive_key(&key, &model(5), quiet).unwrap(), key);
    let other = rederive_key(&key, &model(6), quiet).unwrap();
    // Roots do not depend on the weights.
    assert_eq!(other.circuits(), key.circuits());
    assert_eq!(key.first_difference(&other).unwrap().field, "model");

    // Keys of fewer numbers of groups, which name what they lack.
    let two = derive_key(&model(5), &key_options(&[2], &[3]), quiet).unwrap();
    assert_eq!(two.groups(), [groups(2)]);
    for count in [1, 3, 4] {
        let policy = key.policy(&given(), &options(count)).unwrap();
        let refused = [
            two.policy(&given(), &options(count)).map(|_| ()),
            two.check_policy(&policy),
        ];
        for refused in refused {
            let Err(error @ KeyError::NoCommitment { .. }) = refused else {
                panic!("{count}: {refused:?}");
            };
            let words = error.to_string();
            assert!(words.contains("in 2 groups of layers"), "{words}");
        }
    }
    let differs = key.first_difference(&two).unwrap();
    assert_ne!(differs.expected, differs.got);
    // A policy of one number of groups with the circuits of another is not the key's.
    let mut parts = key.policy(&given(), &options(4)).unwrap().parts();
    let root = |count: u16, group: u16| {
        let policy = key.policy(&given(), &options(count)).unwrap();
        let found = policy
            .circuits()
            .iter()
            .find(|it| it.group == group)
            .copied();
        found.unwrap().preprocessed_root
    };
    assert_ne!(root(4, 1), root(2, 1));
    parts.circuits[1].preprocessed_root = root(2, 1);
    let forged = matchmark_statement::AcceptancePolicy::new(parts).unwrap();
    assert!(matches!(
        key.check_policy(&forged),
        Err(KeyError::OtherPolicy {
            field: "circuits",
            ..
        })
    ));
}

#[test]
fn a_chain_is_verified_by_the_policy_of_its_key() {
    let (_guard, path) = place();
    let options = cut(3, "split,fused");
    prove(&path, plan_with(&options));
    let key = derive_key(&model(5), &key_options(&[3], &[3]), &mut |_, _| {}).unwrap();
    let policy = key.policy(&given(), &options).unwrap();
    assert_eq!(
        policy.without_shorter().unwrap(),
        policy_for(&path).unwrap()
    );
    verify_directory(&path, &policy, |_| {}).unwrap();
    let other = derive_key(&model(6), &key_options(&[3], &[3]), &mut |_, _| {}).unwrap();
    let policy = other.policy(&given(), &options).unwrap();
    verify_directory(&path, &policy, |_| {}).unwrap_err();
    // No numbers of groups make no key.
    let none = derive_key(&model(5), &key_options(&[], &[3]), &mut |_, _| {}).unwrap_err();
    let words = none.to_string();
    assert!(words.contains("number of groups of layers"), "{words}");
}

#[test]
fn the_mock_checker_accepts_groups_and_refuses_other_streams() {
    for (count, cuts) in [(2, "fused"), (4, "fused,split"), (3, "split")] {
        let mock = ModelMock::new(model(5), prompt(), &cut(count, cuts)).unwrap();
        let mut seen = vec![];
        mock.run(|segment, steps| seen.push((segment, steps.steps())))
            .unwrap();
        assert_eq!(seen, [(0, 3), (1, 3), (2, 1)]);
    }
    // By itself a group is right about whatever comes in; what it makes of it is its own.
    let model = model(5);
    let (chain, _) = options(2).chain_after(model.shape(), 0, 3).unwrap();
    let layers = groups(2).group(4, 1).unwrap();
    let mock = matchmark_prover::ModelMock::new(&chain, Arc::clone(&model), 1).unwrap();
    let group = ModelGroup::new(&model, layers).unwrap();
    let before = KvCache::empty(model.shape().attention_of(2).unwrap());
    let stream: Vec<i32> = (0..36).map(|it| 100 * it - 1800).collect();
    let input = GroupInput {
        tokens: &[1, 2, 3],
        choices: &[],
        stream: &stream,
        cache: &before,
    };
    let (execution, after) = execute_group(&model, &group, &input).unwrap();
    mock.check(&execution, &before, &after, Cut::Fused).unwrap();
    let mut other = execution.clone();
    other.stream[5] += 1;
    assert!(matches!(
        mock.check(&other, &before, &after, Cut::Fused),
        Err(ProveError::Mock(_))
    ));
    let mut other = execution;
    other.choices[2] = (other.choices[2] + 1) % 24;
    assert!(matches!(
        mock.check(&other, &before, &after, Cut::Fused),
        Err(ProveError::Mock(_))
    ));
    assert!(matchmark_prover::ModelMock::new(&chain, model, 2).is_err());
}

/// A chain in groups that an end token ends has all parts of its last segment, and none behind.
#[test]
fn a_grid_ends_with_its_answer() {
    let model = model(5);
    let mut tokens = prompt();
    let mut state = ModelState::initial(&model);
    let mut position = 0;
    while tokens.len() < 9 {
        let (execution, after) = execute_model(&model, &state, &tokens[position..]).unwrap();
        position = tokens.len();
        tokens.push(*execution.choices.last().unwrap());
        state = after;
    }
    // The second token that is generated, if it is not the first: chosen in the second segment.
    let end = tokens[4];
    assert_ne!(tokens[3], end);
    let options = ModelOptions {
        stop: Stop::Tokens(EndTokens::new([TokenId::new(end)]).unwrap()),
        tokens: 9,
        ..options(2)
    };
    let (_guard, path) = place();
    let report = prove(&path, plan_with(&options));
    assert_eq!((report.segments, report.parts, report.steps), (2, 4, 6));
    assert_eq!(report.finish_reason, FinishReason::Stop);
    let policy = policy_for(&path).unwrap();
    let chain = verify_directory(&path, &policy, |_| {}).unwrap();
    assert_eq!((chain.parts, chain.finish_reason), (4, FinishReason::Stop));
    assert_eq!(chain.answer, report.answer);
    let again = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
    assert_eq!(
        (again.parts_kept, again.chain_digest),
        (4, report.chain_digest)
    );
    // Without the last part, and with one behind it.
    let last = fs::read(segment_path(&path, 3)).unwrap();
    fs::remove_file(segment_path(&path, 3)).unwrap();
    assert!(verify(&path).is_err());
    fs::write(segment_path(&path, 3), &last).unwrap();
    fs::copy(segment_path(&path, 0), segment_path(&path, 4)).unwrap();
    assert!(matches!(
        verify(&path).unwrap_err(),
        VerifyDirectoryError::Verify(ChainVerifyError::Join {
            segment: 4,
            source: FoldError::PastEnd { segment: 2, .. }
        })
    ));
    assert!(matches!(
        ChainProver::resume(&path).and_then(|it| it.run(&Silent)),
        Err(ChainProveError::Directory(DirectoryError::SegmentOutside {
            expected: 4,
            got: 4,
            ..
        }))
    ));
}

/// The chain of a model with a prefix begins with the caches of all its groups of layers.
#[test]
fn each_group_begins_with_its_part_of_the_prefix() {
    let plain = model(5);
    let (_, state) = execute_model(&plain, &ModelState::initial(&plain), &[3, 5]).unwrap();
    let mut parts = (*plain).clone().into_parts();
    parts.prefix = ModelPrefix {
        tokens: vec![3, 5],
        cache: state.cache().clone(),
    };
    let model = Arc::new(IntegerModel::new(parts).unwrap());
    let (_guard, path) = place();
    let plan = ModelPlan::new(Arc::clone(&model), vec![7, 9, 4], &options(2)).unwrap();
    let derived = plan.policy().unwrap();
    let report = prove(&path, plan);
    assert_eq!((report.segments, report.parts), (3, 6));
    assert_eq!(report.first_state, derived.first_state());
    let key = derive_key(&model, &key_options(&[2, 4], &[3]), &mut |_, _| {}).unwrap();
    let prompt = [7, 9, 4].map(TokenId::new);
    let policy = key.policy(&prompt, &options(2)).unwrap();
    assert_eq!(policy.without_shorter().unwrap(), derived);
    key.check_policy(&policy).unwrap();
    verify_directory(&path, &policy, |_| {}).unwrap();
    // Behind no prefix, or that of the groups in another order, the chain begins with another state.
    let mut parts = policy.parts();
    let plain = plan_with(&options(2)).policy().unwrap();
    parts.first_state = plain.first_state();
    let other = matchmark_statement::AcceptancePolicy::new(parts).unwrap();
    let mut rows = 0;
    let refused = verify_directory(&path, &other, |_| rows += 1).unwrap_err();
    assert!(matches!(
        refused,
        VerifyDirectoryError::Verify(ChainVerifyError::Join {
            segment: 1,
            source: FoldError::Policy(PolicyMismatch::FirstState { .. })
        })
    ));
    assert_eq!(rows, 1);
    assert!(key.check_policy(&other).is_err());
}

/// Segments are read part by part, in the order of their files.
#[test]
fn files_are_in_the_order_of_segments_and_groups() {
    let (_guard, path) = place();
    prove(&path, plan(4));
    let reader = ChainReader::open(&path, MAX_SEGMENT_BYTES).unwrap();
    assert_eq!(reader.segments(), 12);
    for (part, stored) in (0..).zip(reader) {
        let stored = stored.unwrap();
        let statement = stored.file.statement();
        assert_eq!(stored.segment, part);
        assert_eq!(u64::from(statement.group_index()), part % 4);
        assert_eq!(statement.steps().entries_before() as u64, 3 * (part / 4));
    }
}
