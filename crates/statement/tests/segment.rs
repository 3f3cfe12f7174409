//! Statements: every field is bound, and every byte of the encoding.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use std::collections::{BTreeSet, HashSet};

use common::{base, segment, shape, statement, variations};
use matchmark_quant::{QuantError, ScoreStep, StepRange, TableBounds};
use matchmark_statement::{
    codec, BoundaryCommitment, CodecError, ModelId, ModelIdentity, SegmentBoundary,
    SegmentStatement, StatementError, StatementVersion, VerifierDomain, MAX_STATEMENT_LEN,
};
use proptest::prelude::*;

#[test]
fn every_field_changes_the_digest() {
    let original = statement(base());
    let mut digests = HashSet::from([original.digest()]);
    let mut fields = BTreeSet::new();
    for (field, parts) in variations(&base()) {
        let changed = statement(parts.clone());
        assert!(digests.insert(changed.digest()), "{field}");
        assert_ne!(changed.encode(), original.encode(), "{field}");
        // What is changed is also what comes back.
        assert_eq!(
            SegmentStatement::decode(&changed.encode()).unwrap().parts(),
            parts
        );
        fields.insert(field);
    }
    assert_eq!(fields, BTreeSet::from(common::FIELDS));
}

#[test]
fn another_statement_version_is_refused() {
    for version in [0, 1, 3, 0x0100, u16::MAX] {
        let got = StatementVersion::new(version);
        let refusal = StatementError::UnsupportedVersion {
            expected: StatementVersion::CURRENT,
            got,
        };
        let mut parts = base();
        parts.version = got;
        assert_eq!(SegmentStatement::new(parts), Err(refusal.clone()));
        let mut bytes = statement(base()).encode();
        bytes[..2].copy_from_slice(&version.to_le_bytes());
        assert_eq!(SegmentStatement::decode(&bytes), Err(refusal));
    }
}

#[test]
fn fields_that_do_not_go_together_are_refused() {
    let mut parts = base();
    parts.steps = StepRange::new(0, 17).unwrap();
    assert_eq!(
        SegmentStatement::new(parts),
        Err(StatementError::StepsAboveSegment {
            expected: 16,
            got: 17
        })
    );
    let mut parts = base();
    parts.steps = StepRange::new(51, 16).unwrap();
    assert_eq!(
        SegmentStatement::new(parts),
        Err(StatementError::EntriesAboveCapacity {
            expected: 66,
            got: 67
        })
    );
    let mut parts = base();
    parts.table_bounds.max_weight = 1 << 23;
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(
            QuantError::AccumulatorTooLarge { .. }
        ))
    ));
    let mut parts = base();
    parts.table_bounds = TableBounds {
        len: 0,
        max_weight: 1,
    };
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(
            QuantError::ParameterOutOfRange { .. }
        ))
    ));
    // The bound is that of the full capacity, not of this segment's own end.
    let mut parts = segment(2, 1);
    parts.shape = shape(parts.shape.attention(), 1 << 12, 16);
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(
            QuantError::AccumulatorTooLarge { .. }
        ))
    ));
    let mut parts = base();
    parts.quantization = matchmark_quant::QuantizationPolicy::new(
        parts.quantization.value_bits(),
        ScoreStep::new(1 << 24).unwrap(),
        None,
    );
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(
            QuantError::AccumulatorTooLarge { .. }
        ))
    ));
}

#[test]
fn encoding_is_the_documented_concatenation() {
    let statement = statement(base());
    let bytes = statement.encode();
    let terms = codec::encode(&statement.shared_terms()).unwrap();
    assert_eq!(statement.encoded_terms(), terms);
    let mut expected = terms;
    expected.extend(18_u32.to_le_bytes());
    expected.extend(16_u32.to_le_bytes());
    expected.extend(statement.public_values().to_bytes());
    expected.extend(statement.state_before().to_bytes());
    expected.extend(statement.state_after().to_bytes());
    // Fused: the first variant, with nothing behind it.
    expected.extend([0; 4]);
    assert_eq!(bytes, expected);
}

/// The layout, pinned byte by byte: a change of it is a new statement version.
#[test]
fn encoding_is_pinned() {
    let bytes = statement(base()).encode();
    let rows: Vec<String> = bytes
        .chunks(32)
        .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    insta::assert_snapshot!("encoding", rows.join("\n"));
}

#[test]
fn no_statement_is_longer_than_the_limit() {
    let mut parts = base();
    parts.domain = VerifierDomain::new("x".repeat(64), [0; 16]).unwrap();
    parts.model = ModelIdentity::Weights(ModelId::from_bytes([0; 32]));
    parts.boundary = SegmentBoundary::Split(BoundaryCommitment::from_bytes([0; 32]));
    let bytes = statement(parts.clone()).encode();
    assert_eq!(bytes.len(), 402);
    assert!(bytes.len() <= MAX_STATEMENT_LEN);
    assert_eq!(SegmentStatement::decode(&bytes).unwrap().parts(), parts);
    assert_eq!(
        SegmentStatement::decode(&[&[2, 0], &[0; MAX_STATEMENT_LEN][..]].concat()),
        Err(StatementError::Codec(CodecError::TooLong {
            expected: MAX_STATEMENT_LEN,
            got: MAX_STATEMENT_LEN + 2
        }))
    );
}

#[test]
fn every_flipped_bit_is_refused_or_changes_the_digest() {
    let mut with_model = base();
    with_model.model = ModelIdentity::Weights(ModelId::from_bytes([9; 32]));
    for parts in [base(), with_model] {
        let original = statement(parts);
        let bytes = original.encode();
        let mut digests = HashSet::from([original.digest()]);
        let mut refused = 0;
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[index] ^= 1 << bit;
                match SegmentStatement::decode(&flipped) {
                    Ok(other) => {
                        assert_eq!(other.encode(), flipped);
                        assert!(digests.insert(other.digest()), "byte {index} bit {bit}");
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(refused > 0 && digests.len() > 1);
    }
}

#[test]
fn truncated_and_extended_encodings_are_refused() {
    let bytes = statement(base()).encode();
    for len in 0..bytes.len() {
        assert_eq!(
            SegmentStatement::decode(&bytes[..len]),
            Err(StatementError::Codec(CodecError::Truncated { got: len }))
        );
    }
    for extra in [0, 0xff] {
        let mut longer = bytes.clone();
        longer.push(extra);
        assert_eq!(
            SegmentStatement::decode(&longer),
            Err(StatementError::Codec(CodecError::TrailingBytes {
                expected: bytes.len(),
                got: bytes.len() + 1
            }))
        );
    }
}

#[test]
fn readable_form_is_no_canonical_form() {
    assert!(matches!(
        codec::encode(&statement(base())),
        Err(CodecError::Unencodable { .. })
    ));
}

#[test]
fn text_and_json_are_pinned() {
    let statement = statement(base());
    insta::assert_snapshot!("segment_text", statement);
    insta::assert_json_snapshot!("segment_json", statement);
    let mut parts = segment(65, 1);
    parts.model = ModelIdentity::Weights(ModelId::from_bytes([0x77; 32]));
    parts.quantization = common::quantization(12, 1, None);
    insta::assert_snapshot!("segment_text_with_model", common::statement(parts));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        splices in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let original = statement(base());
        let mut bytes = original.encode();
        for (index, value) in splices {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(other) = SegmentStatement::decode(&bytes) {
            prop_assert_eq!(&other.encode(), &bytes);
            prop_assert_eq!(other.digest() == original.digest(), bytes == original.encode());
        }
    }
}
