//! A fixed statement, and every way to change one field of it.

#![allow(dead_code, clippy::unwrap_used)]

use matchmark_graph::{ArithmeticId, ArithmeticTerms, ModelShape};
use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize,
    QuantizationPolicy, QueryHeads, Rounding, Scale, Scales, ScoreStep, SegmentSteps, StepRange,
    TableBounds, ValueBits, VocabularySize,
};
use matchmark_statement::{
    ChainError, ChainStatement, DecoderTerms, GroupFields, LayerGroups, ModelId, ModelIdentity,
    PortCommitment, Profile, PromptLength, PublicValuesDigest, RelationDigest, RelationVersion,
    Security, SecurityLevel, SegmentCut, SegmentShape, SegmentStatement, SegmentStatementParts,
    SharedTerms, StatementVersion, TableId, TokenEnds, TokenId, VerifierDomain,
};

/// A commitment that stands for the cache with `entries` entries.
pub fn state(entries: usize) -> PortCommitment {
    let mut bytes = [0x50; 32];
    bytes[..8].copy_from_slice(&(entries as u64).to_le_bytes());
    PortCommitment::from_bytes(bytes)
}

pub fn attention(query_heads: u32, kv_heads: u32, head_dim: u32) -> AttentionShape {
    AttentionShape::new(
        QueryHeads::new(query_heads).unwrap(),
        KvHeads::new(kv_heads).unwrap(),
        HeadDim::new(head_dim).unwrap(),
    )
    .unwrap()
}

pub fn shape(attention: AttentionShape, capacity: u32, segment_steps: u32) -> SegmentShape {
    SegmentShape::new(
        attention,
        CacheCapacity::new(capacity).unwrap(),
        SegmentSteps::new(segment_steps).unwrap(),
    )
    .unwrap()
}

pub fn security(level: SecurityLevel, profile: Profile) -> Security {
    Security::new(level, profile).unwrap()
}

pub fn quantization(bits: u8, step: u32, scales: Option<[f64; 3]>) -> QuantizationPolicy {
    QuantizationPolicy::new(
        ValueBits::new(bits).unwrap(),
        ScoreStep::new(step).unwrap(),
        scales.map(|[q, k, v]| Scales {
            q: Scale::new(q).unwrap(),
            k: Scale::new(k).unwrap(),
            v: Scale::new(v).unwrap(),
        }),
    )
}

/// Sizes of a decoder by name: layers, hidden, query heads, key/value heads, head dimension, MLP,
/// vocabulary, positions.
pub fn model_shape(sizes: [u32; 8]) -> ModelShape {
    let [layers, hidden, heads, kv_heads, dim, mlp, vocabulary, positions] = sizes;
    ModelShape::new(
        Layers::new(layers).unwrap(),
        HiddenSize::new(hidden).unwrap(),
        attention(heads, kv_heads, dim),
        MlpSize::new(mlp).unwrap(),
        VocabularySize::new(vocabulary).unwrap(),
        CacheCapacity::new(positions).unwrap(),
    )
    .unwrap()
}

/// Two layers with two query heads and one key/value head each.
pub const SIZES: [u32; 8] = [2, 48, 2, 1, 64, 96, 1000, 128];

/// Identity of the constants of the decoder's nodes.
pub const NODES: ArithmeticId = ArithmeticId::from_bytes([0x77; 32]);

pub fn arithmetic(bits: u8, step: u32, rotation: u8, nodes: ArithmeticId) -> ArithmeticTerms {
    let (bits, step) = (ValueBits::new(bits), ScoreStep::new(step));
    ArithmeticTerms::new(bits.unwrap(), rotation, step.unwrap(), nodes).unwrap()
}

/// The tokens that the decoder's chains are given.
pub fn given() -> Vec<TokenId> {
    [7, 0, 5, 5, 1].map(TokenId::new).to_vec()
}

pub fn prompt(tokens: u32) -> PromptLength {
    PromptLength::new(tokens).unwrap()
}

pub fn decoder() -> DecoderTerms {
    DecoderTerms {
        shape: model_shape(SIZES),
        arithmetic: arithmetic(11, 345, 13, NODES),
        weights: PortCommitment::from_bytes([0x88; 32]),
        groups: LayerGroups::ONE,
        prompt: prompt(5),
    }
}

