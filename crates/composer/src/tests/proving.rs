//! Planning and proving chains. Most errors come of what a directory holds or a caller asks for; those
//! that a plan excludes come of a plan that was made inconsistent.
use std::fs;
use std::io;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use matchmark_graph::ModelArithmetic;
use matchmark_models::{IntegerModel, ModelError};
use matchmark_prover::{ProveError, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantError, QueryHeads, Rounding, StepRange,
    ValueBits,
};
use matchmark_runtime::{AttentionTrace, RuntimeError, TableResolution};
use matchmark_statement::{EndTokens, PolicyError, SegmentShape, TokenId};
use matchmark_tables::{Rational, TableError, WeightTable};
use tempfile::TempDir;

use super::common::{model, options, place, plan, prove, segment_path, trace, PREFIX, STEPS};
use super::{all_are_reached, Case};
use crate::proving::prover::threads_error;
use crate::proving::provers::Provers;
use crate::{
    CancelToken, ChainPlan, ChainProveError, ChainProver, ChainWork, DirectoryError, FileDigest,
    ModelMock, ModelPlan, PlanError, Progress, ProveEvent, Resources, Schedule, Silent,
    MANIFEST_FILE, MODEL_FILE, TABLE_FILE, TRACE_FILE,
};

/// So many heads over so many steps that the scores have more rows than any layout, however many stand in one.
fn too_many_scores() -> PlanError {
    let (heads, dim, steps) = (64, 2, 1024);
    let shape = AttentionShape::new(
        QueryHeads::new(heads).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(dim).unwrap(),
    );
    let mut parts = trace(1).into_parts();
    parts.shape = shape.unwrap();
    parts.steps = StepRange::new(0, steps).unwrap();
    parts.q = vec![1; (heads * steps * dim) as usize];
    parts.k = vec![1; (steps * dim) as usize];
    parts.v = parts.k.clone();
    (parts.prefix_k, parts.prefix_v) = (vec![], vec![]);
    let trace = AttentionTrace::new(parts).unwrap();
    ChainPlan::new(trace, options(steps)).unwrap_err()
}

/// A prompt and a number of tokens of which a model of 24 tokens and 16 positions makes no chain.
fn no_model_plan(prompt: Vec<u32>, tokens: u32) -> PlanError {
    let mut options = model::options(1);
    options.tokens = tokens;
    ModelPlan::new(model::model(5), prompt, &options).unwrap_err()
}

const PLAN: &[Case<PlanError>] = &[
    ("Options", || no_model_plan(vec![1, 24], 1)),
    ("Quantity", || {
        let mut options = options(1);
        options.table = Some(WeightTable::custom(vec![(1 << 24) - 1, 1], "large").unwrap());
        let error = ChainPlan::new(trace(1), options).unwrap_err();
        assert!(matches!(
            error,
            PlanError::Quantity(QuantError::TooManyEntries { .. })
        ));
        error
    }),
    ("Runtime", || {
        // A convergent of ln(4096 / 2048.5): the second weight is as good as 2048.5.
        let delta = Rational::new(9_607_014_192_541_151_242, 13_864_874_629_940_870_177).unwrap();
        let mut parts = trace(1).into_parts();
        parts.metadata.table = Some(TableResolution::new(delta, 256).unwrap());
        let trace = AttentionTrace::new(parts).unwrap();
        let error = ChainPlan::new(trace, options(1)).unwrap_err();
        assert!(matches!(
            error,
            PlanError::Runtime(RuntimeError::Table(TableError::RoundingUndecided {
                index: 1
            }))
        ));
        error
    }),
    ("Prove", || {
        let error = too_many_scores();
        assert!(matches!(error, PlanError::Prove(ProveError::Layout(_))));
        error
    }),
    ("Policy", || {
        let plan = plan(1, 2);
        // Terms that have no room for the steps of the trace.
        let terms = plan.terms().clone();
        let capacity = CacheCapacity::new(PREFIX + STEPS - 1).unwrap();
        let (attention, steps) = (terms.shape.attention(), terms.shape.segment_steps());
        let shape = SegmentShape::new(attention, capacity, steps).unwrap();
        let terms = terms.with(|it| it.shape = shape);
        let prover = SegmentProver::new(terms).unwrap();
        let work = ChainWork::from(plan);
        let error = work.policy_with(&Provers::of_one(prover)).unwrap_err();
        assert!(matches!(error, PlanError::Policy(PolicyError::Terms(_))));
        error
    }),
    ("Execute", || {
        let options = crate::ModelOptions {
            stop: crate::Stop::Tokens(EndTokens::new([TokenId::new(1)]).unwrap()),
            ..model::options(1)
        };
        crate::shorter_chain(&loud_model(), &[10], &options, &[1]).unwrap_err()
    }),
    ("Memory", || {
        let resources = Resources {
            max_memory: Some(1 << 20),
            ..Resources::default()
        };
        Schedule::for_work(&plan(1, 2).into(), &resources).unwrap_err()
    }),
];

