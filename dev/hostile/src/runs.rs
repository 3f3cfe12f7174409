//! Chains of eight one-step segments in memory: one, and others that differ from it in one thing.
use std::collections::BTreeSet;

use matchmark_composer::{ChainVerifier, ChainVerifyError};
use matchmark_models::{execute_model, ModelState};
use matchmark_prover::{ChainTerms, ModelChain, ModelInput, SegmentInput, SegmentProver};
use matchmark_quant::{CacheCapacity, SegmentSteps, StepRange};
use matchmark_runtime::{execute_segment, DecodeRules, KvCache, SegmentInputs};
use matchmark_statement::{
    AcceptancePolicy, ChainStatement, Cut, PolicyCircuit, Profile, Security, SecurityLevel,
    SegmentShape, VerifierDomain,
};
use matchmark_verifier::{SegmentFile, VerifiedChain};

use super::cases::{narrow, table};
use super::decoder::cases::{uneven, DecoderSpec};
use super::Rng;

/// Segments of a run.
pub const SEGMENTS: usize = 8;
/// Entries of the cache before the first step.
const PREFIX: u32 = 3;

/// A whole chain and the policy that accepts it.
pub struct Run {
    pub name: &'static str,
    pub policy: AcceptancePolicy,
    pub files: Vec<SegmentFile>,
}

/// In what a run differs from the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Other {
    Nothing,
    Inputs,
    Prefix,
    Table,
    Domain,
    Level,
    Cut,
}

/// The plain run first, then one for each thing in which a run can differ.
pub fn all() -> Vec<Run> {
    [
        ("plain", Other::Nothing),
        ("other inputs", Other::Inputs),
        ("other prefix", Other::Prefix),
        ("other table", Other::Table),
        ("other domain", Other::Domain),
        ("other level", Other::Level),
        ("split", Other::Cut),
    ]
    .map(|(name, other)| run(name, other))
    .into()
}

/// The plain run alone.
pub fn plain() -> Run {
    run("plain", Other::Nothing)
}

/// In what a decoder's run differs from the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherDecoder {
    Nothing,
    Tokens,
    Model,
    Prompt,
    Domain,
    Level,
}

/// The same of a decoder that is given three tokens and chooses the others.
pub fn all_of_decoder() -> Vec<Run> {
    [
        ("plain", OtherDecoder::Nothing),
        ("other tokens", OtherDecoder::Tokens),
        ("other model", OtherDecoder::Model),
        ("other prompt length", OtherDecoder::Prompt),
        ("other domain", OtherDecoder::Domain),
        ("other level", OtherDecoder::Level),
    ]
    .map(|(name, other)| decoder_run(name, other))
    .into()
}

/// The plain run of the decoder alone.
pub fn plain_of_decoder() -> Run {
    decoder_run("plain", OtherDecoder::Nothing)
}

fn decoder_run(name: &'static str, other: OtherDecoder) -> Run {
    let mut spec = DecoderSpec {
        capacity: SEGMENTS as u32,
        segment_steps: 1,
        entries_before: 0,
        steps: 1,
        ..uneven()
    };
    spec.seed += u64::from(other == OtherDecoder::Model);
    let (given, first) = match other {
        OtherDecoder::Prompt => (4, 1),
        OtherDecoder::Tokens => (3, 2),
        _ => (3, 1),
    };
    let mut chain = spec.chain(given);
    match other {
        OtherDecoder::Domain => chain.domain = VerifierDomain::new("another", [9; 16]).unwrap(),
        OtherDecoder::Level => {
            chain.security = Security::new(SecurityLevel::Conjectured100, Profile::Fast).unwrap();
        }
        OtherDecoder::Nothing
        | OtherDecoder::Tokens
        | OtherDecoder::Model
        | OtherDecoder::Prompt => {}
    }
    let given: Vec<u32> = (first..first + given).collect();
    greedy(name, &spec, chain, &given)
}

/// The whole chain of a decoder that is given these tokens.
pub fn greedy(name: &'static str, spec: &DecoderSpec, chain: ModelChain, given: &[u32]) -> Run {
    let steps = StepRange::new(0, chain.capacity.get()).unwrap();
    let lengths: Vec<usize> = steps
        .segments(chain.segment_steps)
        .map(|it| it.steps())
        .collect();
    let model = spec.model();
    let prover = SegmentProver::for_model(chain, model.clone()).unwrap();
    let mut state = ModelState::initial(&model);
    let mut before = prover.state(state.cache().clone()).unwrap();
    let (mut files, mut tokens, mut done) = (vec![], given.to_vec(), 0);
    for length in &lengths {
        // One token after the other, as each that is not given is the choice before it.
        while tokens.len() < done + length {
            let (execution, _) = execute_model(&model, &state, &tokens[done..]).unwrap();
            tokens.extend(execution.choices.last());
        }
        let consumed = &tokens[done..done + length];
        let (execution, next) = execute_model(&model, &state, consumed).unwrap();
        let after = prover.state(next.cache().clone()).unwrap();
        let input = ModelInput {
            execution: &execution,
            before: &before,
            after: &after,
            stream_in: None,
            stream_out: None,
            cut: Cut::Fused,
        };
        files.push(prover.prove_model(&input).unwrap().file);
        done += length;
        if tokens.len() == done {
            tokens.extend(execution.choices.last());
        }
        (state, before) = (next, after);
    }
    let circuits = BTreeSet::from_iter(lengths)
        .into_iter()
        .flat_map(|steps| prover.circuits(Cut::Fused, steps).unwrap());
    whole(name, files, circuits.collect())
}

