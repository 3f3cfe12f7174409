//! Security levels by name, and the commitment-scheme parameters that each name stands for.

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;

use serde::{Deserialize, Serialize};

use crate::error::StatementError;

/// How hard it is to forge a proof, and by which argument. The name is a promise about every proof of the
/// level: a structure of which one term is below it is refused, by whoever proves and by whoever verifies.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum SecurityLevel {
    /// 13 bits, by the parameters of the essay whose published rows this project compares itself with.
    /// Anyone can forge such a proof: it stands for comparison only, and is refused by every policy that
    /// does not name it.
    #[serde(rename = "insecure-13")]
    Insecure13,
    /// 100 bits against the best attack that is known. That no better one exists was a conjecture ("up to
    /// capacity"), which was refuted in its general form in November 2025. About 60 bits are proven.
    #[serde(rename = "conjectured-100")]
    Conjectured100,
    /// 100 proven bits in every term, by published theorems about lists of codewords up to the Johnson
    /// radius, or about unique decoding, whichever makes the smaller proof at a profile. The default.
    #[default]
    #[serde(rename = "proven-100")]
    Proven100,
    /// The same by unique decoding alone: the oldest theorem, and lists of one.
    #[serde(rename = "proven-100-unique")]
    Proven100Unique,
}

impl SecurityLevel {
    /// Every level, from the weakest to the strongest (which is also the order of `Ord`).
    pub const ALL: [Self; 4] = [
        Self::Insecure13,
        Self::Conjectured100,
        Self::Proven100,
        Self::Proven100Unique,
    ];

    /// The name used in commands, files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insecure13 => "insecure-13",
            Self::Conjectured100 => "conjectured-100",
            Self::Proven100 => "proven-100",
            Self::Proven100Unique => "proven-100-unique",
        }
    }

    /// The bits that every term of a proof has at least; `None` for the level that promises none.
    #[must_use]
    pub const fn promised_bits(self) -> Option<u32> {
        match self {
            Self::Insecure13 => None,
            Self::Conjectured100 | Self::Proven100 | Self::Proven100Unique => Some(100),
        }
    }
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for SecurityLevel {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        Self::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| StatementError::UnknownSecurityLevel {
                expected: "proven-100, proven-100-unique, conjectured-100 or insecure-13",
                got: text.to_string(),
            })
    }
}

/// What a security level is bought with: small proofs or fast proving.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// Larger blowup, fewer queries: the smaller proof. The default.
    #[default]
    Compact,
    /// Smaller blowup, more queries: about a third of the proving time for a larger proof.
    Fast,
    /// Between the two: about half of the time and memory of `compact` for a somewhat larger proof.
    Balanced,
    /// The smallest blowup, and so the least time and memory that a proof can take, for the largest proof.
    Fastest,
}

/// By which argument the terms of a proof are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Regime {
    /// Theorems about words within half the distance of the code: at most one codeword is near.
    UniqueDecoding,
    /// Theorems about words within the Johnson radius, less a gap of `sqrt(rate) / (2 multiplicity)`.
    Johnson {
        /// The multiplicity `m` of the list decoder in the proofs: more of it means fewer queries and a larger
        /// error wherever words are combined.
        multiplicity: u32,
    },
    /// What the best known attack costs; not a theorem.
    BestKnownAttack,
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UniqueDecoding => f.write_str("unique decoding"),
            Self::Johnson { multiplicity } => write!(f, "Johnson, m {multiplicity}"),
            Self::BestKnownAttack => f.write_str("best known attack"),
        }
    }
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 4] = [Self::Compact, Self::Fast, Self::Balanced, Self::Fastest];

    /// The name used in commands, files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Fastest => "fastest",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| StatementError::UnknownProfile {
                expected: "compact, balanced, fast or fastest",
                got: text.to_string(),
            })
    }
}

