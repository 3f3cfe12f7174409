//! The manifest of a chain: everything that is needed to resume, beside the copies of the inputs.

use matchmark_quant::{digest_newtype, StepRange};
use matchmark_statement::{SharedTerms, TermsDifference};
use serde::{Deserialize, Serialize};

use crate::proving::boundaries::BoundaryPattern;
use sha2::{Digest, Sha256};

digest_newtype! {
    /// Plain SHA-256 of a file's bytes.
    pub struct FileDigest;
}

impl FileDigest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_bytes(Sha256::digest(bytes).into())
    }
}

/// What a chain directory is about: terms, steps, and the digests of the copied inputs.
///
/// The segment length and the capacity of the cache are part of the terms' shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainManifest {
    /// Version of the format, [`ChainManifest::FORMAT`].
    pub format: u32,
    /// Digest of the copy of the trace.
    pub trace_sha256: FileDigest,
    /// Digest of the copy of the weight table.
    pub table_sha256: FileDigest,
    /// The steps of the whole chain.
    pub steps: StepRange,
    /// Which segments are fused, and which are split.
    pub boundaries: BoundaryPattern,
    /// What all segments have in common.
    pub terms: SharedTerms,
}

/// In what two manifests differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestDifference {
    /// Name of the field.
    pub field: &'static str,
    /// On the side that was asked.
    pub expected: String,
    /// On the other side.
    pub got: String,
}

/// Why a text is no manifest.
#[derive(Debug)]
pub(crate) enum ManifestError {
    Format(u32),
    Text(String),
}

/// Read before everything else, so that a file of a later format is named as such.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl ChainManifest {
    /// Version of the format.
    pub const FORMAT: u32 = 2;

    /// The first field in which `other` differs from `self`, if any.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<ManifestDifference> {
        // Taken apart exhaustively: a new field does not compile until it is compared. The format is
        // the one that is read at all.
        let Self {
            format: _,
            trace_sha256,
            table_sha256,
            steps,
            boundaries,
            terms,
        } = self;
        if let Some(TermsDifference {
            field,
            expected,
            got,
        }) = terms.first_difference(&other.terms)
        {
            return Some(ManifestDifference {
                field,
                expected,
                got,
            });
        }
        let differ = |field, expected: &dyn ToString, got: &dyn ToString| {
            let (expected, got) = (expected.to_string(), got.to_string());
            (expected != got).then_some(ManifestDifference {
                field,
                expected,
                got,
            })
        };
        differ("steps", steps, &other.steps)
            .or_else(|| differ("boundaries", boundaries, &other.boundaries))
            .or_else(|| differ("trace", trace_sha256, &other.trace_sha256))
            .or_else(|| differ("table file", table_sha256, &other.table_sha256))
    }

    pub(crate) fn to_toml(&self) -> Result<String, String> {
        let text = toml::to_string(self).map_err(|error| error.to_string())?;
        Ok(format!(
            "# A chain of proofs: what is proven here. Read by the prover to resume; verifying does not\n\
             # look at it.\n{text}"
        ))
    }

    pub(crate) fn from_toml(text: &str) -> Result<Self, ManifestError> {
        let refused =
            |error: toml::de::Error| ManifestError::Text(error.to_string().trim_end().to_owned());
        let Header { format } = toml::from_str(text).map_err(refused)?;
        if format != Self::FORMAT {
            return Err(ManifestError::Format(format));
        }
        toml::from_str(text).map_err(refused)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use matchmark_quant::{
        AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
        Scale, Scales, ScoreStep, SegmentSteps, TableBounds, ValueBits,
    };
    use matchmark_statement::{
        Boundary, ModelIdentity, RelationDigest, RelationVersion, Security, SegmentShape,
        StatementVersion, TableId, VerifierDomain,
    };
    use proptest::prelude::*;

    fn manifest(scale: f64) -> ChainManifest {
        let scale = |x: f64| Scale::new(x * scale).unwrap();
        ChainManifest {
            format: ChainManifest::FORMAT,
            trace_sha256: FileDigest::of(b"trace"),
            table_sha256: FileDigest::of(b"table"),
            steps: StepRange::new(2, 6).unwrap(),
            boundaries: BoundaryPattern::default(),
            terms: SharedTerms {
                version: StatementVersion::CURRENT,
                relation_version: RelationVersion::CURRENT,
                relation_digest: RelationDigest::from_bytes([1; 32]),
                domain: VerifierDomain::new("a \"quoted\" name", [7; 16]).unwrap(),
                security: Security::default(),
                model: ModelIdentity::TraceOnly,
                quantization: QuantizationPolicy::new(
                    ValueBits::DEFAULT,
                    ScoreStep::new(12).unwrap(),
                    Some(Scales {
                        q: scale(0.1),
                        k: scale(1.0 / 3.0),
                        v: scale(7.0),
                    }),
                ),
                rounding: Rounding::NearestTiesUp,
                table: TableId::from_bytes([2; 32]),
                table_bounds: TableBounds {
                    len: 256,
                    max_weight: 4096,
                },
                shape: SegmentShape::new(
                    AttentionShape::new(
                        QueryHeads::new(2).unwrap(),
                        KvHeads::new(1).unwrap(),
                        HeadDim::new(8).unwrap(),
                    )
                    .unwrap(),
                    CacheCapacity::new(8).unwrap(),
                    SegmentSteps::new(2).unwrap(),
                )
                .unwrap(),
                decoder: None,
            },
        }
    }

    #[test]
    fn strict() {
        let text = manifest(1.0).to_toml().unwrap();
        assert!(matches!(
            ChainManifest::from_toml(&text.replace("format = 2", "format = 3")),
            Err(ManifestError::Format(3))
        ));
        for bad in [
            text.replace("format = 2", "format = 2\nextra = 0"),
            text.replace("boundaries = [\"fused\"]", "boundaries = []"),
            text.replace("trace_sha256", "trace_sha512"),
            text.replace("value_bits = 8", "value_bits = 3"),
            text.replace("[terms.domain]", "[terms.domain]\nx = 1"),
            String::new(),
            "format =".to_owned(),
        ] {
            assert!(matches!(
                ChainManifest::from_toml(&bad),
                Err(ManifestError::Text(_))
            ));
        }
    }

    #[test]
    fn every_field_is_compared() {
        let one = manifest(1.0);
        assert_eq!(one.first_difference(&one.clone()), None);
        let field = |change: &dyn Fn(&mut ChainManifest)| {
            let mut other = one.clone();
            change(&mut other);
            one.first_difference(&other).unwrap().field
        };
        assert_eq!(field(&|m| m.trace_sha256 = FileDigest::of(b"")), "trace");
        assert_eq!(
            field(&|m| m.table_sha256 = FileDigest::of(b"")),
            "table file"
        );
        assert_eq!(field(&|m| m.steps = StepRange::new(2, 5).unwrap()), "steps");
        assert_eq!(
            field(&|m| m.boundaries = Boundary::Split.into()),
            "boundaries"
        );
        assert_eq!(field(&|m| m.terms.rounding = Rounding::Floor), "rounding");
    }

    proptest! {
        #[test]
        fn round_trips(scale in 1e-30f64..1e30) {
            let manifest = manifest(scale);
            let text = manifest.to_toml().unwrap();
            prop_assert_eq!(ChainManifest::from_toml(&text).unwrap(), manifest);
        }
    }
}
