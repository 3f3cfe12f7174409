//! What a chain directory may hold, and what a failed creation leaves behind.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use common::{names, options, place, plan, prove, trace};
use matchmark_composer::{
    policy_for, ChainPlan, ChainProveError, ChainProver, DirectoryError, PlanError, Silent,
};
use matchmark_quant::{QuantError, Rounding};
use matchmark_statement::Cut;
use matchmark_tables::WeightTable;

fn create(path: &Utf8Path, plan: ChainPlan) -> DirectoryError {
    match ChainProver::create(path, plan) {
        Err(ChainProveError::Directory(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn resume(path: &Utf8Path) -> DirectoryError {
    match ChainProver::resume(path) {
        Err(ChainProveError::Directory(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_chain_directory_holds_what_it_says() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    let files = [
        "chain.toml",
        "lock",
        "segments",
        "table.txt",
        "trace.safetensors",
    ];
    assert_eq!(names(&path), files);
    let copy = matchmark_runtime::AttentionTrace::load(path.join("trace.safetensors")).unwrap();
    assert_eq!(copy, trace(1));
    let text = fs::read_to_string(path.join("table.txt")).unwrap();
    assert_eq!(
        WeightTable::parse(&text).unwrap(),
        WeightTable::exp256_default()
    );
    // The policy needs no segment.
    assert_eq!(policy_for(&path).unwrap(), plan(1, 2).policy().unwrap());
}

#[test]
fn an_empty_directory_will_do_and_parents_are_made() {
    let (_guard, path) = place();
    fs::create_dir(&path).unwrap();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    let deeper = path.parent().unwrap().join("a/b/c");
    drop(ChainProver::create(&deeper, plan(1, 2)).unwrap());
    assert!(deeper.join("chain.toml").exists());
}

#[test]
fn a_directory_with_anything_else_is_refused_and_left_alone() {
    let (_guard, path) = place();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("notes.txt"), "mine").unwrap();
    assert!(matches!(
        create(&path, plan(1, 2)),
        DirectoryError::NotAChain { got, .. } if got == "notes.txt"
    ));
    assert_eq!(names(&path), ["notes.txt"]);
    assert!(matches!(resume(&path), DirectoryError::NoChain { .. }));
    assert_eq!(names(&path), ["notes.txt"]);
    let file = path.join("notes.txt");
    assert!(matches!(
        create(&file, plan(1, 2)),
        DirectoryError::Io { action: "list", .. }
    ));
}

#[test]
fn another_chain_is_named_by_what_differs() {
    let (_guard, path) = place();
    prove(&path, plan(1, 2));
    assert!(matches!(
        create(&path, plan(1, 2)),
        DirectoryError::AlreadyBegun { .. }
    ));
    let differs = |plan: ChainPlan| match create(&path, plan) {
        DirectoryError::OtherChain {
            field,
            expected,
            got,
            ..
        } => {
            assert_ne!(expected, got);
            field
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(differs(plan(2, 2)), "trace");
    assert_eq!(differs(plan(1, 3)), "shape");
    let with = |change: &dyn Fn(&mut matchmark_composer::ChainOptions)| {
        let mut options = options(2);
        change(&mut options);
        ChainPlan::new(trace(1), options).unwrap()
    };
    assert_eq!(differs(with(&|o| o.rounding = Rounding::Floor)), "rounding");
    assert_eq!(
        differs(with(&|o| o.table = Some(WeightTable::essay9()))),
        "table"
    );
    // All of it was left alone.
    let report = ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
    assert_eq!(report.parts_kept, 3);
}

#[test]
fn one_process_at_a_time() {
    let (_guard, path) = place();
    let first = ChainProver::create(&path, plan(1, 2)).unwrap();
    assert!(matches!(resume(&path), DirectoryError::Locked { .. }));
    drop(first);
    let second = ChainProver::resume(&path).unwrap();
    assert!(matches!(resume(&path), DirectoryError::Locked { .. }));
    // Reading the policy does not disturb the prover.
    policy_for(&path).unwrap();
    second.run(&Silent).unwrap();
}

#[test]
fn changed_inputs_and_manifests_are_refused() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    let file = |name: &str| path.join(name);
    let with = |name: &str, bytes: &[u8]| {
        let original = fs::read(file(name)).unwrap();
        fs::write(file(name), bytes).unwrap();
        let error = resume(&path);
        fs::write(file(name), original).unwrap();
        error
    };
    let mut trace_bytes = fs::read(file("trace.safetensors")).unwrap();
    *trace_bytes.last_mut().unwrap() ^= 1;
    assert!(matches!(
        with("trace.safetensors", &trace_bytes),
        DirectoryError::InputChanged { path, expected, got } if path == file("trace.safetensors") && expected != got
    ));
    assert!(matches!(
        with("table.txt", WeightTable::essay9().to_text().as_bytes()),
        DirectoryError::InputChanged { .. }
    ));
    let manifest = fs::read_to_string(file("chain.toml")).unwrap();
    assert!(matches!(
        with("chain.toml", b"\xff"),
        DirectoryError::Manifest { .. }
    ));
    assert!(matches!(
        with(
            "chain.toml",
            manifest.replace("format = 9", "format = 10").as_bytes()
        ),
        DirectoryError::Format {
            expected: 9,
            got: 10,
            ..
        }
    ));
    let digest = manifest
        .lines()
        .find(|line| line.starts_with("relation_digest"))
        .unwrap();
    let other = format!("relation_digest = \"{}\"", "ab".repeat(32));
    assert!(matches!(
        with("chain.toml", manifest.replace(digest, &other).as_bytes()),
        DirectoryError::OtherProgram {
            field: "relation_digest",
            ..
        }
    ));
    drop(ChainProver::resume(&path).unwrap());
    fs::remove_file(file("trace.safetensors")).unwrap();
    assert!(matches!(resume(&path), DirectoryError::Segments(_)));
}

#[test]
fn an_interrupted_creation_is_finished_by_creating_again() {
    let (_guard, path) = place();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    fs::remove_file(path.join("table.txt")).unwrap();
    fs::remove_dir(path.join("segments")).unwrap();
    fs::write(path.join(".matchmark-left"), b"half").unwrap();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    assert!(path.join("table.txt").exists() && !path.join(".matchmark-left").exists());
    // Before the manifest was there.
    for name in ["chain.toml", "table.txt", "trace.safetensors"] {
        fs::remove_file(path.join(name)).unwrap();
    }
    fs::remove_dir(path.join("segments")).unwrap();
    fs::write(path.join(".matchmark-left"), b"half").unwrap();
    drop(ChainProver::create(&path, plan(1, 2)).unwrap());
    ChainProver::resume(&path).unwrap().run(&Silent).unwrap();
}

#[test]
fn a_failed_creation_leaves_nothing_behind() {
    let (_guard, path) = place();
    fs::create_dir(&path).unwrap();
    // A table file cannot be renamed onto a directory, so that creation fails after the manifest.
    let inner = path.join("chain");
    fs::create_dir(&inner).unwrap();
    drop(ChainProver::create(&inner, plan(1, 2)).unwrap());
    fs::remove_file(inner.join("table.txt")).unwrap();
    fs::remove_dir(inner.join("segments")).unwrap();
    fs::create_dir(inner.join("table.txt")).unwrap();
    assert!(matches!(
        create(&inner, plan(1, 2)),
        DirectoryError::Io {
            action: "rename",
            ..
        }
    ));
    assert_eq!(names(&inner), ["table.txt"]);
    // A parent in which nothing can be made. The superuser may, so that there is nothing to see then.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    let unwritable = path.join("other");
    if let Err(error) = ChainProver::create(&unwritable, plan(1, 2)) {
        assert!(matches!(
            error,
            ChainProveError::Directory(DirectoryError::Io { .. })
        ));
        assert!(!unwritable.exists());
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn plans_that_cannot_be_proven() {
    let mut large = options(1);
    large.table = Some(WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap());
    assert!(matches!(
        ChainPlan::new(trace(1), large),
        Err(PlanError::Quantity(QuantError::TooManyEntries { .. }))
    ));
    let mut whole = options(1);
    whole.segment_steps = None;
    let whole = ChainPlan::new(trace(1), whole).unwrap();
    assert_eq!(
        (whole.segment_count(), whole.segment_lengths()),
        (1, vec![6])
    );
    assert_eq!(plan(1, 4).segment_lengths(), [4, 2]);
    // Longer than the chain: one segment is meant, and it is the same chain.
    let longer = plan(1, 7);
    assert_eq!(longer.segment_lengths(), [6]);
    assert_eq!(longer.policy().unwrap(), whole.policy().unwrap());
}

#[test]
fn the_mock_checker_accepts_the_reference_and_names_what_fails() {
    let plan = plan(1, 4);
    let mut seen = vec![];
    plan.mock(|segment, steps| seen.push((segment, steps.steps())))
        .unwrap();
    assert_eq!(seen, [(0, 4), (1, 2)]);

    let before = matchmark_runtime::KvCache::from_prefix(plan.trace());
    let inputs = plan
        .trace()
        .segment(plan.segments().next().unwrap())
        .unwrap();
    let (mut execution, after) =
        matchmark_runtime::execute_segment(&before, &inputs, plan.rules()).unwrap();
    execution.out[0] += if execution.out[0] > 0 { -1 } else { 1 };
    assert!(matches!(
        matchmark_prover::mock_segment(plan.terms(), &execution, &before, &after, Cut::Fused),
        Err(matchmark_prover::ProveError::Mock(_))
    ));
}
