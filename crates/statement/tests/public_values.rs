//! Public values of attention alone: lengths, ranges, encoding, digest.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod common;

use common::{attention, base, shape, statement};
use matchmark_quant::{AttentionShape, QuantError, StepRange, ValueBits};
use matchmark_statement::{
    AttentionValues, FormError, PublicValues, PublicValuesDigest, PublicValuesError, SegmentKind,
    TokenError,
};
use proptest::prelude::*;

fn bits(bits: u8) -> ValueBits {
    ValueBits::new(bits).unwrap()
}

/// Tensors with values that run through the whole range.
fn tensors(shape: &AttentionShape, width: ValueBits, steps: usize) -> [Vec<i16>; 4] {
    let max = width.max_value() as i16;
    let mut next = -max;
    let mut tensor = |heads: usize| -> Vec<i16> {
        (0..heads * steps * shape.head_dim())
            .map(|_| {
                let value = next;
                next = if next == max { -max } else { next + 1 };
                value
            })
            .collect()
    };
    [
        tensor(shape.query_heads()),
        tensor(shape.kv_heads()),
        tensor(shape.kv_heads()),
        tensor(shape.query_heads()),
    ]
}

fn values(shape: AttentionShape, width: ValueBits, steps: usize) -> AttentionValues {
    let [q, k, v, out] = tensors(&shape, width, steps);
    AttentionValues::new(shape, width, steps, q, k, v, out).unwrap()
}

#[test]
fn encoding_is_one_byte_up_to_8_bits_and_two_above() {
    let shape = attention(2, 1, 1);
    let tensors = |top: i16| (vec![1, -1], vec![top], vec![-top], vec![0, 5]);
    let (q, k, v, out) = tensors(127);
    let narrow = AttentionValues::new(shape, bits(8), 1, q, k, v, out).unwrap();
    assert_eq!(narrow.encode(), [1, 0xff, 0x7f, 0x81, 0, 5]);
    let (q, k, v, out) = tensors(255);
    let wide = AttentionValues::new(shape, bits(9), 1, q, k, v, out).unwrap();
    assert_eq!(
        wide.encode(),
        [1, 0, 0xff, 0xff, 0xff, 0, 1, 0xff, 0, 0, 5, 0]
    );
    assert_eq!((narrow.bits(), wide.bits()), (bits(8), bits(9)));
    assert_eq!((narrow.q(), narrow.k()), (&[1, -1][..], &[127][..]));
    assert_eq!((narrow.v(), narrow.out()), (&[-127][..], &[0, 5][..]));
}

#[test]
fn wrong_lengths_are_refused_by_name() {
    let shape = attention(4, 2, 3);
    for (index, tensor) in ["q", "k", "v", "out"].into_iter().enumerate() {
        for change in [-1_isize, 1] {
            let mut all = tensors(&shape, bits(8), 5);
            let expected = all[index].len();
            let got = expected.checked_add_signed(change).unwrap();
            all[index].resize(got, 0);
            let [q, k, v, out] = all;
            assert_eq!(
                AttentionValues::new(shape, bits(8), 5, q, k, v, out),
                Err(PublicValuesError::TensorLength {
                    tensor,
                    expected,
                    got
                })
            );
        }
    }
}

#[test]
fn values_outside_of_the_range_are_refused_by_name() {
    let shape = attention(2, 1, 2);
    for width in ValueBits::all() {
        let max = width.max_value();
        for (at, tensor) in ["q", "k", "v", "out"].into_iter().enumerate() {
            for bad in [max + 1, -max - 1] {
                let mut all = tensors(&shape, width, 1);
                all[at][1] = bad as i16;
                let [q, k, v, out] = all;
                let error = AttentionValues::new(shape, width, 1, q, k, v, out).unwrap_err();
                let PublicValuesError::Value {
                    tensor: got_tensor,
                    index,
                    source,
                } = error
                else {
                    panic!("{error}");
                };
                assert_eq!((got_tensor, index), (tensor, 1));
                let excluded = matches!(source, QuantError::ValueIsExcludedMinimum { .. });
                assert_eq!(excluded, bad < 0);
            }
        }
    }
}

#[test]
fn the_excluded_minimum_is_refused_from_bytes_too() {
    let shape = attention(1, 1, 1);
    let error = AttentionValues::decode(&[0, 0x80, 0, 0], shape, bits(8), 1).unwrap_err();
    assert!(matches!(
        error,
        PublicValuesError::Value {
            tensor: "k",
            index: 0,
            source: QuantError::ValueIsExcludedMinimum { got: -128, .. }
        }
    ));
    // At 9 bits two bytes, of which the high one must agree with the sign.
    let bytes = [0, 0, 0x80, 0x7f, 0, 0, 0, 0];
    assert!(matches!(
        AttentionValues::decode(&bytes, shape, bits(9), 1).unwrap_err(),
        PublicValuesError::Value {
            tensor: "k",
            source: QuantError::ValueOutOfRange { got: 0x7f80, .. },
            ..
        }
    ));
}

