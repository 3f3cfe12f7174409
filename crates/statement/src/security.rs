//! Security levels by name, and the commitment-scheme parameters that each name stands for.

use core::fmt;
use core::str::FromStr;

use alloc::string::ToString;

use serde::{Deserialize, Serialize};

use crate::error::StatementError;

/// How hard it is to forge a proof, and by which argument.
///
/// The figures in the names are those of the query phase; the verifier prints the commit-phase, field
/// and lookup terms beside them. The extension field has 124 bits, so nothing above about 100 is
/// promised.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum SecurityLevel {
    /// 13 bits, by the parameters of the essay whose published rows this project compares itself with.
    /// Anyone can forge such a proof: it stands for comparison only, and is refused by every policy that
    /// does not name it.
    #[serde(rename = "insecure-13")]
    Insecure13,
    /// 100 bits by the conjectured formula in use across the field. The default.
    #[default]
    #[serde(rename = "conjectured-100")]
    Conjectured100,
    /// 100 bits in the query phase at the Johnson radius, which is proven.
    #[serde(rename = "johnson-100")]
    Johnson100,
}

impl SecurityLevel {
    /// Every level, from the weakest to the strongest (which is also the order of `Ord`).
    pub const ALL: [Self; 3] = [Self::Insecure13, Self::Conjectured100, Self::Johnson100];

    /// The name used in commands, files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insecure13 => "insecure-13",
            Self::Conjectured100 => "conjectured-100",
            Self::Johnson100 => "johnson-100",
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
                expected: "conjectured-100, johnson-100 or insecure-13",
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
}

impl Profile {
    /// Every profile.
    pub const ALL: [Self; 3] = [Self::Compact, Self::Fast, Self::Balanced];

    /// The name used in commands, files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Fast => "fast",
            Self::Balanced => "balanced",
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
                expected: "compact, balanced or fast",
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
    /// `pow/log blowup/queries/fold step/log last layer`, as in `20/4/20/3/5`.
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

/// A security level in one of its profiles. `Default` is `conjectured-100 compact`.
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

    /// The commitment-scheme parameters.
    #[must_use]
    pub const fn parameters(self) -> SecurityParameters {
        let (log_blowup, queries) = match (self.level, self.profile) {
            (SecurityLevel::Insecure13, _) => {
                return SecurityParameters {
                    pow_bits: 10,
                    log_blowup: 1,
                    queries: 3,
                    fold_step: 1,
                    log_last_layer: 0,
                }
            }
            (SecurityLevel::Conjectured100, Profile::Compact) => (4, 20),
            (SecurityLevel::Conjectured100, Profile::Fast) => (2, 40),
            (SecurityLevel::Conjectured100, Profile::Balanced) => (3, 27),
            (SecurityLevel::Johnson100, Profile::Compact) => (4, 40),
            (SecurityLevel::Johnson100, Profile::Fast) => (2, 80),
            (SecurityLevel::Johnson100, Profile::Balanced) => (3, 54),
        };
        SecurityParameters {
            pow_bits: 20,
            log_blowup,
            queries,
            fold_step: 3,
            log_last_layer: 5,
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
            ("conjectured-100", "compact", "20/4/20/3/5"),
            ("conjectured-100", "fast", "20/2/40/3/5"),
            ("conjectured-100", "balanced", "20/3/27/3/5"),
            ("johnson-100", "compact", "20/4/40/3/5"),
            ("johnson-100", "fast", "20/2/80/3/5"),
            ("johnson-100", "balanced", "20/3/54/3/5"),
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

    /// Query bits by the conjecture (log blowup a query) and at the Johnson radius (half of that), plus
    /// the grinding: at least the figures in the names, and less than one query more.
    #[test]
    fn names_keep_what_they_promise() {
        for profile in Profile::ALL {
            let p = Security::new(SecurityLevel::Conjectured100, profile)
                .unwrap()
                .parameters();
            let bits = p.pow_bits + p.log_blowup * p.queries;
            assert!((100..100 + p.log_blowup).contains(&bits), "{profile}");
            let p = Security::new(SecurityLevel::Johnson100, profile)
                .unwrap()
                .parameters();
            let bits = p.pow_bits + p.log_blowup * p.queries / 2;
            assert!((100..100 + p.log_blowup).contains(&bits), "{profile}");
        }
        let p = Security::new(SecurityLevel::Insecure13, Profile::Compact)
            .unwrap()
            .parameters();
        assert_eq!(p.pow_bits + p.log_blowup * p.queries, 13);
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
        assert_eq!(Security::default().to_string(), "conjectured-100 compact");
        assert!(SecurityLevel::Insecure13 < SecurityLevel::Conjectured100);
        assert!(SecurityLevel::Conjectured100 < SecurityLevel::Johnson100);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(matches!(
            "conjectured100".parse::<SecurityLevel>(),
            Err(StatementError::UnknownSecurityLevel { .. })
        ));
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
