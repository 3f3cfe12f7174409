//! The one strict codec of the project: `bincode` 2, pinned to a single configuration.
//!
//! Everything that is hashed or read back from a file goes through [`encode`] and [`decode`]. The
//! configuration is little-endian with fixed-width integers, so a value has exactly one encoding and the
//! width of every field can be read off its type. [`decode`] is strict on purpose:
//!
//! - the input must not be longer than the caller's limit;
//! - no length field makes the decoder allocate for more than 16 times the input, or 1 MiB if that is
//!   more, whatever it claims;
//! - the value must end exactly where the input ends;
//! - encoding the decoded value must give back the input, byte for byte, so that a lenient
//!   `Deserialize` implementation (one that reduces field elements, say) cannot make two different
//!   inputs mean the same.
//!
//! # Why bincode
//!
//! The format is small, fully specified by the types, and works through `serde`, which the proof
//! library's own types implement, without the standard library. Its 2.x line is no longer maintained:
//! nothing outside this module names it, so that replacing it is a change to one file, with the byte
//! layout held in place by the tests of those who use it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::error::DecodeError;
use serde::de::DeserializeOwned;
use serde::Serialize;
use thiserror::Error;

/// The largest input that [`decode`] accepts, whatever limit its caller gives: 1 GiB.
pub const MAX_ENCODED_LEN: usize = 1 << 30;

type Config<const LIMIT: usize> = Configuration<LittleEndian, Fixint, Limit<LIMIT>>;

/// Why a value could not be encoded, or bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value has no encoding (a sequence of unknown length, for example).
    #[error("value cannot be encoded: {reason}")]
    Unencodable {
        /// The serializer's own words.
        reason: String,
    },
    /// The input is longer than its reader allows.
    #[error("encoding too long: expected at most {expected} bytes, got {got}")]
    TooLong {
        /// Largest length accepted, in bytes.
        expected: usize,
        /// Length of the input, in bytes.
        got: usize,
    },
    /// The input ends before the value does.
    #[error("encoding truncated: expected more than the {got} bytes given")]
    Truncated {
        /// Length of the input, in bytes.
        got: usize,
    },
    /// A length field claims more than the input could hold.
    #[error("encoding claims a length beyond its input of {got} bytes")]
    LengthField {
        /// Length of the input, in bytes.
        got: usize,
    },
    /// The input continues after the value.
    #[error("trailing bytes after the encoding: expected {expected} bytes, got {got}")]
    TrailingBytes {
        /// Length of the value's encoding, in bytes.
        expected: usize,
        /// Length of the input, in bytes.
        got: usize,
    },
    /// The bytes are not a value of the type.
    #[error("invalid encoding: {reason}")]
    Invalid {
        /// The deserializer's own words.
        reason: String,
    },
    /// The bytes decode to a value whose encoding is different from them.
    #[error("encoding is not canonical: first difference at byte {position}")]
    NotCanonical {
        /// Index of the first byte that differs from the canonical encoding.
        position: usize,
    },
}

/// Encodes `value`: little-endian, fixed-width integers, `u64` lengths, one byte for `Option` tags.
///
/// # Errors
///
/// [`CodecError::Unencodable`] where the type's `Serialize` implementation fails or does not know the
/// length of a sequence beforehand.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let config = bincode::config::standard()
        .with_little_endian()
        .with_fixed_int_encoding();
    bincode::serde::encode_to_vec(value, config).map_err(|error| CodecError::Unencodable {
        reason: error.to_string(),
    })
}

/// The refusal of bytes that end too early for what stands before an encoding.
pub(crate) const fn truncated(bytes: &[u8]) -> CodecError {
    CodecError::Truncated { got: bytes.len() }
}