/// A chain of this work that was begun, and that nobody proves.
fn begun_with(work: impl Into<ChainWork>) -> (TempDir, Utf8PathBuf) {
    let (guard, path) = place();
    drop(ChainProver::create(&path, work).unwrap());
    (guard, path)
}

fn begun() -> (TempDir, Utf8PathBuf) {
    begun_with(plan(1, 2))
}

fn directory(error: ChainProveError) -> DirectoryError {
    match error {
        ChainProveError::Directory(error) => error,
        other => panic!("{other:?}"),
    }
}

fn create(path: &Utf8Path, plan: ChainPlan) -> DirectoryError {
    directory(ChainProver::create(path, plan).unwrap_err())
}

fn resume(path: &Utf8Path) -> ChainProveError {
    ChainProver::resume(path).unwrap_err()
}

/// A chain that was begun, with another text in place of one of its manifest.
fn with_manifest(from: &str, to: &str) -> ChainProveError {
    let (_guard, path) = begun();
    let file = path.join(MANIFEST_FILE);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from));
    fs::write(&file, text.replace(from, to)).unwrap();
    resume(&path)
}

/// A chain one of whose copies is nonsense, and whose manifest has the digest of the nonsense.
fn with_copy(work: impl Into<ChainWork>, name: &str) -> DirectoryError {
    let (_guard, path) = begun_with(work);
    let (file, manifest) = (path.join(name), path.join(MANIFEST_FILE));
    let digest = |bytes: &[u8]| FileDigest::of(bytes).to_string();
    let (own, nonsense) = (digest(&fs::read(&file).unwrap()), digest(b"nonsense"));
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(&own));
    fs::write(&file, b"nonsense").unwrap();
    fs::write(&manifest, text.replace(&own, &nonsense)).unwrap();
    directory(resume(&path))
}

const DIRECTORY: &[Case<DirectoryError>] = &[
    ("Io", || {
        let (_guard, path) = place();
        fs::write(&path, b"a file").unwrap();
        create(&path, plan(1, 2))
    }),
    ("Locked", || {
        let (_guard, path) = place();
        let _first = ChainProver::create(&path, plan(1, 2)).unwrap();
        directory(resume(&path))
    }),
    ("NotAChain", || {
        let (_guard, path) = place();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("notes.txt"), b"mine").unwrap();
        create(&path, plan(1, 2))
    }),
    ("NoChain", || {
        let (_guard, path) = place();
        directory(resume(&path))
    }),
    ("OtherChain", || {
        let (_guard, path) = begun();
        create(&path, plan(2, 2))
    }),
    ("AlreadyBegun", || {
        let (_guard, path) = begun();
        create(&path, plan(1, 2))
    }),
    ("Format", || {
        directory(with_manifest("format = 9", "format = 10"))
    }),
    ("Manifest", || {
        directory(with_manifest("format = 9", "format = 9\nextra = 0"))
    }),
    ("OtherProgram", || {
        directory(with_manifest("relation_version = ", "relation_version = 9"))
    }),
    ("InputChanged", || {
        let (_guard, path) = begun();
        fs::write(path.join(TABLE_FILE), b"nonsense").unwrap();
        directory(resume(&path))
    }),
    ("Trace", || with_copy(plan(1, 2), TRACE_FILE)),
    ("Table", || with_copy(plan(1, 2), TABLE_FILE)),
    ("Model", || with_copy(model::plan(1), MODEL_FILE)),
    ("Segments", || {
        let (_guard, path) = begun();
        fs::remove_file(path.join(TABLE_FILE)).unwrap();
        directory(resume(&path))
    }),
    ("SegmentOutside", || {
        let (_guard, path) = begun();
        fs::write(segment_path(&path, 3), b"").unwrap();
        directory(resume(&path))
    }),
];

