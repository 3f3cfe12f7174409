//! Decoders in whose name a proof of attention alone is offered, and what can be changed about a
//! decoder's own terms.
use matchmark_graph::{ArithmeticId, ArithmeticTerms, ModelShape};
use matchmark_quant::{
    AttentionShape, HiddenSize, Layers, MlpSize, QuantizationPolicy, Rounding, StepRange,
    VocabularySize,
};
use matchmark_statement::{
    AcceptancePolicyParts, DecoderTerms, LayerGroups, ModelId, ModelIdentity, PolicyCircuit,
    PortCommitment, PromptLength, ProofPart, SegmentShape, SegmentStatementParts, TokenEnds,
    TokenId,
};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::Value;

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
    let arithmetic = |nodes: u8| {
        let (bits, step) = (quantization.value_bits(), quantization.score_step());
        ArithmeticTerms::new(bits, 12, step, ArithmeticId::from_bytes([nodes; 32])).unwrap()
    };
    let first = DecoderTerms {
        shape: model_shape(shape.attention(), 8),
        arithmetic: arithmetic(5),
        weights: PortCommitment::from_bytes([0x5a; 32]),
        groups: LayerGroups::ONE,
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
            weights: PortCommitment::from_bytes([0; 32]),
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
    parts.terms.model = model(&decoder);
    parts.terms.quantization = quantization(&parts.terms.quantization);
    parts.terms.rounding = Rounding::NearestTiesUp;
    parts.steps = from_the_first(parts.steps);
    parts.terms.decoder = Some(decoder);
    parts.tokens = Some(TokenEnds {
        first: TokenId::new(1),
        next: TokenId::new(2),
    });
    parts
}

/// The policy of such a statement, with the circuits that there are.
pub fn asked(base: &AcceptancePolicyParts, decoder: DecoderTerms) -> AcceptancePolicyParts {
    let mut parts = base.clone();
    parts.terms.model = model(&decoder);
    parts.terms.quantization = quantization(&parts.terms.quantization);
    parts.terms.rounding = Rounding::NearestTiesUp;
    parts.steps = from_the_first(parts.steps);
    parts.terms.decoder = Some(decoder);
    parts.answer_tokens = parts.generated_tokens();
    parts
}

/// The circuits as if the segments were cut in the other way.
pub fn recut(circuits: &[PolicyCircuit]) -> Vec<PolicyCircuit> {
    let other = |circuit: &PolicyCircuit| {
        let parts: &[ProofPart] = match circuit.part {
            ProofPart::Whole => &[ProofPart::Arithmetic, ProofPart::Lookup],
            ProofPart::Arithmetic => &[ProofPart::Whole],
            ProofPart::Lookup => &[],
        };
        let circuit = *circuit;
        parts.iter().map(move |part| PolicyCircuit {
            part: *part,
            ..circuit
        })
    };
    circuits.iter().flat_map(other).collect()
}

/// Terms that differ from these in one thing each, by the name of what is changed: every number that they
/// are written with, the identity of the nodes' constants, and the commitment to the weights. A new kind of term does not compile until it is
/// changed here.
pub fn changed_terms(base: &DecoderTerms) -> Vec<(String, DecoderTerms)> {
    let DecoderTerms {
        shape,
        arithmetic,
        weights,
        groups: _,
        prompt,
    } = *base;
    let mut out = vec![];
    for (which, byte, mask) in [(1, 0, 1), (2, 31, 0x80), (3, 13, 0xff), (4, 20, 0x10)] {
        let changed = |mut bytes: [u8; 32]| {
            bytes[byte] ^= mask;
            bytes
        };
        let weights = PortCommitment::from_bytes(changed(weights.to_bytes()));
        out.push((
            format!("weights {which}"),
            DecoderTerms { weights, ..*base },
        ));
        let nodes = ArithmeticId::from_bytes(changed(arithmetic.identity().to_bytes()));
        let arithmetic = ArithmeticTerms::new(
            arithmetic.value_bits(),
            arithmetic.rotation_shift(),
            arithmetic.score_step(),
            nodes,
        );
        let arithmetic = arithmetic.unwrap();
        let terms = DecoderTerms {
            arithmetic,
            ..*base
        };
        out.push((format!("nodes {which}"), terms));
    }
    let mut add = |name: &str, terms: Vec<(String, DecoderTerms)>| {
        let named = |(field, it)| (format!("{name}{field}"), it);
        out.extend(terms.into_iter().map(named));
    };
    let with = |prompt| DecoderTerms { prompt, ..*base };
    add("prompt", changed_fields(&prompt, with));
    let with = |shape| DecoderTerms { shape, ..*base };
    add("shape", changed_fields(&shape, with));
    let with = |arithmetic| DecoderTerms {
        arithmetic,
        ..*base
    };
    add("arithmetic", changed_fields(&arithmetic, with));
    out
}

/// Values that are written with one other number or one other answer, wherever another makes a value at all.
fn changed_fields<T: Serialize + DeserializeOwned, U>(
    base: &T,
    with: impl Fn(T) -> U,
) -> Vec<(String, U)> {
    let written = serde_json::to_value(base).unwrap();
    let mut paths = vec![];
    fields(&written, String::new(), &mut paths);
    let mut out = vec![];
    for path in paths {
        let own = written.pointer(&path).unwrap();
        let others: Vec<Value> = match own.as_u64() {
            None => vec![(!own.as_bool().unwrap()).into()],
            // By two and by its double: dimensions are even, and heads come in groups.
            Some(number) => [
                Some(number + 1),
                number.checked_sub(1),
                Some(number + 2),
                Some(2 * number),
            ]
            .into_iter()
            .flatten()
            .map(Value::from)
            .collect(),
        };
        let changed = others.into_iter().filter_map(|other| {
            let mut written = written.clone();
            *written.pointer_mut(&path)? = other.clone();
            let value = serde_json::from_value(written).ok()?;
            (other != *own).then(|| (format!("{path} {other}"), with(value)))
        });
        let changed: Vec<_> = changed.collect();
        assert!(!changed.is_empty(), "nothing else stands at {path}");
        out.extend(changed);
    }
    out
}

/// The places of all numbers, and of all that is true or false.
fn fields(value: &Value, path: String, out: &mut Vec<String>) {
    match value {
        Value::Number(_) | Value::Bool(_) => out.push(path),
        Value::Object(all) => {
            for (name, value) in all {
                fields(value, format!("{path}/{name}"), out);
            }
        }
        // The identity of the nodes, which is changed by its bytes.
        Value::String(_) if path == "/identity" => {}
        other => unreachable!("{path} is {other}"),
    }
}

/// The statement with other terms of its decoder, and with what the terms of the attention have to be
/// for that, where they can be.
pub fn restate(base: &SegmentStatementParts, decoder: DecoderTerms) -> SegmentStatementParts {
    let mut parts = base.clone();
    parts.terms.decoder = Some(decoder);
    (parts.terms.shape, parts.terms.quantization) = around(&parts.terms.shape, &decoder);
    parts
}

/// The same of a policy.
pub fn ask(base: &AcceptancePolicyParts, decoder: DecoderTerms) -> AcceptancePolicyParts {
    let mut parts = base.clone();
    parts.terms.decoder = Some(decoder);
    (parts.terms.shape, parts.terms.quantization) = around(&parts.terms.shape, &decoder);
    parts.answer_tokens = parts.generated_tokens();
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
