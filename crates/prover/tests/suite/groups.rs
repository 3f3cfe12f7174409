//! Decoders that are cut into groups of layers, proven part by part.
use std::sync::{Arc, LazyLock};

use matchmark_graph::{LayerGroup, ModelShape};
use matchmark_models::{
    execute_group, execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens,
    GroupInput, IntegerModel, ModelExecution, ModelGroup, ModelState,
};
use matchmark_prover::{
    CommittedState, CommittedStream, ModelChain, ModelInput, PartPorts, ProveError, SegmentProver,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    StepRange, ValueBits, VocabularySize,
};
use matchmark_runtime::KvCache;
use matchmark_statement::{
    AcceptancePolicy, ChainError, ChainStatement, Cut, GroupFields, LayerGroups, PolicyCircuit,
    PolicyMismatch, PortCommitment, SegmentStatement, SegmentStatementParts, StatementError,
};
use matchmark_verifier::chain::FoldError;
use matchmark_verifier::{verify_segment, ChainFold, SegmentFile, VerifiedChain, VerifyError};

use super::decoder::decisions;

/// Steps of each of the two segments.
const LENGTHS: [usize; 2] = [4, 3];
/// Tokens of the vocabulary.
pub const VOCABULARY: u32 = 24;

pub fn model(layers: u32, seed: u64) -> Arc<IntegerModel> {
    let shape = ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(12).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(20).unwrap(),
        VocabularySize::new(VOCABULARY).unwrap(),
        CacheCapacity::new(16).unwrap(),
    )
    .unwrap();
    let arithmetic = synthetic_arithmetic(shape, ValueBits::new(9).unwrap()).unwrap();
    Arc::new(synthetic_model(shape, arithmetic, seed).unwrap())
}

pub fn chain(groups: u16) -> ModelChain {
    ModelChain {
        groups: LayerGroups::new(groups).unwrap(),
        ..decisions()
    }
}

/// What one part is proven from.
pub struct Part {
    pub execution: ModelExecution,
    pub before: Arc<CommittedState>,
    pub after: Arc<CommittedState>,
    pub stream_in: Option<Arc<CommittedStream>>,
    pub stream_out: Option<Arc<CommittedStream>>,
}

impl Part {
    pub fn input(&self, cut: Cut) -> ModelInput<'_> {
        ModelInput {
            execution: &self.execution,
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
            cut,
        }
    }

    pub fn ports(&self) -> PartPorts<'_> {
        PartPorts {
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
        }
    }
}

/// A chain of two segments, part by part.
pub struct Grid {
    pub provers: Vec<SegmentProver>,
    /// By segment and group.
    pub parts: Vec<Vec<Part>>,
    /// What the whole model chose.
    pub choices: Vec<Vec<u32>>,
}

/// The heads of a group's layers.
fn cache_of(model: &IntegerModel, cache: &KvCache, group: &LayerGroup) -> KvCache {
    let heads = model.shape().attention().kv_heads();
    let range = group.layers();
    let shape = model.shape().attention_of(group.count()).unwrap();
    let heads = range.start * heads..range.end * heads;
    cache.of_heads(shape, heads).unwrap()
}

impl Grid {
    /// The model's own choices behind three tokens.
    pub fn new(model: &Arc<IntegerModel>, groups: u16, prompt: u64) -> Self {
        let provers = SegmentProver::for_groups(&chain(groups), model).unwrap();
        let mut tokens = synthetic_tokens(model.shape(), 3, prompt);
        let mut state = ModelState::initial(model);
        let own = provers.iter().map(|prover| prover.layers().unwrap());
        let own: Vec<_> = own.map(|it| ModelGroup::new(model, it).unwrap()).collect();
        let mut states: Vec<_> = provers
            .iter()
            .zip(&own)
            .map(|(prover, group)| {
                let cache = cache_of(model, state.cache(), &group.layers());
                Arc::new(prover.state(cache).unwrap())
            })
            .collect();
        let (mut parts, mut choices) = (vec![], vec![]);
        for length in LENGTHS {
            while tokens.len() < length {
                let (execution, _) = execute_model(model, &state, &tokens).unwrap();
                tokens.push(*execution.choices.last().unwrap());
            }
            let (whole, after) = execute_model(model, &state, &tokens).unwrap();
            let (mut stream, mut committed) = (vec![], None);
            let mut of_segment = vec![];
            for ((prover, group), state) in provers.iter().zip(&own).zip(&mut states) {
                let input = GroupInput {
                    tokens: &tokens,
                    choices: &whole.choices,
                    stream: &stream,
                    cache: state.cache(),
                };
                let (execution, cache) = execute_group(model, group, &input).unwrap();
                assert_eq!(cache, cache_of(model, after.cache(), &group.layers()));
                stream = execution.stream_out().to_vec();
                let stream_out = match group.layers().is_last() {
                    true => None,
                    false => {
                        let stream = prover.stream_out(execution.steps, &stream);
                        Some(Arc::new(stream.unwrap()))
                    }
                };
                let after = Arc::new(prover.state(cache).unwrap());
                of_segment.push(Part {
                    execution,
                    before: std::mem::replace(state, after.clone()),
                    after,
                    stream_in: std::mem::replace(&mut committed, stream_out.clone()),
                    stream_out,
                });
            }
            parts.push(of_segment);
            tokens = vec![*whole.choices.last().unwrap()];
            choices.push(whole.choices);
            state = after;
        }
        Self {
            provers,
            parts,
            choices,
        }
    }

