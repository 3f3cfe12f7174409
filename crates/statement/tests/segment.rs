//! Statements: every field is bound, and every byte of the encoding.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use std::collections::{BTreeSet, HashSet};

use common::{
    attention, base, decoder, decoder_segment, model_shape, part, prompt, segment, shape,
    statement, token, variations,
};
use matchmark_quant::{
    CacheCapacity, QuantError, Rounding, ScoreStep, StepRange, TableBounds, ValueBits,
};
use matchmark_statement::{
    codec, CodecError, ModelId, ModelIdentity, Port, PortCommitment, SegmentCut, SegmentStatement,
    SegmentStatementParts, StatementError, StatementVersion, TokenId, VerifierDomain,
    MAX_STATEMENT_LEN,
};
use proptest::prelude::*;

#[test]
fn every_field_changes_the_digest() {
    fields_are_bound(&base(), &common::FIELDS);
    fields_are_bound(&decoder_segment(18, 16), &common::DECODER_FIELDS);
}

fn fields_are_bound(base: &SegmentStatementParts, expected: &[&str]) {
    let original = statement(base.clone());
    let mut digests = HashSet::from([original.digest()]);
    let mut fields = BTreeSet::new();
    for (field, parts) in variations(base) {
        let changed = statement(parts.clone());
        assert!(digests.insert(changed.digest()), "{field}");
        assert_ne!(changed.encode(), original.encode(), "{field}");
        assert_eq!(original.first_difference(&changed), Some(field));
        assert_eq!(changed.security(), parts.terms.security);
        assert_eq!(changed.rounding(), parts.terms.rounding);
        // What is changed is also what comes back.
        assert_eq!(
            SegmentStatement::decode(&changed.encode()).unwrap().parts(),
            parts
        );
        fields.insert(field);
    }
    assert_eq!(fields, expected.iter().copied().collect());
}

