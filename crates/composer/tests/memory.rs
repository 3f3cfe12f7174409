//! Memory: predicted before anything is begun, and what would fit does.
#![allow(clippy::unwrap_used)]

mod common;

use std::num::NonZeroUsize;

use common::{model, names, options, place, plan, trace};
use matchmark_composer::{
    derive_key, ChainPlan, ChainProveError, ChainProver, KeyOptions, KeygenError, MemoryBound,
    MemoryShortage, ModelOptions, PlanError, Resources, Schedule, Silent,
};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{Profile, Security, SecurityLevel};

fn resources(jobs: usize, max_memory: u64) -> Resources {
    Resources {
        jobs: NonZeroUsize::new(jobs),
        max_memory: Some(max_memory),
    }
}

fn shortage<T: std::fmt::Debug>(result: Result<T, PlanError>) -> MemoryShortage {
    match result {
        Err(PlanError::Memory(shortage)) => *shortage,
        other => panic!("{other:?}"),
    }
}

/// The plan of all steps of the trace in segments of so many, at 100 bits.
fn secure(segment_steps: u32, profile: Profile) -> ChainPlan {
    let mut options = options(segment_steps);
    options.security = Security::new(SecurityLevel::Conjectured100, profile).unwrap();
    ChainPlan::new(trace(1), options).unwrap()
}

#[test]
fn nothing_is_written_where_memory_is_short() {
    let (_guard, path) = place();
    let refused = ChainProver::create_within(&path, plan(1, 2), &resources(0, 1 << 20));
    let Err(ChainProveError::Plan(error)) = refused else {
        panic!("{refused:?}");
    };
    let shortage = shortage(Err::<(), _>(error));
    assert_eq!(
        (shortage.expected, &shortage.bound),
        (1 << 20, &MemoryBound::Given)
    );
    assert!(shortage.got > 1 << 20 && shortage.fits.is_empty());
    assert!(!path.exists());

    // What was begun stays as it is, and goes on where there is more.
    drop(ChainProver::create_within(&path, plan(1, 2), &resources(0, 1 << 30)).unwrap());
    let before = names(&path);
    let refused = ChainProver::resume_within(&path, &resources(0, 1 << 20));
    assert!(matches!(
        refused,
        Err(ChainProveError::Plan(PlanError::Memory(_)))
    ));
    assert_eq!(names(&path), before);
    let report = ChainProver::resume_within(&path, &resources(2, 1 << 30))
        .unwrap()
        .run(&Silent)
        .unwrap();
    assert_eq!(report.segments, 3);
    assert_eq!(report.schedule.workers.get(), 2);
}

#[test]
fn what_would_fit_does() {
    // At most one byte too little for the whole, and then ever less.
    let of =
        |plan: ChainPlan, jobs, bytes| Schedule::for_work(&plan.into(), &resources(jobs, bytes));
    let whole = || secure(6, Profile::Compact);
    let least = shortage(of(whole(), 1, 1)).got;
    assert!(of(whole(), 1, least).is_ok());
    let short = shortage(of(whole(), 1, least - 1));
    assert_eq!(short.got, least);
    let choices: Vec<&str> = short.fits.iter().map(|it| it.choice.as_str()).collect();
    assert_eq!(
        choices,
        [
            "segments of 2 steps",
            "the profile balanced",
            "the profile fast",
            "the profile fastest"
        ]
    );
    for (plan, fit) in [
        (secure(2, Profile::Compact), &short.fits[0]),
        (secure(6, Profile::Balanced), &short.fits[1]),
        (secure(6, Profile::Fast), &short.fits[2]),
        (secure(6, Profile::Fastest), &short.fits[3]),
    ] {
        assert!(of(plan.clone(), 1, fit.bytes).is_ok(), "{}", fit.choice);
        assert_eq!(shortage(of(plan, 1, fit.bytes - 1)).got, fit.bytes);
    }
    // Fewer at a time; the selectors of all are there once.
    let three = || secure(2, Profile::Compact);
    let several = shortage(of(three(), 3, 1)).got;
    let one = shortage(of(three(), 1, 1)).got;
    assert!(one < several && several < 3 * one);
    let short = shortage(of(three(), 3, several - 1));
    assert!(short.what.contains("3 segments of 2 steps at a time"));
    assert_eq!(short.fits[0].choice, "2 at a time");
    assert!(of(three(), 2, short.fits[0].bytes).is_ok());
    // Nobody asked for three of them: then as many as fit.
    let schedule = of(three(), 0, several - 1).unwrap();
    assert!(schedule.workers.get() < 3);
}