/// The parameters of the polynomial commitment scheme (circle FRI) that a [`Security`] stands for.
///
/// They are written here as plain numbers, so that this crate knows nothing of the proof library; the
/// verifier makes its configuration from them, and a proof carries none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct SecurityParameters {
    /// Bits of proof of work before the queries are drawn.
    pub pow_bits: u32,
    /// Base-two logarithm of the inverse code rate.
    pub log_blowup: u32,
    /// Number of queries.
    pub queries: u32,
    /// Base-two logarithm of the folding factor of a FRI layer.
    pub fold_step: u32,
    /// Base-two logarithm of the degree bound of the last FRI layer.
    pub log_last_layer: u32,
}

impl fmt::Display for SecurityParameters {
    /// `pow/log blowup/queries/fold step/log last layer`, as in `22/4/20/3/8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pow_bits,
            log_blowup,
            queries,
            fold_step,
            log_last_layer,
        } = self;
        write!(
            f,
            "{pow_bits}/{log_blowup}/{queries}/{fold_step}/{log_last_layer}"
        )
    }
}

/// A security level in one of its profiles. `Default` is `proven-100 compact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "RawSecurity", into = "RawSecurity")]
pub struct Security {
    level: SecurityLevel,
    profile: Profile,
}

impl Security {
    /// Combines a level with a profile.
    ///
    /// # Errors
    ///
    /// [`StatementError::ProfileUnavailable`] for `insecure-13`, which has the profile `compact` only.
    pub fn new(level: SecurityLevel, profile: Profile) -> Result<Self, StatementError> {
        if level == SecurityLevel::Insecure13 && profile != Profile::Compact {
            return Err(StatementError::ProfileUnavailable {
                level: level.name(),
                expected: Profile::Compact.name(),
                got: profile.name(),
            });
        }
        Ok(Self { level, profile })
    }

    /// The level.
    #[must_use]
    pub const fn level(self) -> SecurityLevel {
        self.level
    }

    /// The profile.
    #[must_use]
    pub const fn profile(self) -> Profile {
        self.profile
    }

    /// The argument by which the level's promise is kept.
    ///
    /// At a smaller blowup a larger multiplicity pays: the terms in which it costs are smaller there. At a
    /// blowup of 2, where the Johnson radius is hardly beyond half the distance, unique decoding does.
    #[must_use]
    pub const fn regime(self) -> Regime {
        match (self.level, self.profile) {
            (SecurityLevel::Insecure13 | SecurityLevel::Conjectured100, _) => {
                Regime::BestKnownAttack
            }
            (SecurityLevel::Proven100, Profile::Compact) => Regime::Johnson { multiplicity: 3 },
            (SecurityLevel::Proven100, Profile::Balanced) => Regime::Johnson { multiplicity: 4 },
            (SecurityLevel::Proven100, Profile::Fast) => Regime::Johnson { multiplicity: 6 },
            (SecurityLevel::Proven100, Profile::Fastest) | (SecurityLevel::Proven100Unique, _) => {
                Regime::UniqueDecoding
            }
        }
    }

    /// The commitment-scheme parameters.
    #[must_use]
    pub const fn parameters(self) -> SecurityParameters {
        let (pow_bits, log_blowup, queries) = match (self.level, self.profile) {
            (SecurityLevel::Insecure13, _) => {
                return SecurityParameters {
                    pow_bits: 10,
                    log_blowup: 1,
                    queries: 3,
                    fold_step: 1,
                    log_last_layer: 0,
                }
            }
            (SecurityLevel::Conjectured100, Profile::Compact) => (22, 4, 20),
            (SecurityLevel::Conjectured100, Profile::Balanced) => (22, 3, 27),
            (SecurityLevel::Conjectured100, Profile::Fast) => (22, 2, 40),
            (SecurityLevel::Conjectured100, Profile::Fastest) => (22, 1, 80),
            (SecurityLevel::Proven100, Profile::Compact) => (24, 4, 43),
            (SecurityLevel::Proven100, Profile::Balanced) => (24, 3, 58),
            (SecurityLevel::Proven100, Profile::Fast) => (20, 2, 91),
            (SecurityLevel::Proven100Unique, Profile::Compact) => (24, 4, 84),
            (SecurityLevel::Proven100Unique, Profile::Balanced) => (24, 3, 92),
            (SecurityLevel::Proven100Unique, Profile::Fast) => (20, 2, 118),
            (SecurityLevel::Proven100 | SecurityLevel::Proven100Unique, Profile::Fastest) => {
                (20, 1, 193)
            }
        };
        SecurityParameters {
            pow_bits,
            log_blowup,
            queries,
            fold_step: 3,
            log_last_layer: 8,
        }
    }
}

