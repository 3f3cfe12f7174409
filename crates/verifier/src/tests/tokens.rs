//! Tokens that are not the statement's, or do not follow from each other, are refused before any proof is
//! read.

use alloc::vec;
use alloc::vec::Vec;

use matchmark_air::RELATION_DIGEST;
use matchmark_graph::{
    GatedArithmetic, Graph, MatrixArithmetic, ModelArithmetic, ModelArithmeticParts, ModelShape,
    NormArithmetic, RotaryArithmetic, UniformArithmetic, ValuesArithmetic,
};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize,
    QuantizationPolicy, QueryHeads, Rounding, ScoreStep, SegmentSteps, StepRange, TableBounds,
    ValueBits, VocabularySize,
};
use matchmark_statement::{
    AcceptancePolicy, AttentionValues, ChainStatement, DecoderTerms, FormError, LayerGroups,
    ModelId, ModelIdentity, PolicyCircuit, PortCommitment, PreprocessedRoot, Profile, PromptLength,
    ProofPart, PublicValues, RelationVersion, Security, SecurityLevel, SegmentCut, SegmentKind,
    SegmentShape, SegmentStatement, SegmentStatementParts, SharedTerms, StatementVersion, TableId,
    TokenEnds, TokenError, TokenId, TokenValues, VerifierDomain,
};
use stwo::core::vcs::blake2_hash::Blake2sHash;

use crate::structure::ProofStructure;
use crate::{verify_segment, SegmentFile, SegmentProof, VerifyError};

/// A Merkle digest: 26 bytes, then zeros.
const ROOT: PreprocessedRoot = {
    let mut bytes = [0; 32];
    let mut index = 0;
    while index < 26 {
        bytes[index] = 5;
        index += 1;
    }
    PreprocessedRoot::from_bytes(bytes)
};

fn attention() -> AttentionShape {
    AttentionShape::new(
        QueryHeads::new(2).unwrap(),
        KvHeads::new(1).unwrap(),
        HeadDim::new(4).unwrap(),
    )
    .unwrap()
}

/// One layer, 16 tokens, a prompt of two.
pub(super) fn decoder() -> DecoderTerms {
    let shape = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(8).unwrap(),
        attention(),
        MlpSize::new(8).unwrap(),
        VocabularySize::new(16).unwrap(),
        CacheCapacity::new(8).unwrap(),
    );
    let shape = shape.unwrap();
    DecoderTerms {
        shape,
        arithmetic: *nodes(&shape).terms(),
        weights: PortCommitment::from_bytes([3; 32]),
        groups: LayerGroups::ONE,
        prompt: PromptLength::new(2).unwrap(),
    }
}

/// The arithmetic of the decoder's nodes.
pub(super) fn nodes(shape: &ModelShape) -> ModelArithmetic {
    let constants = UniformArithmetic {
        matrix: MatrixArithmetic {
            row_norm: 1000,
            bias: 1000,
        },
        stream: (5, 3),
        norm: NormArithmetic {
            shift: 12,
            epsilon: 1,
        },
        rotary: RotaryArithmetic { query: 5, key: 5 },
        values: ValuesArithmetic { shift: 5 },
        gated: GatedArithmetic {
            gate: 5,
            up: 5,
            product: 9,
        },
    };
    let (bits, step) = (ValueBits::new(8), ScoreStep::new(5));
    let common = (bits.unwrap(), 12, step.unwrap());
    let graph = Graph::decoder(shape);
    let parts = ModelArithmeticParts::uniform(&graph, common, &constants);
    ModelArithmetic::new(parts).unwrap()
}

/// Four steps from the first on, with these public values.
fn statement(values: &PublicValues, [first, next]: [u32; 2]) -> SegmentStatement {
    let decoder = decoder();
    let arithmetic = &decoder.arithmetic;
    SegmentStatement::new(SegmentStatementParts {
        version: StatementVersion::CURRENT,
        terms: SharedTerms {
            relation_version: RelationVersion::CURRENT,
            relation_digest: RELATION_DIGEST,
            domain: VerifierDomain::new("tokens", [1; 16]).unwrap(),
            // Without nonces, so that zeros are a proof.
            security: Security::new(SecurityLevel::Insecure13, Profile::Compact).unwrap(),
            model: ModelIdentity::Weights(ModelId::from_bytes([2; 32])),
            quantization: QuantizationPolicy::new(
                arithmetic.value_bits(),
                arithmetic.score_step(),
                None,
            ),
            rounding: Rounding::NearestTiesUp,
            table: TableId::from_bytes([4; 32]),
            table_bounds: TableBounds {
                len: 256,
                max_weight: 4096,
            },
            shape: SegmentShape::new(
                attention(),
                CacheCapacity::new(8).unwrap(),
                SegmentSteps::new(4).unwrap(),
            )
            .unwrap(),
            decoder: Some(decoder),
        },
        steps: StepRange::new(0, 4).unwrap(),
        public_values: values.digest(),
        state_before: PortCommitment::from_bytes([6; 32]),
        state_after: PortCommitment::from_bytes([7; 32]),
        cut: SegmentCut::Fused,
        tokens: Some(TokenEnds {
            first: TokenId::new(first),
            next: TokenId::new(next),
        }),
        group: None,
    })
    .unwrap()
}

pub(super) fn tokens(consumed: [u32; 4], chosen: [u32; 4]) -> PublicValues {
    let [consumed, chosen] = [consumed, chosen].map(|it| it.map(TokenId::new).to_vec());
    TokenValues::new(&decoder().shape, 4, consumed, chosen)
        .unwrap()
        .into()
}

