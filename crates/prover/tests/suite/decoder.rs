//! Segments of a small decoder, proven and verified, and what must not pass.
use std::sync::Arc;

use matchmark_models::{
    execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel,
    ModelState,
};
use matchmark_prover::{ModelChain, ModelInput, ProvenSegment, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelShape,
    QueryHeads, SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::{
    AcceptancePolicy, Boundary, ChainAccumulator, Profile, PromptLength, Security, SecurityLevel,
    VerifierDomain,
};
use matchmark_verifier::{verify_segment, SegmentFile};

/// Two layers, grouped heads, nothing of a size that is a power of two but the cache.
pub fn model() -> Arc<IntegerModel> {
    model_of(5)
}

/// A model of that shape, with other weights for each seed.
pub fn model_of(seed: u64) -> Arc<IntegerModel> {
    let shape = ModelShape::new(
        Layers::new(2).unwrap(),
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

/// What is decided about the chain.
pub fn decisions() -> ModelChain {
    ModelChain {
        domain: VerifierDomain::new("decoder", [3; 16]).unwrap(),
        security: Security::new(SecurityLevel::Insecure13, Profile::Compact)
            .or_else(|_| Security::new(SecurityLevel::Insecure13, Profile::Fast))
            .unwrap(),
        capacity: CacheCapacity::new(8).unwrap(),
        segment_steps: SegmentSteps::new(4).unwrap(),
        prompt: PromptLength::new(3).unwrap(),
    }
}

fn prover(model: &Arc<IntegerModel>) -> SegmentProver {
    SegmentProver::for_model(decisions(), model.clone()).unwrap()
}

/// A prompt of three tokens, then five of the model's own choice: segments of 4, 3 and 1.
pub fn chain(prover: &SegmentProver) -> Vec<ProvenSegment> {
    let model = prover.model().unwrap().model().clone();
    let mut state = ModelState::empty(&model);
    let mut committed = prover.state(state.cache().clone()).unwrap();
    let mut next = synthetic_tokens(model.shape(), 3, 1);
    let mut segments = vec![];
    for length in [4, 3, 1] {
        // One token at a time, as each depends on the one before.
        let mut tokens = vec![];
        let mut running = state.clone();
        while tokens.len() < length {
            if next.is_empty() {
                let (execution, _) = execute_model(&model, &state, &tokens).unwrap();
                next.push(*execution.choices.last().unwrap());
            }
            tokens.push(next.remove(0));
            running = execute_model(&model, &state, &tokens).unwrap().1;
        }
        let (execution, after) = execute_model(&model, &state, &tokens).unwrap();
        assert_eq!(after.position(), running.position());
        let after_committed = prover.state(after.cache().clone()).unwrap();
        let input = ModelInput {
            execution: &execution,
            before: &committed,
            after: &after_committed,
        };
        segments.push(prover.prove_model(&input).unwrap());
        next = vec![*execution.choices.last().unwrap()];
        state = after;
        committed = after_committed;
    }
    segments
}

fn policy(prover: &SegmentProver, files: &[&SegmentFile]) -> AcceptancePolicy {
    let statements: Vec<_> = files.iter().map(|file| file.statement().clone()).collect();
    let mut chain = ChainAccumulator::start(&statements[0]);
    for statement in &statements[1..] {
        chain.push(statement).unwrap();
    }
    let mut circuits = vec![];
    for steps in [1, 3, 4] {
        circuits.extend(prover.circuits(Boundary::Fused, steps).unwrap());
    }
    let chain = chain.finish();
    let tokens = files
        .iter()
        .filter_map(|file| file.public_values().tokens());
    let given = tokens.flat_map(|tokens| tokens.consumed().to_vec());
    let prompt = chain.terms().decoder.unwrap().prompt.get();
    let given = given.take(prompt as usize).collect();
    AcceptancePolicy::accepting(&chain, given, circuits).unwrap()
}

#[test]
fn a_decoder_is_proven_from_tokens_to_tokens() {
    let prover = prover(&model());
    let segments = chain(&prover);
    let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
    let policy = policy(&prover, &files);
    for segment in &segments {
        let file = SegmentFile::decode(&segment.file.encode().unwrap()).unwrap();
        let verified = verify_segment(&file, &policy);
        assert!(verified.is_ok(), "{:?}", verified.err());
    }
}
