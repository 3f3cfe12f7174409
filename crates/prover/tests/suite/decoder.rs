//! Segments of a small decoder, proven and verified, and what must not pass.
use std::sync::Arc;

use matchmark_graph::{LayerGroups, ModelShape};
use matchmark_models::{
    execute_model, synthetic_arithmetic, synthetic_model, synthetic_tokens, IntegerModel,
    ModelState,
};
use matchmark_prover::{ModelChain, ModelInput, ProvenSegment, SegmentProver};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, QueryHeads,
    SegmentSteps, ValueBits, VocabularySize,
};
use matchmark_statement::{
    AcceptancePolicy, ChainStatement, Cut, LookupStatement, PolicyMismatch, Port, Profile,
    PromptLength, ProofPart, Security, SecurityLevel, VerifierDomain,
};
use matchmark_verifier::{verify_segment, LookupFile, SegmentFile, VerifyError};

/// Two layers, grouped heads, nothing of a size that is a power of two but the cache.
pub fn model() -> Arc<IntegerModel> {
    model_of(5)
}

/// A model of that shape, with other weights for each seed.
pub fn model_of(seed: u64) -> Arc<IntegerModel> {
    model_of_positions(seed, 16, 9)
}

/// The same for so many positions and values of this width.
pub fn model_of_positions(seed: u64, positions: u32, bits: u8) -> Arc<IntegerModel> {
    model_with([positions, bits.into()], seed, false)
}

/// The same, whose queries, keys and values have biases or not.
fn model_with([positions, bits]: [u32; 2], seed: u64, biases: bool) -> Arc<IntegerModel> {
    model_sized([12, 20, positions, bits, 24], seed, biases)
}

/// The same with so many tokens.
fn model_of_vocabulary(tokens: u32) -> Arc<IntegerModel> {
    model_sized([12, 20, 16, 9, tokens], 5, false)
}

fn model_sized(
    [hidden, mlp, positions, bits, vocabulary]: [u32; 5],
    seed: u64,
    biases: bool,
) -> Arc<IntegerModel> {
    let shape = ModelShape::new(
        Layers::new(2).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        AttentionShape::new(
            QueryHeads::new(4).unwrap(),
            KvHeads::new(2).unwrap(),
            HeadDim::new(6).unwrap(),
        )
        .unwrap(),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    )
    .unwrap()
    .with_attention_bias(biases);
    let bits = ValueBits::new(u8::try_from(bits).unwrap()).unwrap();
    let arithmetic = synthetic_arithmetic(shape, bits).unwrap();
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
        groups: LayerGroups::ONE,
    }
}

fn prover(model: &Arc<IntegerModel>) -> SegmentProver {
    SegmentProver::for_model(decisions(), model.clone()).unwrap()
}

/// A prompt of three tokens, then five of the model's own choice: segments of 4, 3 and 1, cut in these ways.
pub fn chain(prover: &SegmentProver, cuts: [Cut; 3]) -> Vec<ProvenSegment> {
    let model = prover.model().unwrap().model().clone();
    let mut state = ModelState::initial(&model);
    let mut committed = prover.state(state.cache().clone()).unwrap();
    let mut next = synthetic_tokens(model.shape(), 3, 1);
    let mut segments = vec![];
    for (length, cut) in [4, 3, 1].into_iter().zip(cuts) {
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
            stream_in: None,
            stream_out: None,
            cut,
        };
        segments.push(prover.prove_model(&input).unwrap());
        next = vec![*execution.choices.last().unwrap()];
        state = after;
        committed = after_committed;
    }
    segments
}

/// The policy for these segments, each of which has a length of its own.
pub fn policy(prover: &SegmentProver, files: &[&SegmentFile]) -> AcceptancePolicy {
    let statements: Vec<_> = files.iter().map(|file| file.statement().clone()).collect();
    let mut circuits = vec![];
    for file in files {
        let statement = file.statement();
        let (cut, steps) = (statement.cut().kind(), statement.steps().steps());
        circuits.extend(prover.circuits(cut, steps).unwrap());
    }
    let chain = ChainStatement::of(&statements).unwrap();
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
    for (biases, cuts) in [
        (false, [Cut::Fused; 3]),
        (false, [Cut::Split; 3]),
        (true, [Cut::Split, Cut::Fused, Cut::Split]),
    ] {
        let prover = prover(&model_with([16, 9], 5, biases));
        let segments = chain(&prover, cuts);
        let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
        let policy = policy(&prover, &files);
        for (segment, cut) in segments.iter().zip(cuts) {
            let parts: Vec<_> = segment.metrics.proofs.iter().map(|it| it.part).collect();
            assert_eq!(parts, cut.parts());
            let file = SegmentFile::decode(&segment.file.encode().unwrap()).unwrap();
            let verified = verify_segment(&file, &policy);
            assert!(verified.is_ok(), "{:?}", verified.err());
        }
    }
}

