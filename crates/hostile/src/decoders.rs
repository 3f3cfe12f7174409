//! Decoders in whose name a proof of attention alone is offered.
use matchmark_quant::{
    AttentionShape, HiddenSize, Layers, MlpSize, ModelArithmetic, ModelShape, ModelShifts,
    QuantizationPolicy, Rounding, StepRange, VocabularySize,
};
use matchmark_statement::{
    AcceptancePolicyParts, DecoderTerms, ModelCommitment, ModelId, ModelIdentity, PolicyCircuit,
    PromptLength, ProofPart, SegmentBoundary, SegmentShape, SegmentStatementParts, TokenCut,
    TokenId,
};

/// Decoders of one layer with the attention of these segments: one, and others that differ from it in
/// one field each.
pub fn decoders(shape: &SegmentShape, quantization: &QuantizationPolicy) -> Vec<DecoderTerms> {
    let model_shape = |attention: AttentionShape, mlp: u32| {
        ModelShape::new(
            Layers::new(1).unwrap(),
            HiddenSize::new(8).unwrap(),
            attention,
            MlpSize::new(mlp).unwrap(),
            VocabularySize::new(16).unwrap(),
            shape.capacity(),
        )
        .unwrap()
    };
    let arithmetic = |gate: u8| {
        let shifts = ModelShifts {
            rotary_input: 5,
            value: 5,
            stream: 5,
            embedding: 3,
            gate,
            up: 5,
            gated: 5,
            rotation: 12,
            norm: 12,
        };
        let (bits, step) = (quantization.value_bits(), quantization.score_step());
        ModelArithmetic::new(bits, shifts, 1, 2, step, 1).unwrap()
    };
    let first = DecoderTerms {
        shape: model_shape(shape.attention(), 8),
        arithmetic: arithmetic(5),
        weights: ModelCommitment::from_bytes([0x5a; 32]),
        prompt: PromptLength::new(1).unwrap(),
    };
    vec![
        first,
        DecoderTerms {
            shape: model_shape(shape.attention(), 9),
            ..first
        },
        DecoderTerms {
            arithmetic: arithmetic(6),
            ..first
        },
        DecoderTerms {
            weights: ModelCommitment::from_bytes([0; 32]),
            ..first
        },
        DecoderTerms {
            prompt: PromptLength::new(2).unwrap(),
            ..first
        },
    ]
}

fn model(decoder: &DecoderTerms) -> ModelIdentity {
    ModelIdentity::Weights(ModelId::from_bytes(decoder.weights.to_bytes()))
}

fn quantization(of: &QuantizationPolicy) -> QuantizationPolicy {
    QuantizationPolicy::new(of.value_bits(), of.score_step(), None)
}

fn from_the_first(steps: StepRange) -> StepRange {
    StepRange::new(0, u32::try_from(steps.steps()).unwrap()).unwrap()
}

/// The statement of the same public values and states as that of a decoder, its first segment.
pub fn stated(base: &SegmentStatementParts, decoder: DecoderTerms) -> SegmentStatementParts {
    let mut parts = base.clone();
    parts.model = model(&decoder);
    parts.quantization = quantization(&parts.quantization);
    parts.rounding = Rounding::NearestTiesUp;
    parts.steps = from_the_first(parts.steps);
    parts.boundary = SegmentBoundary::Fused;
    parts.decoder = Some(decoder);
    parts.tokens = Some(TokenCut {
        first: TokenId::new(1),
        next: TokenId::new(2),
    });
    parts
}

/// The policy of such a statement, with the circuits there are under the decoder's name.
pub fn asked(base: &AcceptancePolicyParts, decoder: DecoderTerms) -> AcceptancePolicyParts {
    let mut parts = base.clone();
    parts.model = model(&decoder);
    parts.quantization = quantization(&parts.quantization);
    parts.rounding = Rounding::NearestTiesUp;
    parts.steps = from_the_first(parts.steps);
    parts.decoder = Some(decoder);
    parts.circuits = renamed(parts.circuits);
    parts
}

/// The circuits of attention as if they were a decoder's.
pub fn renamed(circuits: Vec<PolicyCircuit>) -> Vec<PolicyCircuit> {
    circuits
        .into_iter()
        .filter(|circuit| circuit.part != ProofPart::Lookup)
        .map(|circuit| PolicyCircuit {
            part: ProofPart::Decoder,
            ..circuit
        })
        .collect()
}