/// A plan whose rules are not those of its terms.
fn inconsistent(change: impl FnOnce(&mut matchmark_runtime::DecodeRules)) -> ChainPlan {
    plan(1, 2).with_rules(change)
}

/// A model whose queries come to more than a proof can carry before they are rotated.
fn loud_model() -> Arc<IntegerModel> {
    // Weights that were drawn for a larger shift.
    let mut parts = (*model::model(5)).clone().into_parts();
    let mut arithmetic = parts.arithmetic.into_parts();
    let layers = parts.shape.layers();
    (0..layers).for_each(|layer| arithmetic.rotary_mut(layer).query = 1);
    parts.arithmetic = ModelArithmetic::new(arithmetic).unwrap();
    Arc::new(IntegerModel::new(parts).unwrap())
}

/// A plan for it.
fn loud() -> ModelPlan {
    ModelPlan::new(loud_model(), vec![10], &model::options(1)).unwrap()
}

fn run(work: impl Into<ChainWork>) -> ChainProveError {
    let (_guard, path) = place();
    let prover = ChainProver::create(&path, work).unwrap();
    prover.run(&Silent).unwrap_err()
}

/// Resumes a finished chain after a change of its second segment.
fn with_segment(change: impl FnOnce(&Utf8Path)) -> ChainProveError {
    let (_guard, path) = place();
    prove(&path, plan(1, 2));
    change(&path);
    let prover = ChainProver::resume(&path).unwrap();
    prover.run(&Silent).unwrap_err()
}

const PROVE: &[Case<ChainProveError>] = &[
    ("Plan", || {
        let resources = Resources {
            max_memory: Some(1),
            ..Resources::default()
        };
        let (_guard, path) = place();
        let error = ChainProver::create_within(&path, plan(1, 2), &resources).unwrap_err();
        assert!(matches!(error, ChainProveError::Plan(PlanError::Memory(_))));
        error
    }),
    ("Directory", || {
        let (_guard, path) = place();
        resume(&path)
    }),
    ("Execute", || {
        run(inconsistent(|rules| rules.value_bits = ValueBits::MAX))
    }),
    ("ExecuteModel", || {
        let error = run(loud());
        assert!(
            matches!(
                error,
                ChainProveError::ExecuteModel {
                    segment: 0,
                    source: ModelError::OutOfRange { .. }
                }
            ),
            "{error:?}"
        );
        error
    }),
    ("Prove", || {
        // Gaps are clipped at the end of another table.
        let error = run(inconsistent(|rules| rules.table = WeightTable::essay9()));
        assert!(matches!(
            error,
            // Either of two workers may be the first to say so.
            ChainProveError::Prove {
                segment: _,
                source: ProveError::ConstraintsNotSatisfied
            }
        ));
        error
    }),
    ("Chain", || {
        let [work, other] = [plan(1, 2), plan(2, 2)].map(ChainWork::from);
        let provers = work.provers().unwrap();
        let mut front = work.front(&provers).unwrap();
        front.advance().unwrap();
        // As many entries as the second segment begins with, of another run.
        let mut other = other.front(&provers).unwrap();
        other.advance().unwrap();
        front.exchange_state(&mut other);
        front.advance().map(|_| ()).unwrap_err()
    }),
    ("CorruptSegment", || {
        with_segment(|path| {
            let file = segment_path(path, 1);
            let mut bytes = fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(&file, bytes).unwrap();
        })
    }),
    ("OtherSegment", || {
        with_segment(|path| {
            fs::copy(segment_path(path, 0), segment_path(path, 1)).unwrap();
        })
    }),
    ("Part", || {
        let (_guard, path) = begun();
        ChainProver::resume(&path)
            .unwrap()
            .part_input(0)
            .unwrap_err()
    }),
    ("Threads", || {
        let refused = rayon::ThreadPoolBuilder::new()
            .spawn_handler(|_| Err(io::Error::other("no more threads")))
            .build();
        threads_error(refused.unwrap_err())
    }),
    ("Stopped", || {
        let (_guard, path) = place();
        let prover = ChainProver::create(&path, plan(1, 2)).unwrap();
        let cancel = CancelToken::new();
        cancel.cancel();
        prover.with_cancel(cancel).run(&Silent).unwrap_err()
    }),
];