/// What is written of a security level; reading goes through [`Security::new`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecurity {
    level: SecurityLevel,
    profile: Profile,
}

impl TryFrom<RawSecurity> for Security {
    type Error = StatementError;

    fn try_from(raw: RawSecurity) -> Result<Self, StatementError> {
        Self::new(raw.level, raw.profile)
    }
}

impl From<Security> for RawSecurity {
    fn from(security: Security) -> Self {
        Self {
            level: security.level,
            profile: security.profile,
        }
    }
}

impl fmt::Display for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.level, self.profile)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_those_of_the_design() {
        let expected = [
            ("proven-100", "compact", "24/4/43/3/8"),
            ("proven-100", "balanced", "24/3/58/3/8"),
            ("proven-100", "fast", "20/2/91/3/8"),
            ("proven-100", "fastest", "20/1/193/3/8"),
            ("proven-100-unique", "compact", "24/4/84/3/8"),
            ("proven-100-unique", "balanced", "24/3/92/3/8"),
            ("proven-100-unique", "fast", "20/2/118/3/8"),
            ("proven-100-unique", "fastest", "20/1/193/3/8"),
            ("conjectured-100", "compact", "22/4/20/3/8"),
            ("conjectured-100", "balanced", "22/3/27/3/8"),
            ("conjectured-100", "fast", "22/2/40/3/8"),
            ("conjectured-100", "fastest", "22/1/80/3/8"),
            ("insecure-13", "compact", "10/1/3/1/0"),
        ];
        for (level, profile, parameters) in expected {
            let security = Security::new(level.parse().unwrap(), profile.parse().unwrap()).unwrap();
            assert_eq!(security.parameters().to_string(), parameters);
            assert_eq!(
                (security.level().name(), security.profile().name()),
                (level, profile)
            );
            assert_eq!(security.to_string(), alloc::format!("{level} {profile}"));
        }
    }

    #[test]
    fn insecure_level_has_one_profile_and_is_the_weakest() {
        assert_eq!(
            Security::new(SecurityLevel::Insecure13, Profile::Fast),
            Err(StatementError::ProfileUnavailable {
                level: "insecure-13",
                expected: "compact",
                got: "fast",
            })
        );
        assert_eq!(Security::default().to_string(), "proven-100 compact");
        assert!(SecurityLevel::ALL.is_sorted());
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(matches!(
            "conjectured100".parse::<SecurityLevel>(),
            Err(StatementError::UnknownSecurityLevel { .. })
        ));
        // A level that there was once: no proof had what its name said.
        let error = "johnson-100".parse::<SecurityLevel>().unwrap_err();
        assert!(error.to_string().contains("johnson-100"), "{error}");
        assert!(error.to_string().contains("proven-100"), "{error}");
        assert!(matches!(
            "Compact".parse::<Profile>(),
            Err(StatementError::UnknownProfile { .. })
        ));
    }

    #[test]
    fn serde_names_equal_display_names() {
        for level in SecurityLevel::ALL {
            assert_eq!(
                serde_json::to_value(level).unwrap(),
                serde_json::Value::from(level.name())
            );
        }
        for profile in Profile::ALL {
            assert_eq!(
                serde_json::to_value(profile).unwrap(),
                serde_json::Value::from(profile.name())
            );
        }
    }
}