/// Tokens of the vocabulary stand side by side where they are so many that the choice would be the tallest component.
#[test]
fn a_choice_among_many_tokens_is_proven() {
    // Three lanes, the first of which has no token in its first row.
    let prover = prover(&model_of_vocabulary(16_400));
    let lanes = prover.layout_of_steps(4).unwrap();
    assert_eq!(lanes.decoder().unwrap().argmax_lanes(), 3);
    let segments = chain(&prover, [Cut::Fused, Cut::Split, Cut::Fused]);
    let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
    let policy = policy(&prover, &files);
    for file in files {
        let verified = verify_segment(file, &policy);
        assert!(verified.is_ok(), "{:?}", verified.err());
    }
}

/// Channels of the stream and steps of the gates stand side by side in long segments of a large model; in a shorter one
/// of them, too, where most of the lanes have no step.
#[test]
fn lanes_of_stream_and_gates_are_proven() {
    let model = model_sized([480, 600, 128, 9, 24], 5, false);
    let decisions = ModelChain {
        capacity: CacheCapacity::new(114).unwrap(),
        segment_steps: SegmentSteps::new(114).unwrap(),
        ..decisions()
    };
    let prover = SegmentProver::for_model(decisions, model).unwrap();
    let layout = prover.layout_of_steps(4).unwrap();
    let decoder = layout.decoder().unwrap();
    let lanes = [
        decoder.stream_lanes(),
        decoder.gated_lanes(),
        decoder.gated_missing(),
    ];
    assert_eq!(lanes, [3, 3, 2]);
    let segments = chain(&prover, [Cut::Fused, Cut::Split, Cut::Fused]);
    let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
    let policy = policy(&prover, &files);
    for file in files {
        let verified = verify_segment(file, &policy);
        assert!(verified.is_ok(), "{:?}", verified.err());
    }
}

/// A proof about a model with biases is none about one that has the same weights without.
#[test]
fn biases_are_part_of_the_function() {
    let prover = prover(&model_with([16, 9], 5, true));
    let segment = chain(&prover, [Cut::Fused; 3]).remove(0);
    let own = policy(&prover, &[&segment.file]);
    let mut parts = own.parts();
    let decoder = parts.terms.decoder.as_mut().unwrap();
    decoder.shape = decoder.shape.with_attention_bias(false);
    let other = AcceptancePolicy::new(parts).unwrap();
    assert!(verify_segment(&segment.file, &own).is_ok());
    assert!(matches!(
        verify_segment(&segment.file, &other).unwrap_err(),
        VerifyError::Policy(PolicyMismatch::ModelShape { .. })
    ));
}

#[test]
fn how_a_decoder_is_cut_changes_neither_its_tokens_nor_its_states() {
    let prover = prover(&model());
    let [fused, split] = Cut::ALL.map(|cut| chain(&prover, [cut; 3]));
    for (fused, split) in fused.iter().zip(&split) {
        assert_eq!(fused.file.public_values(), split.file.public_values());
        let [mut fused, split] = [fused, split].map(|it| it.file.statement().parts());
        assert_ne!(fused.cut, split.cut);
        fused.cut = split.cut;
        assert_eq!(fused, split);
    }
}

#[test]
fn the_two_proofs_of_a_split_decoder_go_with_each_other_alone() {
    let prover = prover(&model());
    let segments = chain(&prover, [Cut::Split; 3]);
    let files: Vec<_> = segments.iter().map(|segment| &segment.file).collect();
    let policy = policy(&prover, &files);
    let refusal = |file: &SegmentFile| verify_segment(file, &policy).unwrap_err();
    let file = files[0];
    assert_eq!(
        refusal(&file.clone().with_lookup(None)),
        VerifyError::LookupProofMissing
    );
    // The lookup proof of other pairs.
    let other = file.clone().with_lookup(files[1].lookup().cloned());
    assert!(matches!(refusal(&other), VerifyError::CutMismatch { .. }));
    // In this segment's name.
    let proof = files[1].lookup().unwrap().proof().to_vec();
    let statement = LookupStatement::new(file.statement().clone()).unwrap();
    let lookup = LookupFile::new(statement, proof);
    let other = file.clone().with_lookup(Some(lookup));
    assert!(matches!(
        refusal(&other),
        VerifyError::PortNotOpened {
            port: Port::Pairs,
            part: ProofPart::Lookup,
            ..
        }
    ));
    // Fused segments are not asked for.
    let fused = &chain(&prover, [Cut::Fused; 3])[0].file;
    assert!(matches!(
        refusal(fused),
        VerifyError::Policy(PolicyMismatch::Cut {
            expected: Cut::Split,
            got: Cut::Fused
        })
    ));
}