fn mock(plan: &ChainPlan) -> ChainProveError {
    plan.mock(|_, _| {}).unwrap_err()
}

const MOCK: &[Case<ChainProveError>] = &[
    ("Execute", || {
        mock(&inconsistent(|rules| rules.value_bits = ValueBits::MAX))
    }),
    ("ExecuteModel", || {
        let mock = ModelMock::new(loud_model(), vec![10], &model::options(1)).unwrap();
        mock.run(|_, _| {}).unwrap_err()
    }),
    ("Prove", || {
        let error = mock(&inconsistent(|rules| rules.rounding = Rounding::Floor));
        let source = match &error {
            ChainProveError::Prove { source, .. } => source,
            other => panic!("{other:?}"),
        };
        assert!(matches!(source, ProveError::Mock(_)));
        error
    }),
];

#[test]
fn every_reason_to_make_no_plan_is_reached() {
    all_are_reached(PlanError::NAMES, PLAN, PlanError::name);
}

#[test]
fn every_reason_not_to_use_a_directory_is_reached() {
    all_are_reached(DirectoryError::NAMES, DIRECTORY, DirectoryError::name);
}

/// A second worker that asks after the first has failed is told of no segment, and of no other error.
#[test]
fn nothing_follows_a_segment_that_cannot_be_executed() {
    let inconsistent = inconsistent(|rules| rules.value_bits = ValueBits::MAX);
    let works: [(ChainWork, &str); 2] = [
        (loud().into(), "ExecuteModel"),
        (inconsistent.into(), "Execute"),
    ];
    for (work, name) in works {
        assert!(work.segment_count() > 1);
        let provers = work.provers().unwrap();
        let mut front = work.front(&provers).unwrap();
        let error = front.advance().map(|_| ()).unwrap_err();
        assert_eq!(error.name(), name);
        assert!(matches!(front.advance(), Ok(None)));
    }
}

#[test]
fn every_reason_not_to_prove_a_chain_is_reached() {
    all_are_reached(ChainProveError::NAMES, PROVE, ChainProveError::name);
}

/// Asked before anything is committed: no plan is told, and no segment begun.
#[test]
fn a_prover_that_is_to_stop_begins_nothing() {
    struct Quiet;
    impl Progress for Quiet {
        fn event(&self, event: &ProveEvent) {
            panic!("told {event:?}");
        }
    }
    let (_guard, path) = place();
    let cancel = CancelToken::new();
    cancel.cancel();
    let prover = ChainProver::create(&path, plan(1, 2)).unwrap();
    let stopped = prover.with_cancel(cancel).run(&Quiet).unwrap_err();
    assert!(
        matches!(stopped, ChainProveError::Stopped { finished: 0, segments } if segments > 1),
        "{stopped}"
    );
    // The token is not part of the chain.
    drop(ChainProver::resume(&path).unwrap().run(&Silent).unwrap());
}

#[test]
fn the_mock_checker_gives_the_reasons_of_the_prover() {
    for (name, case) in MOCK {
        assert_eq!(case().name(), *name);
    }
}