#[test]
fn a_model_is_refused_before_it_is_committed() {
    let model = model::model(5);
    let options = model::options(4);
    let of = |bytes| Schedule::for_model(&model, model::PROMPT, &options, &resources(1, bytes));
    let least = shortage(of(1)).got;
    assert!(of(least).is_ok());
    let short = shortage(of(least - 1));
    assert!(short.what.contains("segment of 4 steps"), "{short}");
    // The same as of the plan that commits it.
    let plan = model::plan(4);
    let again = shortage(Schedule::for_work(&plan.into(), &resources(1, 1)));
    assert_eq!(again.got, least);
    // It is reckoned for the level that the proofs are of.
    let secure = ModelOptions {
        security: Security::default(),
        ..options.clone()
    };
    let more = Schedule::for_model(&model, model::PROMPT, &secure, &resources(1, 1));
    assert!(shortage(more).got > least);
}

#[test]
fn resuming_a_model_looks_before_it_commits() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, model::plan(4)).unwrap());
    let refused = ChainProver::resume_within(&path, &resources(0, 1 << 20));
    let Err(ChainProveError::Plan(error)) = refused else {
        panic!("{refused:?}");
    };
    let short = shortage(Err::<(), _>(error));
    let least = short.got;
    let text = shortage_text(&path, least - 1);
    assert!(text.contains("begun anew in segments of 2 steps"), "{text}");
    assert!(ChainProver::resume_within(&path, &resources(0, least)).is_ok());
}

fn shortage_text(path: &camino::Utf8Path, bytes: u64) -> String {
    let refused = ChainProver::resume_within(path, &resources(0, bytes));
    refused.unwrap_err().to_string()
}

#[test]
fn keys_say_which_levels_fit() {
    let model = model::model(5);
    let options = |levels: &[SecurityLevel]| {
        let mut options = KeyOptions::of_levels(levels).unwrap();
        options.segment_steps = vec![SegmentSteps::new(4).unwrap()];
        options
    };
    let of =
        |levels: &[SecurityLevel], bytes| resources(0, bytes).check_key(&model, &options(levels));
    let all = shortage(of(&SecurityLevel::ALL, 1)).got;
    let small = shortage(of(&[SecurityLevel::Insecure13], 1)).got;
    assert!(small < all);
    assert!(of(&SecurityLevel::ALL, all).is_ok());
    let short = shortage(of(&SecurityLevel::ALL, all - 1));
    let fits = |name: &str| short.fits.iter().find(|it| it.choice.contains(name));
    assert_eq!(fits("insecure-13").unwrap().bytes, small);
    // The profile that takes most is the one that does not fit.
    assert!(fits("conjectured-100 fast").is_some());
    assert!(fits("conjectured-100 compact").is_none());
    // A key that is derived anew takes what it took.
    let own = options(&[SecurityLevel::Insecure13]);
    let key = derive_key(&model, &own, &mut |_, _| {}).unwrap();
    assert!(resources(0, small).check_key_again(&model, &key).is_ok());
    let again = resources(0, small - 1).check_key_again(&model, &key);
    assert_eq!(shortage(again).got, small);
    // It is one reason to derive none.
    let error = KeygenError::from(PlanError::from(short));
    assert!(error.to_string().contains("committing the model"));
}