/// What the verifier says of these values under a statement that names them, and a policy that accepts
/// it.
pub(super) fn refusal(values: PublicValues, ends: [u32; 2]) -> VerifyError {
    refusal_of_proof(values, ends, vec![])
}

fn refusal_of_proof(values: PublicValues, ends: [u32; 2], proof: Vec<u8>) -> VerifyError {
    let statement = statement(&values, ends);
    let circuit = PolicyCircuit {
        steps: 4,
        group: 0,
        part: ProofPart::Whole,
        preprocessed_root: ROOT,
    };
    let chain = ChainStatement::of([&statement]).unwrap();
    let prompt = decoder().prompt.get() as usize;
    let consumed = values.tokens().map_or(&[][..], |it| it.consumed());
    let others = [TokenId::new(0); 4];
    let given = consumed.iter().chain(&others).take(prompt).copied();
    let policy = AcceptancePolicy::accepting(&chain, given.collect(), vec![circuit]).unwrap();
    assert_eq!(policy.check_segment(&statement), Ok(vec![ROOT]));
    verify_segment(&SegmentFile::new(statement, values, proof), &policy).unwrap_err()
}

/// What the verifier says of a proof that is all zeros but for the preprocessed root, and so opens other
/// weights than the statement names.
pub(super) fn other_weights() -> VerifyError {
    let (values, ends) = (tokens([1, 2, 8, 9], [7, 8, 9, 10]), [1, 10]);
    let statement = statement(&values, ends);
    let [structure] =
        <[_; 1]>::try_from(ProofStructure::of_statement(&statement).unwrap()).unwrap();
    let zeros = vec![0; 1 << 17];
    let left = match SegmentProof::decode(&zeros, &structure) {
        Err(VerifyError::TrailingBytes { got, .. }) => got,
        other => panic!("{other:?}"),
    };
    let mut proof = SegmentProof::decode(&zeros[left..], &structure).unwrap();
    proof.stark.commitments[0] = Blake2sHash(ROOT.to_bytes());
    refusal_of_proof(values, ends, proof.encode(&structure).unwrap())
}

#[test]
fn tokens_are_checked_against_statement_and_prompt() {
    let good = || tokens([1, 2, 8, 9], [7, 8, 9, 10]);
    // Nothing against the tokens: what is refused is the proof.
    assert!(!matches!(
        refusal(good(), [1, 10]),
        VerifyError::Tokens(_) | VerifyError::Policy(_) | VerifyError::PublicValuesMismatch { .. }
    ));
    let (expected, got) = (TokenId::new(3), TokenId::new(1));
    assert_eq!(
        refusal(good(), [3, 10]),
        VerifyError::Tokens(TokenError::First { expected, got })
    );
    let (expected, got) = (TokenId::new(3), TokenId::new(10));
    assert_eq!(
        refusal(good(), [1, 3]),
        VerifyError::Tokens(TokenError::Next { expected, got })
    );
    let (expected, got) = (TokenId::new(8), TokenId::new(3));
    assert_eq!(
        refusal(tokens([1, 2, 3, 9], [7, 8, 9, 10]), [1, 10]),
        VerifyError::Tokens(TokenError::NotChosen {
            position: 2,
            expected,
            got
        })
    );
}

#[test]
fn values_of_attention_are_no_tokens() {
    let decoder = decoder();
    let bits = decoder.arithmetic.value_bits();
    let (queries, keys) = (vec![0; 2 * 4 * 4], vec![0; 4 * 4]);
    let values = AttentionValues::new(
        attention(),
        bits,
        4,
        queries.clone(),
        keys.clone(),
        keys,
        queries,
    );
    assert_eq!(
        refusal(values.unwrap().into(), [1, 10]),
        VerifyError::Form(FormError::Kind {
            expected: SegmentKind::Decoder,
            got: SegmentKind::Attention
        })
    );
}

/// Tokens that were made in memory for a larger vocabulary, and that the statement names: one of them is
/// none of the model's.
#[test]
fn tokens_of_a_larger_vocabulary_are_refused() {
    let shape = decoder().shape;
    let larger = ModelShape::new(
        Layers::new(1).unwrap(),
        HiddenSize::new(8).unwrap(),
        shape.attention(),
        MlpSize::new(8).unwrap(),
        VocabularySize::new(32).unwrap(),
        shape.capacity(),
    );
    let [consumed, chosen] =
        [[1, 2, 8, 17], [7, 8, 17, 10]].map(|it| it.map(TokenId::new).to_vec());
    let values = TokenValues::new(&larger.unwrap(), 4, consumed, chosen);
    assert_eq!(
        refusal(values.unwrap().into(), [1, 10]),
        VerifyError::Form(FormError::Vocabulary {
            expected: 16,
            got: 32
        })
    );
}

#[test]
fn files_of_decoders_read_back() {
    let values = tokens([1, 2, 8, 9], [7, 8, 9, 10]);
    let file = SegmentFile::new(statement(&values, [1, 10]), values, vec![1, 2, 3]);
    let bytes = file.encode().unwrap();
    let back = SegmentFile::decode(&bytes).unwrap();
    assert_eq!(back.statement(), file.statement());
    assert_eq!(back.public_values(), file.public_values());
    assert_eq!(back.encode().unwrap(), bytes);
    // The length of the public values is the statement's.
    let mut longer = bytes;
    longer[14] += 1;
    assert_eq!(
        SegmentFile::decode(&longer).map(|_| ()),
        Err(VerifyError::WrongLength {
            part: "public values",
            expected: 32,
            got: 33
        })
    );
}