#[test]
fn encodings_of_another_length_are_refused() {
    let (shape, width) = (attention(2, 2, 4), bits(12));
    let bytes = values(shape, width, 3).encode();
    let expected = AttentionValues::encoded_len(&shape, width, 3);
    assert_eq!((bytes.len(), expected), (192, 192));
    let longer = [&bytes[..], &[0]].concat();
    for wrong in [&bytes[..191], &longer, &[]] {
        assert_eq!(
            AttentionValues::decode(wrong, shape, width, 3),
            Err(PublicValuesError::EncodedLength {
                expected,
                got: wrong.len()
            })
        );
    }
    for steps in [0, (1 << 20) + 1, usize::MAX] {
        assert_eq!(
            AttentionValues::decode(&bytes, shape, width, steps),
            Err(PublicValuesError::Steps {
                expected: 1 << 20,
                got: steps
            })
        );
    }
    // Too large to be anything's length, and no overflow.
    assert_eq!(
        AttentionValues::encoded_len(&attention(1024, 1024, 1024), width, usize::MAX),
        usize::MAX
    );
}

#[test]
fn digest_binds_shape_width_steps_and_every_value() {
    let original = values(attention(2, 2, 4), bits(8), 6);
    let digest = original.digest();
    let bytes = original.encode();
    // The same bytes under another reading: width 7 does not hold 127, so use small values.
    let small = vec![1_u8; bytes.len()];
    let readings = [
        (attention(2, 2, 4), bits(8), 6),
        (attention(2, 2, 4), bits(7), 6),
        (attention(2, 2, 6), bits(8), 4),
        (attention(2, 2, 24), bits(8), 1),
        (attention(4, 4, 4), bits(8), 3),
        (attention(3, 1, 4), bits(8), 6),
        (attention(1, 1, 4), bits(9), 6),
    ];
    let digests: std::collections::HashSet<PublicValuesDigest> = readings
        .into_iter()
        .map(|(shape, width, steps)| {
            AttentionValues::decode(&small, shape, width, steps)
                .or_else(|_| {
                    let small = [1_u8, 0].repeat(small.len() / 2);
                    AttentionValues::decode(&small, shape, width, steps)
                })
                .unwrap()
                .digest()
        })
        .collect();
    assert_eq!(digests.len(), readings.len());
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] = if changed[index] == 0 { 1 } else { 0 };
        let changed = AttentionValues::decode(&changed, attention(2, 2, 4), bits(8), 6).unwrap();
        assert_ne!(changed.digest(), digest, "{index}");
    }
}

#[test]
fn a_statement_accepts_its_own_values_only() {
    let (attention, width) = (attention(2, 1, 8), bits(8));
    let own = values(attention, width, 4);
    let mut parts = base();
    parts.terms.shape = shape(attention, 66, 16);
    parts.steps = StepRange::new(2, 4).unwrap();
    parts.public_values = own.digest();
    let statement = statement(parts);
    assert_eq!(
        statement.decode_public_values(&own.encode()),
        Ok(PublicValues::Attention(own.clone()))
    );
    assert_eq!(statement.public_values_len(), own.encode().len());
    let values = PublicValues::from(own.clone());
    assert_eq!((values.kind(), values.steps()), (SegmentKind::Attention, 4));
    assert_eq!((values.attention(), values.tokens()), (Some(&own), None));
    assert_eq!(values.digest(), own.digest());
    // Of tokens there is nothing to check but that these are none.
    assert_eq!(statement.check_tokens(&values), Ok(()));
    assert_eq!(statement.check_form(&values), Ok(()));
    for (shape, bits, steps, refusal) in [
        (
            common::attention(1, 1, 8),
            width,
            4,
            FormError::Attention {
                expected: attention,
                got: common::attention(1, 1, 8),
            },
        ),
        (
            attention,
            self::bits(7),
            4,
            FormError::ValueBits {
                expected: width,
                got: self::bits(7),
            },
        ),
        (
            attention,
            width,
            3,
            FormError::Steps {
                expected: 4,
                got: 3,
            },
        ),
    ] {
        let other = PublicValues::from(self::values(shape, bits, steps));
        assert_eq!(statement.check_form(&other), Err(refusal.clone()));
        assert_eq!(
            statement.check_tokens(&other),
            Err(TokenError::Form(refusal))
        );
    }
    let mut changed = own.encode();
    changed[7] ^= 1;
    assert!(matches!(
        statement.decode_public_values(&changed),
        Err(PublicValuesError::Digest { expected, got })
            if expected == own.digest() && got != expected
    ));
    assert!(matches!(
        statement.decode_public_values(&changed[1..]),
        Err(PublicValuesError::EncodedLength { .. })
    ));
}

proptest! {
    #[test]
    fn round_trip(
        group in 1_u32..4, kv_heads in 1_u32..4, dim in 1_u32..9, steps in 1_usize..9, width in 4_u8..=12,
    ) {
        let shape = attention(group * kv_heads, kv_heads, dim);
        let original = values(shape, bits(width), steps);
        let bytes = original.encode();
        prop_assert_eq!(bytes.len(), AttentionValues::encoded_len(&shape, bits(width), steps));
        prop_assert_eq!(AttentionValues::decode(&bytes, shape, bits(width), steps), Ok(original));
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..48), width in 4_u8..=12) {
        let shape = attention(2, 1, 2);
        if let Ok(values) = AttentionValues::decode(&bytes, shape, bits(width), 2) {
            prop_assert_eq!(values.encode(), bytes);
        }
    }
}