/// A token that stands for the choice after `entries` steps, and for the first token given.
pub fn token(entries: usize) -> TokenId {
    TokenId::new(100 + u32::try_from(entries).unwrap())
}

/// A segment of a chain of a whole model that ends at 66 entries in segments of up to 16 steps.
pub fn decoder_segment(before: u32, steps: u32) -> SegmentStatementParts {
    let mut parts = segment(before, steps);
    parts.terms.model = ModelIdentity::Weights(ModelId::from_bytes([0x77; 32]));
    parts.terms.quantization = quantization(11, 345, None);
    parts.terms.decoder = Some(decoder());
    parts.tokens = Some(TokenEnds {
        first: token(parts.steps.entries_before()),
        next: token(parts.steps.entries_after()),
    });
    parts
}

/// [`decoder_segment`] with other terms of the decoder.
pub fn with_decoder(
    base: &SegmentStatementParts,
    change: impl FnOnce(&mut DecoderTerms),
) -> SegmentStatementParts {
    let mut parts = base.clone();
    change(parts.terms.decoder.as_mut().unwrap());
    parts
}

pub fn layer_groups(groups: u16) -> LayerGroups {
    LayerGroups::new(groups).unwrap()
}

/// A commitment that stands for the stream behind a group of layers in the segment after so many entries.
pub fn stream(entries: usize, behind: u16) -> PortCommitment {
    marked(0x60, entries, behind)
}

/// A commitment that stands for the cache of a group of layers with so many entries.
pub fn group_state(entries: usize, group: u16) -> PortCommitment {
    marked(0x70, entries, group)
}

/// A commitment that stands for the weights of a group of layers.
pub fn group_weights(group: u16) -> PortCommitment {
    marked(0x90, 0, group)
}

fn marked(byte: u8, number: usize, group: u16) -> PortCommitment {
    let mut bytes = [byte; 32];
    bytes[..8].copy_from_slice(&(number as u64).to_le_bytes());
    bytes[8..10].copy_from_slice(&group.to_le_bytes());
    PortCommitment::from_bytes(bytes)
}

/// What the part of a group of layers says besides, in the segment after so many entries.
pub fn group_fields(index: u16, groups: u16, entries: usize) -> GroupFields {
    GroupFields {
        index,
        weights: group_weights(index),
        stream_in: index.checked_sub(1).map(|before| stream(entries, before)),
        stream_out: (index + 1 < groups).then(|| stream(entries, index)),
    }
}

/// The part of a group of layers of a decoder of six layers, cut into so many groups, in a segment of a chain
/// like that of [`decoder_segment`].
pub fn part(groups: u16, index: u16, before: u32, steps: u32) -> SegmentStatementParts {
    let mut parts = with_decoder(&decoder_segment(before, steps), |it| {
        let mut sizes = SIZES;
        sizes[0] = 6;
        it.shape = model_shape(sizes);
        it.groups = layer_groups(groups);
        let weights: Vec<PortCommitment> = (0..groups).map(group_weights).collect();
        it.weights = PortCommitment::of_groups(&weights);
    });
    parts.terms.shape = shape(attention(12, 6, 64), 66, 16);
    let (before, after) = (parts.steps.entries_before(), parts.steps.entries_after());
    if groups > 1 {
        parts.group = Some(group_fields(index, groups, before));
    }
    parts.state_before = group_state(before, index);
    parts.state_after = group_state(after, index);
    parts
}

/// Groups of layers of [`grid`].
pub const GROUPS: u16 = 3;

/// Three segments of 16 steps, of three groups of layers each: part by part, segment by segment.
pub fn grid() -> Vec<SegmentStatementParts> {
    let parts = |before| (0..GROUPS).map(move |group| part(GROUPS, group, before, 16));
    [0, 16, 32].into_iter().flat_map(parts).collect()
}

/// Place of a part among those of [`grid`].
pub fn place(segment: usize, group: u16) -> usize {
    segment * usize::from(GROUPS) + usize::from(group)
}

pub fn join(parts: Vec<SegmentStatementParts>) -> Result<ChainStatement, ChainError> {
    let statements: Vec<SegmentStatement> = parts.into_iter().map(statement).collect();
    ChainStatement::of(&statements)
}