/// Decodes a `T` from exactly `bytes`, of which there may be at most `limit` (and never more than
/// [`MAX_ENCODED_LEN`]).
///
/// `T` must not contain a sequence of zero-sized elements: such a sequence costs no input, so its length
/// is bounded by nothing.
///
/// # Errors
///
/// - [`CodecError::TooLong`] if there are more than `limit` bytes; nothing is read then;
/// - [`CodecError::Truncated`], [`CodecError::LengthField`], [`CodecError::Invalid`] if the bytes do not
///   begin with a `T`;
/// - [`CodecError::TrailingBytes`] if bytes are left over;
/// - [`CodecError::NotCanonical`] if the decoded value encodes to something else than `bytes`;
/// - [`CodecError::Unencodable`] if it does not encode at all.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let limit = limit.min(MAX_ENCODED_LEN);
    if bytes.len() > limit {
        return Err(CodecError::TooLong {
            expected: limit,
            got: bytes.len(),
        });
    }
    let (value, read): (T, usize) = decode_prefix(bytes)?;
    if read != bytes.len() {
        return Err(CodecError::TrailingBytes {
            expected: read,
            got: bytes.len(),
        });
    }
    let canonical = encode(&value)?;
    if canonical == bytes {
        return Ok(value);
    }
    let position = canonical
        .iter()
        .zip(bytes)
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| canonical.len().min(bytes.len()));
    Err(CodecError::NotCanonical { position })
}