#[test]
fn another_statement_version_is_refused() {
    for version in [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 0x0100, u16::MAX] {
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
    parts.terms.table_bounds.max_weight = 1 << 23;
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(QuantError::TooManyEntries { .. }))
    ));
    let mut parts = base();
    parts.terms.table_bounds = TableBounds {
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
    parts.terms.shape = shape(parts.terms.shape.attention(), 1 << 14, 16);
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(QuantError::TooManyEntries { .. }))
    ));
    let mut parts = base();
    parts.terms.quantization = matchmark_quant::QuantizationPolicy::new(
        parts.terms.quantization.value_bits(),
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

/// A change of a decoder segment's fields, and the refusal that it meets.
type Refused = (fn(&mut SegmentStatementParts), StatementError);

#[test]
fn a_decoder_that_does_not_go_with_the_rest_is_refused() {
    let quantization = common::quantization(11, 345, None);
    let scales = common::quantization(11, 345, Some([1.0, 2.0, 3.0]));
    let beyond = TokenId::new(1000);
    let cases: [Refused; 17] = [
        (
            |it| it.terms.decoder = None,
            StatementError::DecoderMissing {
                got: ModelId::from_bytes([0x77; 32]),
            },
        ),
        (
            |it| it.terms.model = ModelIdentity::TraceOnly,
            StatementError::DecoderUnexpected {
                got: decoder().weights,
            },
        ),
        (
            |it| it.terms.shape = shape(attention(4, 4, 64), 66, 16),
            StatementError::DecoderAttention {
                expected: attention(4, 2, 64),
                got: attention(4, 4, 64),
            },
        ),
        (
            // The attention of one layer is not that of all.
            |it| it.terms.shape = shape(attention(2, 1, 64), 66, 16),
            StatementError::DecoderAttention {
                expected: attention(4, 2, 64),
                got: attention(2, 1, 64),
            },
        ),
        (
            |it| {
                it.terms.decoder.as_mut().unwrap().shape =
                    model_shape([3, 48, 2, 1, 64, 96, 1000, 128])
            },
            StatementError::DecoderAttention {
                expected: attention(6, 3, 64),
                got: attention(4, 2, 64),
            },
        ),
        (
            |it| it.terms.quantization = common::quantization(10, 345, None),
            StatementError::DecoderValueBits {
                expected: quantization.value_bits(),
                got: ValueBits::new(10).unwrap(),
            },
        ),
        (
            |it| it.terms.quantization = common::quantization(11, 346, None),
            StatementError::DecoderScoreStep {
                expected: quantization.score_step(),
                got: ScoreStep::new(346).unwrap(),
            },
        ),
        (
            |it| it.terms.quantization = common::quantization(11, 345, Some([1.0, 2.0, 3.0])),
            StatementError::DecoderScales {
                got: scales.scales().unwrap(),
            },
        ),
        (
            |it| it.terms.rounding = Rounding::Floor,
            StatementError::DecoderRounding {
                expected: Rounding::NearestTiesUp,
                got: Rounding::Floor,
            },
        ),
        (
            |it| it.terms.shape = shape(attention(4, 2, 64), 129, 16),
            StatementError::CapacityAbovePositions {
                expected: CacheCapacity::new(128).unwrap(),
                got: CacheCapacity::new(129).unwrap(),
            },
        ),
        (
            |it| it.terms.decoder.as_mut().unwrap().prompt = prompt(67),
            StatementError::PromptAboveCapacity {
                expected: CacheCapacity::new(66).unwrap(),
                got: 67,
            },
        ),
        (|it| it.tokens = None, StatementError::TokensMissing),
        (
            |it| it.tokens.as_mut().unwrap().first = TokenId::new(1000),
            StatementError::TokenAboveVocabulary {
                which: "first",
                expected: 1000,
                got: beyond,
            },
        ),
        (
            |it| it.tokens.as_mut().unwrap().next = TokenId::new(1000),
            StatementError::TokenAboveVocabulary {
                which: "next",
                expected: 1000,
                got: beyond,
            },
        ),
        (
            |it| it.tokens.as_mut().unwrap().next = TokenId::new(u32::MAX),
            StatementError::TokenAboveVocabulary {
                which: "next",
                expected: 1000,
                got: TokenId::new(u32::MAX),
            },
        ),
        (
            |it| {
                it.terms.decoder.as_mut().unwrap().shape =
                    model_shape([2, 48, 2, 1, 64, 96, 118, 128])
            },
            StatementError::TokenAboveVocabulary {
                which: "first",
                expected: 118,
                got: token(18),
            },
        ),
        (
            |it| it.steps = StepRange::new(51, 16).unwrap(),
            StatementError::EntriesAboveCapacity {
                expected: 66,
                got: 67,
            },
        ),
    ];
    for (change, expected) in cases {
        let mut parts = decoder_segment(18, 16);
        change(&mut parts);
        assert_eq!(SegmentStatement::new(parts), Err(expected));
    }
    // A stream whose sums of squares could wrap around.
    let mut parts = decoder_segment(18, 16);
    parts.terms.decoder.as_mut().unwrap().shape = model_shape([2, 8192, 2, 1, 64, 96, 1000, 128]);
    assert!(matches!(
        SegmentStatement::new(parts),
        Err(StatementError::Quantity(
            QuantError::AccumulatorTooLarge { .. }
        ))
    ));
    // Capacity and prompt may be as large as they can be.
    let mut parts = decoder_segment(18, 16);
    parts.terms.shape = shape(attention(4, 2, 64), 128, 16);
    parts.terms.decoder.as_mut().unwrap().prompt = prompt(128);
    assert_eq!(
        statement(parts.clone()).decoder(),
        parts.terms.decoder.as_ref()
    );
    // Attention alone has neither tokens nor a decoder.
    let mut parts = base();
    parts.tokens = decoder_segment(18, 16).tokens;
    assert_eq!(
        SegmentStatement::new(parts.clone()),
        Err(StatementError::TokensUnexpected {
            got: parts.tokens.unwrap()
        })
    );
}

#[test]
fn encoding_is_the_documented_concatenation() {
    let statement = statement(base());
    let bytes = statement.encode();
    let terms = codec::encode(&(statement.version(), statement.terms())).unwrap();
    assert_eq!(statement.encoded_terms(), terms);
    let mut expected = terms;
    expected.extend(18_u32.to_le_bytes());
    expected.extend(16_u32.to_le_bytes());
    expected.extend(statement.public_values().to_bytes());
    expected.extend(statement.state_before().to_bytes());
    expected.extend(statement.state_after().to_bytes());
    // Fused: the first variant, with nothing behind it. No tokens, and no group of layers.
    expected.extend([0; 6]);
    assert_eq!(bytes, expected);
}

#[test]
fn encoding_of_a_decoder_is_the_documented_concatenation() {
    let statement = statement(decoder_segment(18, 16));
    let terms = statement.encoded_terms();
    let at = |from: usize, len: usize| &terms[terms.len() - 109 + from..][..len];
    assert_eq!(terms[terms.len() - 110], 1);
    let sizes: Vec<u8> = common::SIZES
        .iter()
        .flat_map(|size| size.to_le_bytes())
        .collect();
    assert_eq!(at(0, 32), sizes);
    // Without biases; width, shift of the rotation, score step, identity of the nodes.
    assert_eq!(at(32, 7), [0, 11, 13, 89, 1, 0, 0]);
    assert_eq!(at(39, 32), [0x77; 32]);
    assert_eq!(at(71, 32), [0x88; 32]);
    // In one group of layers.
    assert_eq!(at(103, 2), [1, 0]);
    assert_eq!(at(105, 4), [5, 0, 0, 0]);
    let mut own = Vec::new();
    own.extend(18_u32.to_le_bytes());
    own.extend(16_u32.to_le_bytes());
    own.extend(statement.public_values().to_bytes());
    own.extend(statement.state_before().to_bytes());
    own.extend(statement.state_after().to_bytes());
    own.extend([0, 0, 0, 0, 1, 118, 0, 0, 0, 134, 0, 0, 0, 0]);
    assert_eq!(statement.encode(), [terms, &own].concat());
}

/// The group of layers, where there are several, is the last field.
#[test]
fn encoding_of_a_part_is_the_documented_concatenation() {
    let statement = statement(part(3, 1, 18, 16));
    let mut own = vec![1, 1, 0];
    for port in [Port::Model, Port::StreamIn, Port::StreamOut] {
        if port != Port::Model {
            own.push(1);
        }
        own.extend(statement.port(port).unwrap().to_bytes());
    }
    assert!(statement.encode().ends_with(&own));
    let first = common::statement(part(3, 0, 18, 16));
    let mut own = vec![1, 0, 0];
    own.extend(first.port(Port::Model).unwrap().to_bytes());
    own.extend([0, 1]);
    own.extend(first.port(Port::StreamOut).unwrap().to_bytes());
    assert!(first.encode().ends_with(&own));
    // The terms are those of all parts.
    assert_eq!(statement.encoded_terms(), first.encoded_terms());
}

/// The layout, pinned byte by byte: a change of it is a new statement version.
#[test]
fn encoding_is_pinned() {
    for (name, parts) in [
        ("encoding", base()),
        ("decoder_encoding", decoder_segment(18, 16)),
        ("part_encoding", part(3, 1, 18, 16)),
    ] {
        let bytes = statement(parts).encode();
        let rows: Vec<String> = bytes
            .chunks(32)
            .map(|row| row.iter().map(|byte| format!("{byte:02x}")).collect())
            .collect();
        insta::assert_snapshot!(name, rows.join("\n"));
    }
}

#[test]
fn no_statement_is_longer_than_the_limit() {
    let domain = || VerifierDomain::new("x".repeat(64), [0; 16]).unwrap();
    // Scales and a second proof, or a decoder and a second proof: a decoder has no scales.
    let mut split = base();
    split.terms.domain = domain();
    split.cut = SegmentCut::Split(PortCommitment::from_bytes([0; 32]));
    let mut decoder = decoder_segment(18, 16);
    decoder.terms.domain = domain();
    let mut split_decoder = decoder.clone();
    split_decoder.cut = split.cut;
    let mut split_part = part(3, 1, 18, 16);
    split_part.terms.domain = domain();
    split_part.cut = split.cut;
    for (parts, expected) in [
        (split, 373),
        (decoder, 466),
        (split_decoder, 498),
        (split_part, 598),
    ] {
        let bytes = statement(parts.clone()).encode();
        assert_eq!(bytes.len(), expected);
        assert!(bytes.len() <= MAX_STATEMENT_LEN);
        assert_eq!(SegmentStatement::decode(&bytes).unwrap().parts(), parts);
    }
    assert_eq!(
        SegmentStatement::decode(&[&[9, 0], &[0; MAX_STATEMENT_LEN][..]].concat()),
        Err(StatementError::Codec(CodecError::TooLong {
            expected: MAX_STATEMENT_LEN,
            got: MAX_STATEMENT_LEN + 2
        }))
    );
}

#[test]
fn every_flipped_bit_is_refused_or_changes_the_digest() {
    for parts in [base(), decoder_segment(18, 16), part(3, 1, 18, 16)] {
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
    for parts in [base(), decoder_segment(18, 16), part(3, 1, 18, 16)] {
        let bytes = statement(parts).encode();
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
    let statement = common::statement(decoder_segment(65, 1));
    insta::assert_snapshot!("decoder_segment_text", statement);
    insta::assert_json_snapshot!("decoder_segment_json", statement);
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        splices in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
        decodes in any::<bool>(),
    ) {
        let parts = if decodes { decoder_segment(18, 16) } else { base() };
        let original = statement(parts);
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
