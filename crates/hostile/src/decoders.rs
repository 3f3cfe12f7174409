//! Decoders in whose name a proof of attention alone is offered, and what can be changed about a
//! decoder's own terms.
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelArithmetic,
    ModelShape, ModelShifts, QuantizationPolicy, QueryHeads, Rounding, ScoreStep, StepRange,
    ValueBits, VocabularySize,
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

/// Terms that differ from these in one thing each, by the name of what is changed. The lists are taken
/// apart exhaustively: a new term does not compile until it is changed here.
pub fn changed_terms(base: &DecoderTerms) -> Vec<(String, DecoderTerms)> {
    let DecoderTerms {
        shape,
        arithmetic,
        weights,
        prompt,
    } = *base;
    let mut out = vec![];
    for (which, byte, mask) in [(1, 0, 1), (2, 31, 0x80), (3, 13, 0xff), (4, 20, 0x10)] {
        let mut bytes = weights.to_bytes();
        bytes[byte] ^= mask;
        let weights = ModelCommitment::from_bytes(bytes);
        out.push((
            format!("weights {which}"),
            DecoderTerms { weights, ..*base },
        ));
    }
    for other in [1, 2, prompt.get() - 1, prompt.get() + 1, PromptLength::MAX] {
        if let (Ok(other), true) = (PromptLength::new(other), other != prompt.get()) {
            let terms = DecoderTerms {
                prompt: other,
                ..*base
            };
            out.push((format!("prompt of {other}"), terms));
        }
    }
    for (name, shape) in changed_shapes(&shape) {
        out.push((
            format!("{name} of the model"),
            DecoderTerms { shape, ..*base },
        ));
    }
    for (name, arithmetic) in changed_arithmetic(&arithmetic) {
        let terms = DecoderTerms {
            arithmetic,
            ..*base
        };
        out.push((name, terms));
    }
    out
}

fn changed_shapes(base: &ModelShape) -> Vec<(&'static str, ModelShape)> {
    let attention = base.attention();
    let sizes = [
        ("layers", base.layers()),
        ("hidden size", base.hidden()),
        ("query heads", attention.query_heads()),
        ("head dimension", attention.head_dim()),
        ("MLP", base.mlp()),
        ("vocabulary", base.vocabulary()),
        ("positions", base.positions()),
    ];
    let changed = sizes.iter().enumerate().filter_map(|(index, (name, own))| {
        let mut sizes = sizes.map(|(_, size)| u32::try_from(size).unwrap());
        // Heads stay a multiple of the key/value heads, and dimensions even.
        sizes[index] += match *name {
            "query heads" => u32::try_from(*own).unwrap(),
            "head dimension" => 2,
            _ => 1,
        };
        let [layers, hidden, heads, dim, mlp, vocabulary, positions] = sizes;
        let kv_heads = KvHeads::new(u32::try_from(attention.kv_heads()).unwrap()).ok()?;
        let attention = AttentionShape::new(
            QueryHeads::new(heads).ok()?,
            kv_heads,
            HeadDim::new(dim).ok()?,
        );
        let shape = ModelShape::new(
            Layers::new(layers).ok()?,
            HiddenSize::new(hidden).ok()?,
            attention.ok()?,
            MlpSize::new(mlp).ok()?,
            VocabularySize::new(vocabulary).ok()?,
            CacheCapacity::new(positions).ok()?,
        );
        Some((*name, shape.ok()?))
    });
    changed.collect()
}

fn changed_arithmetic(base: &ModelArithmetic) -> Vec<(String, ModelArithmetic)> {
    let ModelShifts {
        rotary_input,
        value,
        stream,
        embedding,
        gate,
        up,
        gated,
        rotation,
        norm,
    } = base.shifts();
    let shifts = [
        rotary_input,
        value,
        stream,
        embedding,
        gate,
        up,
        gated,
        rotation,
        norm,
    ];
    let constants = [
        base.value_bits().get().into(),
        base.norm_epsilon(),
        base.embedding_epsilon(),
        base.score_step().get(),
        base.weight_exponent().into(),
    ];
    let of = |shifts: [u8; 9], constants: [u32; 5]| {
        let [rotary_input, value, stream, embedding, gate, up, gated, rotation, norm] = shifts;
        let shifts = ModelShifts {
            rotary_input,
            value,
            stream,
            embedding,
            gate,
            up,
            gated,
            rotation,
            norm,
        };
        let [bits, norm_epsilon, embedding_epsilon, step, exponent] = constants;
        ModelArithmetic::new(
            ValueBits::new(u8::try_from(bits).ok()?).ok()?,
            shifts,
            norm_epsilon,
            embedding_epsilon,
            ScoreStep::new(step).ok()?,
            u8::try_from(exponent).ok()?,
        )
        .ok()
    };
    assert_eq!(of(shifts, constants), Some(*base), "taken apart rightly");
    let mut out = vec![];
    for up in [true, false] {
        let sign = if up { "more" } else { "less" };
        for index in 0..shifts.len() {
            let mut shifts = shifts;
            let shift = &mut shifts[index];
            *shift = if up { *shift + 1 } else { *shift - 1 };
            let arithmetic = of(shifts, constants);
            out.extend(arithmetic.map(|it| (format!("shift {index}, one {sign}"), it)));
        }
        for index in 0..constants.len() {
            let mut constants = constants;
            let constant = &mut constants[index];
            *constant = if up { *constant + 1 } else { *constant - 1 };
            let arithmetic = of(shifts, constants);
            out.extend(arithmetic.map(|it| (format!("constant {index}, one {sign}"), it)));
        }
    }
    out
}

/// The statement with other terms of its decoder, and with what the terms of the attention have to be
/// for that, where they can be.
pub fn restate(base: &SegmentStatementParts, decoder: DecoderTerms) -> SegmentStatementParts {
    let mut parts = base.clone();
    parts.decoder = Some(decoder);
    (parts.shape, parts.quantization) = around(&parts.shape, &decoder);
    parts
}

/// The same of a policy.
pub fn ask(base: &AcceptancePolicyParts, decoder: DecoderTerms) -> AcceptancePolicyParts {
    let mut parts = base.clone();
    parts.decoder = Some(decoder);
    (parts.shape, parts.quantization) = around(&parts.shape, &decoder);
    parts
}

fn around(shape: &SegmentShape, decoder: &DecoderTerms) -> (SegmentShape, QuantizationPolicy) {
    let arithmetic = &decoder.arithmetic;
    let shape = SegmentShape::new(
        decoder.shape.all_layers_attention(),
        shape.capacity(),
        shape.segment_steps(),
    );
    let quantization = (arithmetic.value_bits(), arithmetic.score_step());
    let quantization = QuantizationPolicy::new(quantization.0, quantization.1, None);
    (shape.unwrap(), quantization)
}