/// Decodes from the start of `bytes` under a byte budget fitted to the input.
///
/// bincode allocates a string or byte buffer at the length that the input claims, before it reads a
/// byte of it; only the budget, a constant of the configuration, stands in between. So the budget is
/// the smallest of a few constants that holds the input: no claim allocates more than 16 times the
/// input, or 64 KiB. Other sequences are read element by element, and serde itself reserves no more than
/// 1 MiB for them beforehand.
fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    fn with<T: DeserializeOwned, const LIMIT: usize>(
        bytes: &[u8],
    ) -> Result<(T, usize), DecodeError> {
        let config: Config<LIMIT> = bincode::config::standard()
            .with_little_endian()
            .with_fixed_int_encoding()
            .with_limit::<LIMIT>();
        bincode::serde::decode_from_slice(bytes, config)
    }
    let result = if bytes.len() <= 1 << 16 {
        with::<T, { 1 << 16 }>(bytes)
    } else if bytes.len() <= 1 << 20 {
        with::<T, { 1 << 20 }>(bytes)
    } else if bytes.len() <= 1 << 24 {
        with::<T, { 1 << 24 }>(bytes)
    } else if bytes.len() <= 1 << 28 {
        with::<T, { 1 << 28 }>(bytes)
    } else {
        with::<T, MAX_ENCODED_LEN>(bytes)
    };
    result.map_err(|error| match error {
        DecodeError::UnexpectedEnd { .. } => CodecError::Truncated { got: bytes.len() },
        DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => {
            CodecError::LengthField { got: bytes.len() }
        }
        other => CodecError::Invalid {
            reason: other.to_string(),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        small: u16,
        wide: i64,
        name: String,
        choice: Option<[u8; 4]>,
        rows: Vec<Vec<u32>>,
    }

    fn sample() -> Sample {
        Sample {
            small: 0x0102,
            wide: -2,
            name: "decode".to_string(),
            choice: Some([1, 2, 3, 4]),
            rows: alloc::vec![alloc::vec![7], alloc::vec![]],
        }
    }

    #[test]
    fn layout_is_little_endian_and_fixed_width() {
        assert_eq!(encode(&0x0102_u16).unwrap(), [2, 1]);
        assert_eq!(encode(&-2_i64).unwrap(), (-2_i64).to_le_bytes());
        assert_eq!(encode(&300_u32).unwrap(), 300_u32.to_le_bytes());
        assert_eq!(encode(&[9_u8; 3]).unwrap(), [9, 9, 9]);
        assert_eq!(encode(&None::<u8>).unwrap(), [0]);
        assert_eq!(encode(&Some(5_u8)).unwrap(), [1, 5]);
        assert_eq!(encode("ab").unwrap(), [2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
    }

    #[test]
    fn round_trip() {
        let bytes = encode(&sample()).unwrap();
        assert_eq!(decode::<Sample>(&bytes, bytes.len()).unwrap(), sample());
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = encode(&sample()).unwrap();
        for len in 0..bytes.len() {
            let error = decode::<Sample>(&bytes[..len], 1024).unwrap_err();
            assert!(
                matches!(error, CodecError::Truncated { got } if got == len),
                "{len}: {error}"
            );
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        let mut bytes = encode(&sample()).unwrap();
        let expected = bytes.len();
        bytes.push(0);
        assert_eq!(
            decode::<Sample>(&bytes, 1024).unwrap_err(),
            CodecError::TrailingBytes {
                expected,
                got: expected + 1
            }
        );
    }

    #[test]
    fn limit_is_checked_before_anything_is_read() {
        assert_eq!(
            decode::<Sample>(&[0xff; 33], 32).unwrap_err(),
            CodecError::TooLong {
                expected: 32,
                got: 33
            }
        );
    }

    #[test]
    fn hostile_lengths_do_not_allocate() {
        for claim in [1_u64 << 17, 1 << 40, u64::MAX / 2, u64::MAX] {
            let bytes = claim.to_le_bytes();
            assert_eq!(
                decode::<String>(&bytes, 64).unwrap_err(),
                CodecError::LengthField { got: 8 },
                "{claim}"
            );
            // A sequence of numbers is read one by one: the input simply ends.
            assert!(matches!(
                decode::<Vec<u64>>(&bytes, 64).unwrap_err(),
                CodecError::Truncated { got: 8 }
            ));
        }
    }

    /// A claim is refused from the byte on at which it leaves the budget of its input's length: the
    /// smallest of a few powers of two that holds the input.
    #[test]
    fn the_budget_is_fitted_to_the_input() {
        for (len, budget) in [
            (8_usize, 1_u64 << 16),
            (1 << 16, 1 << 16),
            ((1 << 16) + 1, 1 << 20),
            (1 << 20, 1 << 20),
            ((1 << 20) + 1, 1 << 24),
            (1 << 24, 1 << 24),
            ((1 << 24) + 1, 1 << 28),
        ] {
            let mut bytes = alloc::vec![0; len];
            // The length itself takes eight bytes of the budget.
            for (claim, is_refused) in [(budget - 8, false), (budget - 7, true)] {
                bytes[..8].copy_from_slice(&claim.to_le_bytes());
                let result = decode::<String>(&bytes, usize::MAX);
                let refused = matches!(result, Err(CodecError::LengthField { .. }));
                assert_eq!(refused, is_refused, "{len}: {claim}");
            }
        }
    }

    /// A type that reduces what it reads, like a field element without a range check.
    #[derive(Debug, PartialEq)]
    struct Lenient(u32);

    impl Serialize for Lenient {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_u32(self.0)
        }
    }

    impl<'de> Deserialize<'de> for Lenient {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            u32::deserialize(deserializer).map(|value| Self(value % 100))
        }
    }

    #[test]
    fn lenient_types_cannot_be_fed_two_encodings() {
        assert_eq!(decode::<Lenient>(&[7, 0, 0, 0], 4).unwrap(), Lenient(7));
        assert_eq!(
            decode::<(u8, Lenient)>(&[0, 107, 0, 0, 0], 8).unwrap_err(),
            CodecError::NotCanonical { position: 1 }
        );
    }

    #[test]
    fn invalid_option_tag_is_refused() {
        assert!(matches!(
            decode::<Option<u8>>(&[2, 0], 8).unwrap_err(),
            CodecError::Invalid { .. }
        ));
    }

    #[test]
    fn large_inputs_use_a_larger_budget() {
        for len in [1_usize << 16, 1 << 20, (1 << 20) + 1] {
            let value = alloc::vec![3_u8; len];
            let bytes = encode(&value).unwrap();
            assert_eq!(decode::<Vec<u8>>(&bytes, usize::MAX).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..96)) {
            if let Ok(value) = decode::<Sample>(&bytes, 96) {
                prop_assert_eq!(encode(&value).unwrap(), bytes);
            }
        }
    }
}