/// The same steps as attention alone, or as those of a decoder: whatever this one is not.
fn other_kind(base: &SegmentStatementParts) -> SegmentStatementParts {
    let range = base.steps;
    let narrow = |count| u32::try_from(count).unwrap();
    let (before, steps) = (narrow(range.entries_before()), narrow(range.steps()));
    match base.terms.decoder {
        None => decoder_segment(before, steps),
        Some(_) => segment(before, steps),
    }
}

/// Steps 16 to 31 of a chain of 64 steps behind 2 prefix entries.
pub fn base() -> SegmentStatementParts {
    segment(18, 16)
}

/// A segment of `steps` steps behind `before` entries, of a chain that ends at 66 entries in segments
/// of up to 16 steps.
pub fn segment(before: u32, steps: u32) -> SegmentStatementParts {
    let steps = StepRange::new(before, steps).unwrap();
    SegmentStatementParts {
        version: StatementVersion::CURRENT,
        terms: SharedTerms {
            relation_version: RelationVersion::CURRENT,
            relation_digest: RelationDigest::from_bytes([0x11; 32]),
            domain: VerifierDomain::new("example application", [0x22; 16]).unwrap(),
            security: Security::default(),
            model: ModelIdentity::TraceOnly,
            quantization: quantization(8, 345, Some([0.03125, 0.0625, 0.1])),
            rounding: Rounding::NearestTiesUp,
            table: TableId::from_bytes([0x33; 32]),
            table_bounds: TableBounds {
                len: 256,
                max_weight: 4096,
            },
            shape: shape(attention(4, 2, 64), 66, 16),
            decoder: None,
        },
        steps,
        public_values: PublicValuesDigest::from_bytes([0x44; 32]),
        state_before: state(steps.entries_before()),
        state_after: state(steps.entries_after()),
        cut: SegmentCut::Fused,
        tokens: None,
        group: None,
    }
}

pub fn statement(parts: SegmentStatementParts) -> SegmentStatement {
    SegmentStatement::new(parts).unwrap()
}

