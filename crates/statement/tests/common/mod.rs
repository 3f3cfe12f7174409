//! A fixed statement, and every way to change one field of it.

#![allow(dead_code, clippy::unwrap_used)]

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
    Scale, Scales, ScoreStep, SegmentSteps, StepRange, TableBounds, ValueBits,
};
use matchmark_statement::{
    BoundaryCommitment, ModelId, ModelIdentity, Profile, PublicValuesDigest, RelationDigest,
    RelationVersion, Security, SecurityLevel, SegmentBoundary, SegmentShape, SegmentStatement,
    SegmentStatementParts, StateCommitment, StatementVersion, TableId, VerifierDomain,
};

/// A commitment that stands for the cache with `entries` entries.
pub fn state(entries: usize) -> StateCommitment {
    let mut bytes = [0x50; 32];
    bytes[..8].copy_from_slice(&(entries as u64).to_le_bytes());
    StateCommitment::from_bytes(bytes)
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
        steps,
        public_values: PublicValuesDigest::from_bytes([0x44; 32]),
        state_before: state(steps.entries_before()),
        state_after: state(steps.entries_after()),
        boundary: SegmentBoundary::Fused,
    }
}

pub fn statement(parts: SegmentStatementParts) -> SegmentStatement {
    SegmentStatement::new(parts).unwrap()
}

/// Every statement that differs from `base` in one field only, several to a field, by the field's name.
///
/// The version is missing: there is one, and any other is refused (tested by itself).
pub fn variations(base: &SegmentStatementParts) -> Vec<(&'static str, SegmentStatementParts)> {
    // Exhaustive on purpose: a new field does not compile until it is varied below.
    let SegmentStatementParts {
        version: _,
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
        steps: _,
        public_values,
        state_before,
        state_after,
        boundary: _,
    } = base.clone();
    let mut out = Vec::new();
    macro_rules! vary {
        ($field:ident: $($value:expr),+ $(,)?) => {$(
            let mut parts = base.clone();
            parts.$field = $value;
            assert_ne!(&parts, base, "{} is not varied", stringify!($field));
            out.push((stringify!($field), parts));
        )+};
    }
    // Every byte of a digest, by one bit and by all.
    macro_rules! vary_digest {
        ($field:ident, $name:ident) => {
            for index in 0..32 {
                for mask in [0x01, 0x80, 0xff] {
                    let mut bytes = $field.to_bytes();
                    bytes[index] ^= mask;
                    vary!($field: $name::from_bytes(bytes));
                }
            }
        };
    }
    vary!(relation_version:
        RelationVersion::new(relation_version.get() + 1),
        RelationVersion::new(0),
        RelationVersion::new(u16::MAX));
    vary_digest!(relation_digest, RelationDigest);
    let name = domain.application().to_owned();
    vary!(domain:
        VerifierDomain::new(format!("{name}."), *domain.nonce()).unwrap(),
        VerifierDomain::new(&name[1..], *domain.nonce()).unwrap(),
        VerifierDomain::new(name.to_uppercase(), *domain.nonce()).unwrap(),
        VerifierDomain::new(name.clone(), [0; 16]).unwrap());
    for index in 0..16 {
        let mut nonce = *domain.nonce();
        nonce[index] ^= 1;
        vary!(domain: VerifierDomain::new(name.clone(), nonce).unwrap());
    }
    vary!(security:
        security(SecurityLevel::Conjectured100, Profile::Fast),
        security(SecurityLevel::Johnson100, Profile::Compact),
        security(SecurityLevel::Johnson100, Profile::Fast),
        security(SecurityLevel::Insecure13, Profile::Compact));
    vary!(model:
        ModelIdentity::Weights(ModelId::from_bytes([0; 32])),
        ModelIdentity::Weights(ModelId::from_bytes([1; 32])));
    vary!(quantization:
        quantization(7, 345, Some([0.03125, 0.0625, 0.1])),
        quantization(9, 345, Some([0.03125, 0.0625, 0.1])),
        quantization(8, 344, Some([0.03125, 0.0625, 0.1])),
        quantization(8, 345, None),
        quantization(8, 345, Some([0.03126, 0.0625, 0.1])),
        quantization(8, 345, Some([0.03125, 0.0626, 0.1])),
        quantization(8, 345, Some([0.03125, 0.0625, 0.2])),
        quantization(8, 345, Some([0.0625, 0.03125, 0.1])));
    // The smallest change of a scale that there is.
    vary!(quantization:
        quantization(8, 345, Some([0.03125, 0.0625, f64::from_bits(0.1_f64.to_bits() + 1)])));
    vary!(rounding: Rounding::Floor);
    vary_digest!(table, TableId);
    vary!(table_bounds:
        TableBounds { len: table_bounds.len + 1, ..table_bounds },
        TableBounds { len: table_bounds.len - 1, ..table_bounds },
        TableBounds { max_weight: table_bounds.max_weight + 1, ..table_bounds },
        TableBounds { max_weight: table_bounds.max_weight - 1, ..table_bounds });
    vary!(shape:
        shape(attention(8, 2, 64), 66, 16),
        shape(attention(4, 4, 64), 66, 16),
        shape(attention(4, 1, 64), 66, 16),
        shape(attention(4, 2, 32), 66, 16),
        shape(attention(4, 2, 64), 67, 16),
        shape(attention(4, 2, 64), 65, 16),
        shape(attention(4, 2, 64), 66, 17));
    vary!(steps:
        StepRange::new(17, 16).unwrap(),
        StepRange::new(19, 16).unwrap(),
        StepRange::new(18, 15).unwrap(),
        StepRange::new(19, 15).unwrap());
    vary_digest!(public_values, PublicValuesDigest);
    vary_digest!(state_before, StateCommitment);
    vary_digest!(state_after, StateCommitment);
    vary!(boundary:
        SegmentBoundary::Split(BoundaryCommitment::from_bytes([0; 32])),
        SegmentBoundary::Split(BoundaryCommitment::from_bytes([1; 32])),
        SegmentBoundary::Split(BoundaryCommitment::from_bytes(state_before.to_bytes())),
        SegmentBoundary::Split(BoundaryCommitment::from_bytes(state_after.to_bytes())));
    out
}

/// The names of all fields that [`variations`] changes.
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
    "boundary",
];