fn terms(other: Other) -> ChainTerms {
    let terms = narrow().terms();
    let steps = SEGMENTS as u32;
    let shape = SegmentShape::new(
        terms.shape.attention(),
        CacheCapacity::new(PREFIX + steps).unwrap(),
        SegmentSteps::new(1).unwrap(),
    )
    .unwrap();
    let terms = terms.with(|it| it.shape = shape);
    match other {
        Other::Table => {
            let mut entries = terms.weight_table().entries().to_vec();
            let last = entries.len() - 1;
            entries[last] += 1;
            terms.with_table(table(&entries))
        }
        Other::Domain => {
            terms.with(|it| it.domain = VerifierDomain::new("another", [9; 16]).unwrap())
        }
        Other::Level => {
            let security = Security::new(SecurityLevel::Conjectured100, Profile::Fast);
            terms.with(|it| it.security = security.unwrap())
        }
        Other::Nothing | Other::Inputs | Other::Prefix | Other::Cut => terms,
    }
}

fn run(name: &'static str, other: Other) -> Run {
    let prover = SegmentProver::new(terms(other)).unwrap();
    let terms = prover.terms();
    let rules = DecodeRules {
        table: terms.weight_table().clone(),
        rounding: terms.rounding,
        score_step: terms.quantization.score_step(),
        value_bits: terms.quantization.value_bits(),
    };
    let attention = terms.shape.attention();
    let limit = i64::from(rules.value_bits.max_value());
    let (heads, groups, dim) = (
        attention.query_heads(),
        attention.kv_heads(),
        attention.head_dim(),
    );
    let values = |rng: &mut Rng, len: usize| -> Vec<i16> {
        (0..len).map(|_| rng.symmetric(limit) as i16).collect()
    };
    let cut = match other {
        Other::Cut => Cut::Split,
        _ => Cut::Fused,
    };
    let mut rng = Rng(if other == Other::Prefix { 2 } else { 1 });
    let prefix = groups * PREFIX as usize * dim;
    let (k, v) = (values(&mut rng, prefix), values(&mut rng, prefix));
    let cache = KvCache::from_tensors(attention, PREFIX as usize, &k, &v).unwrap();
    let mut rng = Rng(if other == Other::Inputs { 12 } else { 11 });
    let mut before = prover.state(cache).unwrap();
    let mut files = vec![];
    for segment in 0..SEGMENTS as u32 {
        let steps = StepRange::new(PREFIX + segment, 1).unwrap();
        let q = values(&mut rng, heads * dim);
        let (k, v) = (
            values(&mut rng, groups * dim),
            values(&mut rng, groups * dim),
        );
        let inputs = SegmentInputs::new(attention, rules.value_bits, steps, q, k, v).unwrap();
        let (execution, after) = execute_segment(before.cache(), &inputs, &rules).unwrap();
        let after = prover.state(after).unwrap();
        let input = SegmentInput {
            execution: &execution,
            before: &before,
            after: &after,
            cut,
        };
        files.push(prover.prove(&input).unwrap().file);
        before = after;
    }
    whole(name, files, prover.circuits(cut, 1).unwrap())
}

/// A run with the policy that accepts it.
pub fn whole(name: &'static str, files: Vec<SegmentFile>, circuits: Vec<PolicyCircuit>) -> Run {
    let chain = ChainStatement::of(files.iter().map(SegmentFile::statement)).unwrap();
    let prompt = chain.terms().decoder.map(|it| it.prompt.get());
    // All parts of a segment have the same.
    let of_segments = files.iter().filter(|it| it.statement().group_index() == 0);
    let consumed = of_segments.filter_map(|file| file.public_values().tokens());
    let given = consumed.flat_map(|tokens| tokens.consumed().to_vec());
    let given = given.take(prompt.unwrap_or(0) as usize).collect();
    let policy = AcceptancePolicy::accepting(&chain, given, circuits).unwrap();
    let run = Run {
        name,
        policy,
        files,
    };
    verify(&run.files, &run.policy).unwrap();
    run
}

/// Verifies segments as a whole chain.
pub fn verify<'a>(
    files: impl IntoIterator<Item = &'a SegmentFile>,
    policy: &AcceptancePolicy,
) -> Result<(), ChainVerifyError> {
    judge(files, policy).map(|_| ())
}

/// Verifies segments as a whole chain, and says what its answer is.
pub fn judge<'a>(
    files: impl IntoIterator<Item = &'a SegmentFile>,
    policy: &AcceptancePolicy,
) -> Result<VerifiedChain, ChainVerifyError> {
    let mut verifier = ChainVerifier::new(policy.clone());
    for file in files {
        verifier.push(file)?;
    }
    verifier.finish()
}