    pub fn prove(&self, segment: usize, group: usize, cut: Cut) -> SegmentFile {
        let input = self.parts[segment][group].input(cut);
        let file = self.provers[group].prove_model(&input).unwrap().file;
        SegmentFile::decode(&file.encode().unwrap()).unwrap()
    }

    /// Segment by segment, with the cut of each group.
    pub fn files(&self, cuts: &[Cut]) -> Vec<SegmentFile> {
        let segments = 0..self.parts.len();
        let of_segment = |segment| {
            let cuts = cuts.iter().enumerate();
            cuts.map(move |(group, cut)| self.prove(segment, group, *cut))
        };
        segments.flat_map(of_segment).collect()
    }

    /// What is proven of a part's execution and ports, in another statement's name.
    pub fn prove_as(
        &self,
        part: &Part,
        group: usize,
        change: impl FnOnce(&mut SegmentStatementParts),
    ) -> SegmentFile {
        let prover = &self.provers[group];
        let input = part.input(Cut::Fused);
        let (statement, values) = prover.claim_model(&input).unwrap();
        let mut parts = statement.parts();
        change(&mut parts);
        let statement = SegmentStatement::new(parts).unwrap();
        let witness = prover.model_witness(&input).unwrap();
        let proven = prover.prove_part_witness(statement, values, &witness, part.ports());
        proven.unwrap().file
    }
}

/// The policy for these files, by the circuits of these provers.
pub fn policy_of(provers: &[SegmentProver], files: &[SegmentFile]) -> AcceptancePolicy {
    let chain = ChainStatement::of(files.iter().map(SegmentFile::statement)).unwrap();
    let mut circuits: Vec<PolicyCircuit> = vec![];
    for file in files {
        let statement = file.statement();
        let (cut, steps) = (statement.cut().kind(), statement.steps().steps());
        let prover = &provers[usize::from(statement.group_index())];
        circuits.extend(prover.circuits(cut, steps).unwrap());
    }
    let first = files[0].public_values().tokens().unwrap();
    let given = chain.terms().decoder.unwrap().prompt.get() as usize;
    AcceptancePolicy::accepting(&chain, first.consumed()[..given].to_vec(), circuits).unwrap()
}

/// Three layers in three groups, and its fused parts.
pub struct Honest {
    pub grid: Grid,
    pub files: Vec<SegmentFile>,
    pub policy: AcceptancePolicy,
}

pub static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let grid = Grid::new(&model(3, 5), 3, 1);
    let files = grid.files(&[Cut::Fused; 3]);
    let policy = policy_of(&grid.provers, &files);
    Honest {
        grid,
        files,
        policy,
    }
});

/// What becomes of parts each of which holds by itself.
pub fn fold(files: &[SegmentFile], policy: &AcceptancePolicy) -> Result<VerifiedChain, FoldError> {
    let mut fold = ChainFold::new(policy.clone());
    for file in files {
        fold.push(&verify_segment(file, policy).unwrap())?;
    }
    fold.finish()
}

/// Why the honest chain with this part in the place of its own is refused by the chain: the part itself holds.
pub fn not_joined(at: usize, part: &SegmentFile) -> ChainError {
    let Honest { files, policy, .. } = &*HONEST;
    let mut files = files.clone();
    files[at] = part.clone();
    match fold(&files, policy) {
        Err(FoldError::Chain(error)) => error,
        other => panic!("{other:?}"),
    }
}

pub fn refused(part: &SegmentFile) -> VerifyError {
    verify_segment(part, &HONEST.policy).unwrap_err()
}

pub fn fields(parts: &mut SegmentStatementParts) -> &mut GroupFields {
    parts.group.as_mut().unwrap()
}

