//! SHA-256 identities: one domain-separated hasher and one newtype macro for all crates.
//!
//! Every identity of the workspace is the SHA-256 of `tag length (u64, little-endian) || tag ||
//! content`. The length prefix keeps two tags apart of which one begins with the other.

use core::fmt;

use sha2::{Digest, Sha256};

#[doc(hidden)]
pub use serde as __serde;

/// Length of every digest in bytes.
pub const DIGEST_BYTES: usize = 32;

/// SHA-256 under a domain tag.
///
/// ```
/// use matchmark_quant::TaggedSha256;
/// let one = TaggedSha256::new("example/a").chain(b"content").finish();
/// let other = TaggedSha256::new("example/b").chain(b"content").finish();
/// assert_ne!(one, other);
/// ```
#[derive(Clone)]
pub struct TaggedSha256(Sha256);

impl TaggedSha256 {
    /// Starts a digest under `tag`.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.update_u64(tag.len() as u64);
        hasher.update(tag.as_bytes());
        hasher
    }

    /// Absorbs bytes. Nothing marks where one call ends: variable-length content must carry its
    /// own length.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Absorbs eight bytes, little-endian.
    pub fn update_u64(&mut self, value: u64) {
        self.0.update(value.to_le_bytes());
    }

    /// Absorbs bytes and returns itself.
    #[must_use]
    pub fn chain(mut self, bytes: &[u8]) -> Self {
        self.update(bytes);
        self
    }

    /// The digest of everything absorbed.
    #[must_use]
    pub fn finish(self) -> [u8; DIGEST_BYTES] {
        self.0.finalize().into()
    }
}

impl fmt::Debug for TaggedSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaggedSha256")
    }
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DigestParseError {
    /// The text has the wrong length.
    #[error("digest has {got} characters, expected {expected}")]
    Length {
        /// 64.
        expected: usize,
        /// Length of the text in bytes.
        got: usize,
    },
    /// A character is not a lowercase hexadecimal digit. Uppercase is refused as well, so that every
    /// digest has a single text form.
    #[error("digest has {got:?} at character {position}, expected a digit or a lowercase a to f")]
    Character {
        /// Byte position in the text.
        position: usize,
        /// The character that came.
        got: char,
    },
}

/// Parses 64 lowercase hexadecimal digits.
///
/// # Errors
/// [`DigestParseError`] for any other text.
pub fn parse_hex(text: &str) -> Result<[u8; DIGEST_BYTES], DigestParseError> {
    if text.len() != 2 * DIGEST_BYTES {
        return Err(DigestParseError::Length {
            expected: 2 * DIGEST_BYTES,
            got: text.len(),
        });
    }
    let mut bytes = [0u8; DIGEST_BYTES];
    for (position, got) in text.char_indices() {
        let nibble = match got {
            '0'..='9' => got as u32 - '0' as u32,
            'a'..='f' => got as u32 - 'a' as u32 + 10,
            _ => return Err(DigestParseError::Character { position, got }),
        };
        let shift = if position % 2 == 0 { 4 } else { 0 };
        // A nibble is below 16, so that the low byte is all of it.
        bytes[position / 2] |= nibble.to_le_bytes()[0] << shift;
    }
    Ok(bytes)
}

/// Writes lowercase hexadecimal digits; a precision (`{:.8}`) keeps that many digits.
///
/// # Errors
/// Only those of the formatter.
pub fn format_hex(bytes: &[u8; DIGEST_BYTES], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0u8; 2 * DIGEST_BYTES];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    // ASCII by construction; `pad` honours width and precision.
    f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
}

