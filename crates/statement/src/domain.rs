//! The verifier domain: which application asked for a proof, and on which occasion.

use core::fmt;

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::StatementError;

/// Largest length of an application name, in bytes.
pub const MAX_APPLICATION_LEN: usize = 64;

/// Binds a statement to one application and one occasion, so that a proof made for one verifier is
/// nothing to another.
///
/// The application is a name of 1 to 64 bytes of printable ASCII (space to `~`); the nonce is 16 bytes
/// of the verifier's choice, all zero where an application wants none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawDomain", into = "RawDomain")]
pub struct VerifierDomain {
    application: String,
    nonce: [u8; 16],
}

impl VerifierDomain {
    /// Names a domain.
    ///
    /// # Errors
    ///
    /// - [`StatementError::ApplicationLength`] unless the name has 1 to 64 bytes;
    /// - [`StatementError::ApplicationCharacter`] if it holds anything but printable ASCII.
    pub fn new(application: impl Into<String>, nonce: [u8; 16]) -> Result<Self, StatementError> {
        let application = application.into();
        if application.is_empty() || application.len() > MAX_APPLICATION_LEN {
            return Err(StatementError::ApplicationLength {
                expected: MAX_APPLICATION_LEN,
                got: application.len(),
            });
        }
        // Printable ASCII only: two names that look alike are the same bytes, and no name can forge a
        // line of a printed statement or of a policy file.
        if let Some((position, got)) = application
            .char_indices()
            .find(|(_, c)| !matches!(c, ' '..='~'))
        {
            return Err(StatementError::ApplicationCharacter { position, got });
        }
        Ok(Self { application, nonce })
    }

    /// The application's name.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The nonce.
    #[must_use]
    pub const fn nonce(&self) -> &[u8; 16] {
        &self.nonce
    }

    /// Whether the nonce names no occasion (it is all zero): a proof for this domain can be shown again and
    /// again, to whoever accepts it once.
    #[must_use]
    pub fn allows_replay(&self) -> bool {
        self.nonce == [0; 16]
    }

    /// The nonce as 32 lowercase hexadecimal digits.
    #[must_use]
    pub fn nonce_hex(&self) -> String {
        format!("{}", Nonce(self.nonce))
    }
}

impl fmt::Display for VerifierDomain {
    /// The quoted application name and the nonce in lowercase hex.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} nonce {}", self.application, Nonce(self.nonce))
    }
}

/// What is written of a domain; reading goes through [`VerifierDomain::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDomain {
    application: String,
    nonce: Nonce,
}

impl TryFrom<RawDomain> for VerifierDomain {
    type Error = StatementError;

    fn try_from(raw: RawDomain) -> Result<Self, StatementError> {
        Self::new(raw.application, raw.nonce.0)
    }
}

impl From<VerifierDomain> for RawDomain {
    fn from(domain: VerifierDomain) -> Self {
        Self {
            application: domain.application,
            nonce: Nonce(domain.nonce),
        }
    }
}

/// Sixteen bytes: 32 lowercase hexadecimal digits in human-readable formats, plain bytes in binary ones.
struct Nonce([u8; 16]);

impl Nonce {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return None;
        }
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Nonce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Nonce {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!(
                "nonce is {text:?}, expected 32 lowercase hexadecimal digits"
            ))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn names_within_bounds_are_accepted() {
        for name in ["a", "two words ~", &"x".repeat(64)] {
            let domain = VerifierDomain::new(name, [3; 16]).unwrap();
            assert_eq!(domain.application(), name);
            assert_eq!(domain.nonce(), &[3; 16]);
        }
    }

    #[test]
    fn lengths_outside_bounds_are_refused() {
        for name in [String::new(), "x".repeat(65)] {
            let got = name.len();
            assert_eq!(
                VerifierDomain::new(name, [0; 16]),
                Err(StatementError::ApplicationLength { expected: 64, got })
            );
        }
    }

    #[test]
    fn unprintable_characters_are_refused() {
        for (name, position, got) in [
            ("a\nb", 1, '\n'),
            ("\u{7f}", 0, '\u{7f}'),
            ("caf\u{e9}", 3, '\u{e9}'),
        ] {
            assert_eq!(
                VerifierDomain::new(name, [0; 16]),
                Err(StatementError::ApplicationCharacter { position, got })
            );
        }
    }

    #[test]
    fn serde_goes_through_the_constructor() {
        let domain = VerifierDomain::new("app", [0x1f; 16]).unwrap();
        let json = serde_json::to_string(&domain).unwrap();
        assert_eq!(
            json,
            r#"{"application":"app","nonce":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"}"#
        );
        assert_eq!(
            serde_json::from_str::<VerifierDomain>(&json).unwrap(),
            domain
        );
        for bad in [
            r#"{"application":"","nonce":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"}"#,
            r#"{"application":"app","nonce":"1F1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"}"#,
            r#"{"application":"app","nonce":"1f"}"#,
            r#"{"application":"app","nonce":"1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f","more":1}"#,
        ] {
            assert!(
                serde_json::from_str::<VerifierDomain>(bad).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn display_names_both_parts() {
        let domain = VerifierDomain::new("a \"b\"", [0xab; 16]).unwrap();
        assert_eq!(
            domain.to_string(),
            r#""a \"b\"" nonce abababababababababababababababab"#
        );
    }
}
