//! Scales and the quantization policy with its identity.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{digest_newtype, QuantError, ScoreStep, TaggedSha256, ValueBits};

/// What one unit of an integer tensor stands for: a finite number above zero.
///
/// Held as the bits of an `f64`, so that equality, order and hash are exact; positive floats order
/// as their bits do. Serialized as a number; a format whose reader rounds (some JSON readers do)
/// may change the last bit, and with it the policy's identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scale(u64);

impl Scale {
    /// Takes a scale.
    ///
    /// # Errors
    /// [`QuantError::ScaleNotPositive`] for zero, negative numbers, NaN and infinities.
    pub fn new(scale: f64) -> Result<Self, QuantError> {
        if scale.is_finite() && scale > 0.0 {
            Ok(Self(scale.to_bits()))
        } else {
            Err(QuantError::ScaleNotPositive { got: scale })
        }
    }

    /// The scale.
    #[must_use]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// The bits of the `f64`.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scale({:?})", self.get())
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Serialize for Scale {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Scale {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The scales of the three tensors. An output has the scale of `v`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scales {
    /// Scale of the queries.
    pub q: Scale,
    /// Scale of the keys.
    pub k: Scale,
    /// Scale of the values, and of the outputs.
    pub v: Scale,
}

digest_newtype! {
    /// Identity of a [`QuantizationPolicy`]: SHA-256 over its canonical encoding.
    pub struct QuantizationId;
}

/// How floats become integers and how integer scores are read: value width, score step, and the
/// scales where they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantizationPolicy {
    value_bits: ValueBits,
    score_step: ScoreStep,
    scales: Option<Scales>,
}

impl QuantizationPolicy {
    const TAG: &'static str = "matchmark/quantization/v1";

    /// Puts a policy together.
    #[must_use]
    pub const fn new(value_bits: ValueBits, score_step: ScoreStep, scales: Option<Scales>) -> Self {
        Self {
            value_bits,
            score_step,
            scales,
        }
    }

    /// Width of the values.
    #[must_use]
    pub const fn value_bits(&self) -> ValueBits {
        self.value_bits
    }

    /// `D`, the units of score that one table index spans.
    #[must_use]
    pub const fn score_step(&self) -> ScoreStep {
        self.score_step
    }

    /// The scales, if the integers came from floats.
    #[must_use]
    pub const fn scales(&self) -> Option<Scales> {
        self.scales
    }

    /// The identity: SHA-256 under a tag of width (one byte), score step (four bytes,
    /// little-endian), a byte that says whether scales follow, and the bits of those of q, k and v
    /// (eight bytes each, little-endian).
    #[must_use]
    pub fn id(&self) -> QuantizationId {
        let mut hasher = TaggedSha256::new(Self::TAG)
            .chain(&[self.value_bits.get()])
            .chain(&self.score_step.get().to_le_bytes())
            .chain(&[u8::from(self.scales.is_some())]);
        if let Some(Scales { q, k, v }) = self.scales {
            for scale in [q, k, v] {
                hasher.update_u64(scale.to_bits());
            }
        }
        QuantizationId::from_bytes(hasher.finish())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn scale(x: f64) -> Scale {
        Scale::new(x).unwrap()
    }

    #[test]
    fn refused_scales() {
        for bad in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(
                Scale::new(bad),
                Err(QuantError::ScaleNotPositive { .. })
            ));
        }
        assert!(Scale::new(f64::MIN_POSITIVE).is_ok());
    }

    #[test]
    fn every_field_is_in_the_identity() {
        let make = |bits, step, scales| {
            QuantizationPolicy::new(
                ValueBits::new(bits).unwrap(),
                ScoreStep::new(step).unwrap(),
                scales,
            )
        };
        let scales = |q, k, v| {
            Some(Scales {
                q: scale(q),
                k: scale(k),
                v: scale(v),
            })
        };
        let policies = [
            make(8, 1, None),
            make(9, 1, None),
            make(8, 2, None),
            make(8, 256, None),
            make(8, 1, scales(1.0, 2.0, 3.0)),
            make(8, 1, scales(1.5, 2.0, 3.0)),
            make(8, 1, scales(1.0, 2.5, 3.0)),
            make(8, 1, scales(1.0, 2.0, 3.5)),
            make(8, 1, scales(2.0, 1.0, 3.0)),
        ];
        let ids: BTreeSet<_> = policies.iter().map(QuantizationPolicy::id).collect();
        assert_eq!(ids.len(), policies.len());
        assert_eq!(
            (
                policies[1].value_bits().get(),
                policies[2].score_step().get()
            ),
            (9, 2)
        );
        assert_eq!(policies[0].scales(), None);
        assert_eq!(policies[4].scales(), scales(1.0, 2.0, 3.0));
    }

    proptest! {
        #[test]
        fn order_is_numeric(a in 1e-300f64..1e300, b in 1e-300f64..1e300) {
            prop_assert_eq!(scale(a).cmp(&scale(b)), a.partial_cmp(&b).unwrap());
        }
    }
}