/// Defines newtypes over `[u8; 32]` for identities and commitments.
///
/// Each gets `from_bytes`, `as_bytes`, `to_bytes`, `Display` and `Debug` as lowercase hexadecimal (`{:.8}`
/// shortens), `FromStr` (strict: 64 lowercase digits), ordering, hashing, and serde: a hexadecimal
/// string in human-readable formats, 32 plain bytes in binary ones.
///
/// ```
/// matchmark_quant::digest_newtype! {
///     /// Identity of a thing.
///     pub struct ThingId;
/// }
/// let id = ThingId::from_bytes([0xab; 32]);
/// assert_eq!(format!("{id:.4}"), "abab");
/// assert_eq!(id.to_string().parse::<ThingId>(), Ok(id));
/// ```
#[macro_export]
macro_rules! digest_newtype {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident;)+) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name([u8; 32]);

        impl $name {
            /// Takes 32 bytes as they are.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 32 bytes, by value.
            #[must_use]
            pub const fn to_bytes(self) -> [u8; 32] {
                self.0
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::digest::format_hex(&self.0, f)
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::digest::format_hex(&self.0, f)
            }
        }

        impl ::core::str::FromStr for $name {
            type Err = $crate::digest::DigestParseError;

            fn from_str(text: &str) -> ::core::result::Result<Self, Self::Err> {
                $crate::digest::parse_hex(text).map(Self)
            }
        }

        impl $crate::digest::__serde::Serialize for $name {
            fn serialize<S: $crate::digest::__serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    $crate::digest::__serde::Serialize::serialize(&self.0, serializer)
                }
            }
        }

        impl<'de> $crate::digest::__serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::digest::__serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::digest::deserialize(deserializer).map(Self)
            }
        }
    )+};
}

/// Reads a digest: a hexadecimal string in human-readable formats, 32 bytes in binary ones.
///
/// # Errors
/// Those of the deserializer, and [`DigestParseError`] as a custom message.
pub fn deserialize<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<[u8; DIGEST_BYTES], D::Error> {
    struct HexVisitor;
    impl serde::de::Visitor<'_> for HexVisitor {
        type Value = [u8; DIGEST_BYTES];

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("64 lowercase hexadecimal digits")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            parse_hex(text).map_err(E::custom)
        }
    }
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(HexVisitor)
    } else {
        serde::Deserialize::deserialize(deserializer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    crate::digest_newtype! {
        /// For tests.
        pub struct TestId;
    }

    #[test]
    fn tag_is_length_prefixed() {
        let mut expected = Sha256::new();
        expected.update(1u64.to_le_bytes());
        expected.update(b"abc");
        let expected: [u8; 32] = expected.finalize().into();
        assert_eq!(TaggedSha256::new("a").chain(b"bc").finish(), expected);
        assert_ne!(TaggedSha256::new("ab").chain(b"c").finish(), expected);
    }

    #[test]
    fn text_is_strict() {
        let text = TestId::from_bytes([0x0a; 32]).to_string();
        assert_eq!(text, "0a".repeat(32));
        let id: TestId = text.parse().unwrap();
        assert_eq!((id.as_bytes(), id.to_bytes()), (&[0x0a; 32], [0x0a; 32]));
        let upper = text.to_uppercase();
        assert_eq!(
            upper.parse::<TestId>(),
            Err(DigestParseError::Character {
                position: 1,
                got: 'A'
            })
        );
        assert_eq!(
            text[1..].parse::<TestId>(),
            Err(DigestParseError::Length {
                expected: 64,
                got: 63
            })
        );
        let wide = format!("é{}", &text[2..]);
        assert!(matches!(
            wide.parse::<TestId>(),
            Err(DigestParseError::Character { .. })
        ));
    }

    #[test]
    fn serde_is_hex_for_people() {
        let id = TestId::from_bytes([7; 32]);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<TestId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<TestId>("\"07\"").is_err());
        let error = serde_json::from_str::<TestId>("7").unwrap_err().to_string();
        assert!(error.contains("64 lowercase hexadecimal digits"), "{error}");
    }

    proptest! {
        #[test]
        fn text_round_trips(bytes: [u8; 32], digits in 0usize..70) {
            let id = TestId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<TestId>(), Ok(id));
            prop_assert_eq!(format!("{id:.digits$}").len(), digits.min(64));
        }
    }
}