#[test]
fn a_decoder_is_proven_group_by_group() {
    let Honest { files, policy, .. } = &*HONEST;
    let chain = fold(files, policy).unwrap();
    let statement = chain.statement();
    assert_eq!((statement.segments(), statement.parts()), (2, 6));
    assert_eq!(statement.steps(), StepRange::new(0, 7).unwrap());
    // The same tokens, and the same parts of the states, as by one group.
    let grid = &HONEST.grid;
    for (segment, choices) in grid.choices.iter().enumerate() {
        for part in &files[3 * segment..3 * segment + 3] {
            let chosen = part.public_values().tokens().unwrap().chosen();
            assert!(chosen
                .iter()
                .map(|token| token.get())
                .eq(choices.iter().copied()));
        }
    }
    // A segment is complete with the last of its parts.
    let mut fold = ChainFold::new(policy.clone());
    for (at, file) in files.iter().enumerate() {
        assert_eq!(usize::from(fold.parts_of_segment()), at % 3);
        assert!(!fold.is_whole());
        let verified = verify_segment(file, policy).unwrap();
        assert_eq!(fold.push(&verified), Ok(at % 3 == 2));
        assert_eq!(fold.segments(), (at as u64 + 1) / 3);
    }
    assert!(fold.is_whole());
}

#[test]
fn each_part_is_cut_in_its_own_way() {
    let grid = &HONEST.grid;
    for cuts in [[Cut::Split; 3], [Cut::Fused, Cut::Split, Cut::Fused]] {
        let files = grid.files(&cuts);
        let policy = policy_of(&grid.provers, &files);
        let chain = fold(&files, &policy).unwrap();
        let honest = fold(&HONEST.files, &HONEST.policy).unwrap();
        let states = |chain: &VerifiedChain| {
            let statement = chain.statement();
            (statement.first_state(), statement.last_state())
        };
        assert_eq!(states(&chain), states(&honest));
        // The lookup proof of another group's pairs.
        let exchanged = files[1].clone().with_lookup(files[4].lookup().cloned());
        assert!(matches!(
            verify_segment(&exchanged, &policy),
            Err(VerifyError::CutMismatch { .. })
        ));
    }
}

#[test]
fn the_parts_of_a_chain_are_all_there_in_their_order() {
    let Honest { files, policy, .. } = &*HONEST;
    let refused = |files: &[SegmentFile]| match fold(files, policy) {
        Err(error) => error,
        other => panic!("{other:?}"),
    };
    for at in 0..files.len() {
        let mut missing = files.clone();
        missing.remove(at);
        let mut doubled = files.clone();
        doubled.insert(at, files[at].clone());
        for files in [missing, doubled] {
            assert!(matches!(
                refused(&files),
                FoldError::Chain(ChainError::GroupOrder { .. } | ChainError::PartsMissing { .. })
            ));
        }
    }
    let mut exchanged = files.clone();
    exchanged.swap(1, 4);
    assert!(matches!(
        refused(&exchanged),
        FoldError::Chain(ChainError::OtherSegment {
            segment: 0,
            group: 1,
            field: "steps"
        })
    ));
    assert!(matches!(
        refused(&files[..3]),
        FoldError::Policy(PolicyMismatch::ChainSteps { .. })
    ));
    assert!(matches!(
        refused(&files[3..]),
        FoldError::Policy(PolicyMismatch::FirstState { .. })
    ));
}

/// What no honest prover asks for is refused with its reason.
#[test]
fn parts_need_the_streams_of_their_place() {
    let grid = &HONEST.grid;
    let stream = grid.parts[0][0].stream_out.as_deref();
    for (group, part) in grid.parts[0].iter().enumerate() {
        let own = part.input(Cut::Fused);
        for (which, changed) in [
            (
                "in",
                ModelInput {
                    stream_in: stream.filter(|_| own.stream_in.is_none()),
                    ..part.input(Cut::Fused)
                },
            ),
            (
                "out",
                ModelInput {
                    stream_out: stream.filter(|_| own.stream_out.is_none()),
                    ..part.input(Cut::Fused)
                },
            ),
        ] {
            let error = grid.provers[group].prove_model(&changed).unwrap_err();
            assert!(
                matches!(
                    error,
                    ProveError::Statement(StatementError::GroupStream { which: got, group: of, .. })
                        if (got, usize::from(of)) == (which, group)
                ),
                "{group} {which}: {error}"
            );
        }
    }
    let weights = PortCommitment::of_groups(
        &grid
            .provers
            .iter()
            .map(|prover| prover.model().unwrap().commitment())
            .collect::<Vec<_>>(),
    );
    for prover in &grid.provers {
        assert_eq!(prover.terms().decoder.unwrap().weights, weights);
    }
}