/// Every statement that differs from `base` in one field only, several to a field, by the field's name.
/// Where fields must agree (a decoder's shape with that of its segments, say) they differ together, by
/// the name of the first.
///
/// The version is missing: there is one, and any other is refused (tested by itself).
pub fn variations(base: &SegmentStatementParts) -> Vec<(&'static str, SegmentStatementParts)> {
    // Exhaustive on purpose: a new field does not compile until it is varied below.
    let SegmentStatementParts {
        version: _,
        terms,
        steps: _,
        public_values,
        state_before,
        state_after,
        cut,
        tokens,
        group: _, // Only where the decoder is cut: see below, and `groups.rs`.
    } = base.clone();
    let SharedTerms {
        relation_version,
        relation_digest,
        domain,
        security: _,
        model: _,
        quantization: _,
        rounding: _,
        table,
        table_bounds,
        shape: _,
        decoder,
    } = terms;
    let mut out = Vec::new();
    macro_rules! vary {
        (@terms $field:ident: $($value:expr),+ $(,)?) => {
            let terms = |value| SharedTerms { $field: value, ..base.terms.clone() };
            $(vary!(terms: @$field terms($value));)+
        };
        ($place:ident: @$field:ident $value:expr) => {
            let mut parts = base.clone();
            parts.$place = $value;
            assert_ne!(&parts, base, "{} is not varied", stringify!($field));
            out.push((stringify!($field), parts));
        };
        ($field:ident: $($value:expr),+ $(,)?) => {$(vary!($field: @$field $value);)+};
    }
    // Every byte of a digest, by one bit and by all.
    macro_rules! vary_digest {
        ($(@$of:ident)? $field:ident, $name:ident) => {
            for index in 0..32 {
                for mask in [0x01, 0x80, 0xff] {
                    let mut bytes = $field.to_bytes();
                    bytes[index] ^= mask;
                    vary!($(@$of)? $field: $name::from_bytes(bytes));
                }
            }
        };
    }
    vary!(@terms relation_version:
        RelationVersion::new(relation_version.get() + 1),
        RelationVersion::new(0),
        RelationVersion::new(u16::MAX));
    vary_digest!(@terms relation_digest, RelationDigest);
    let name = domain.application().to_owned();
    vary!(@terms domain:
        VerifierDomain::new(format!("{name}."), *domain.nonce()).unwrap(),
        VerifierDomain::new(&name[1..], *domain.nonce()).unwrap(),
        VerifierDomain::new(name.to_uppercase(), *domain.nonce()).unwrap(),
        VerifierDomain::new(name.clone(), [0; 16]).unwrap());
    for index in 0..16 {
        let mut nonce = *domain.nonce();
        nonce[index] ^= 1;
        vary!(@terms domain: VerifierDomain::new(name.clone(), nonce).unwrap());
    }
    vary!(@terms security:
        security(SecurityLevel::Conjectured100, Profile::Fast),
        security(SecurityLevel::Proven100, Profile::Fast),
        security(SecurityLevel::Proven100, Profile::Fastest),
        security(SecurityLevel::Proven100Unique, Profile::Compact),
        security(SecurityLevel::Insecure13, Profile::Compact));
    // The other kind is fused: a split segment would differ from it in its cut as well.
    if cut == SegmentCut::Fused {
        out.push(("model", other_kind(base)));
    }
    if decoder.is_some() {
        for byte in [0, 1, 0x76, 0xff] {
            vary!(@terms model: ModelIdentity::Weights(ModelId::from_bytes([byte; 32])));
        }
        // Width and step are those of the arithmetic.
        for (bits, step) in [(10, 345), (12, 345), (11, 344), (11, 346)] {
            let mut parts = with_decoder(base, |it| {
                it.arithmetic = arithmetic(bits, step, 13, NODES);
            });
            parts.terms.quantization = quantization(bits, step, None);
            out.push(("quantization", parts));
        }
    } else {
        vary!(@terms quantization:
        quantization(7, 345, Some([0.03125, 0.0625, 0.1])),
        quantization(9, 345, Some([0.03125, 0.0625, 0.1])),
        quantization(8, 344, Some([0.03125, 0.0625, 0.1])),
        quantization(8, 345, None),
        quantization(8, 345, Some([0.03126, 0.0625, 0.1])),
        quantization(8, 345, Some([0.03125, 0.0626, 0.1])),
        quantization(8, 345, Some([0.03125, 0.0625, 0.2])),
        quantization(8, 345, Some([0.0625, 0.03125, 0.1])));
        // The smallest change of a scale that there is.
        vary!(@terms quantization:
        quantization(8, 345, Some([0.03125, 0.0625, f64::from_bits(0.1_f64.to_bits() + 1)])));
        vary!(@terms rounding: Rounding::Floor);
    }
    vary_digest!(@terms table, TableId);
    vary!(@terms table_bounds:
        TableBounds { len: table_bounds.len + 1, ..table_bounds },
        TableBounds { len: table_bounds.len - 1, ..table_bounds },
        TableBounds { max_weight: table_bounds.max_weight + 1, ..table_bounds },
        TableBounds { max_weight: table_bounds.max_weight - 1, ..table_bounds });
    if let Some(decoder) = decoder {
        vary!(@terms shape:
            shape(attention(4, 2, 64), 67, 16),
            shape(attention(4, 2, 64), 65, 16),
            shape(attention(4, 2, 64), 66, 17),
            shape(attention(4, 2, 64), 66, 66));
        // The attention is that of all layers.
        for (index, size) in [(0, 4), (2, 4), (3, 2), (4, 32)] {
            let mut sizes = SIZES;
            sizes[index] = size;
            let mut parts = with_decoder(base, |it| it.shape = model_shape(sizes));
            let all_layers = parts.terms.decoder.unwrap().shape.all_layers_attention();
            parts.terms.shape = shape(all_layers, 66, 16);
            out.push(("shape", parts));
        }
        for sizes in [
            [1, 48, 4, 2, 64, 96, 1000, 128],
            [2, 47, 2, 1, 64, 96, 1000, 128],
            [2, 48, 2, 1, 64, 95, 1000, 128],
            [2, 48, 2, 1, 64, 96, 999, 128],
            [2, 48, 2, 1, 64, 96, 1001, 128],
            [2, 48, 2, 1, 64, 96, 1000, 127],
            [2, 48, 2, 1, 64, 96, 1000, 129],
        ] {
            let parts = with_decoder(base, |it| it.shape = model_shape(sizes));
            out.push(("decoder.shape", parts));
        }
        for rotation in [1, 12, 14] {
            let parts = with_decoder(base, |it| {
                it.arithmetic = arithmetic(11, 345, rotation, NODES);
            });
            out.push(("decoder.arithmetic", parts));
        }
        for index in 0..32 {
            let mut bytes = NODES.to_bytes();
            bytes[index] ^= 1 << (index % 8);
            let parts = with_decoder(base, |it| {
                it.arithmetic = arithmetic(11, 345, 13, ArithmeticId::from_bytes(bytes));
            });
            out.push(("decoder.arithmetic", parts));
        }
        for index in 0..32 {
            let mut bytes = decoder.weights.to_bytes();
            bytes[index] ^= 1 << (index % 8);
            let parts = with_decoder(base, |it| {
                it.weights = PortCommitment::from_bytes(bytes);
            });
            out.push(("decoder.weights", parts));
        }
        for groups in [2, 1] {
            if decoder.groups.get() == groups {
                continue;
            }
            // Only a part of a cut decoder says of which group it is.
            let mut parts = with_decoder(base, |it| it.groups = layer_groups(groups));
            parts.group = (groups > 1).then(|| group_fields(0, groups, 0));
            out.push(("decoder.groups", parts));
        }
        for tokens in [1, 4, 6, 66] {
            let parts = with_decoder(base, |it| it.prompt = prompt(tokens));
            out.push(("decoder.prompt", parts));
        }
    } else {
        vary!(@terms shape:
        shape(attention(8, 2, 64), 66, 16),
        shape(attention(4, 4, 64), 66, 16),
        shape(attention(4, 1, 64), 66, 16),
        shape(attention(4, 2, 32), 66, 16),
        shape(attention(4, 2, 64), 67, 16),
        shape(attention(4, 2, 64), 65, 16),
        shape(attention(4, 2, 64), 66, 17));
    }
    vary!(steps:
        StepRange::new(17, 16).unwrap(),
        StepRange::new(19, 16).unwrap(),
        StepRange::new(18, 15).unwrap(),
        StepRange::new(19, 15).unwrap());
    vary_digest!(public_values, PublicValuesDigest);
    vary_digest!(state_before, PortCommitment);
    vary_digest!(state_after, PortCommitment);
    if let Some(TokenEnds { first, next }) = tokens {
        let ends = |first, next| Some(TokenEnds { first, next });
        let last = TokenId::new(999);
        vary!(tokens:
            ends(next, first),
            ends(TokenId::new(0), next),
            ends(last, next),
            ends(first, TokenId::new(0)),
            ends(first, last),
            ends(first, TokenId::new(next.get() + 1)));
    } else {
        vary!(cut:
        SegmentCut::Split(PortCommitment::from_bytes([0; 32])),
        SegmentCut::Split(PortCommitment::from_bytes([1; 32])),
        SegmentCut::Split(PortCommitment::from_bytes(state_before.to_bytes())),
        SegmentCut::Split(PortCommitment::from_bytes(state_after.to_bytes())));
    }
    out
}

/// The names of all fields that [`variations`] changes in a segment of attention alone. In a split one
/// the model stays.
pub const FIELDS: [&str; 15] = [
    "relation_version",
    "relation_digest",
    "domain",
    "security",
    "model",
    "quantization",
    "rounding",
    "table",
    "table_bounds",
    "shape",
    "steps",
    "public_values",
    "state_before",
    "state_after",
    "cut",
];

/// The names of all fields that [`variations`] changes in a segment of a decoder.
pub const DECODER_FIELDS: [&str; 19] = [
    "relation_version",
    "relation_digest",
    "domain",
    "security",
    "model",
    "quantization",
    "table",
    "table_bounds",
    "shape",
    "decoder.shape",
    "decoder.arithmetic",
    "decoder.weights",
    "decoder.groups",
    "decoder.prompt",
    "steps",
    "public_values",
    "state_before",
    "state_after",
    "tokens",
];
