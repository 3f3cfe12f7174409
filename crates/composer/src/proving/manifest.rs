//! The manifest of a chain: everything that is needed to resume, beside the copies of the inputs.

use matchmark_quant::{digest_newtype, StepRange};
use matchmark_statement::{CutPattern, EndTokens, SharedTerms, TermsDifference, TokenId};
use serde::{Deserialize, Serialize};

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

/// What a chain directory is about: terms, steps, end tokens, and the digests of the copied inputs.
///
/// The segment length and the capacity of the cache are part of the terms' shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainManifest {
    /// Version of the format, [`ChainManifest::FORMAT`].
    pub format: u32,
    /// The steps of the whole chain, or the most that it has where an end token ends it before.
    pub steps: StepRange,
    /// Which segments are fused, and which are split.
    pub cuts: CutPattern,
    /// The tokens that end the answer of a model; empty for a trace.
    pub end_tokens: EndTokens,
    /// Most tokens of the answer of a model; 0 for a trace.
    pub answer_tokens: u32,
    /// What the chain is computed from.
    pub inputs: ChainInputs,
    /// What all segments have in common.
    #[serde(with = "written_terms")]
    pub terms: SharedTerms,
}

/// The terms as the manifest has them: behind the version of the statements that they are made for.
mod written_terms {
    use matchmark_statement::{SharedTerms, StatementVersion};
    use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    struct Written<'a> {
        version: StatementVersion,
        #[serde(flatten)]
        terms: &'a SharedTerms,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        version: StatementVersion,
        #[serde(flatten)]
        terms: SharedTerms,
    }

    pub(super) fn serialize<S: Serializer>(terms: &SharedTerms, to: S) -> Result<S::Ok, S::Error> {
        let version = StatementVersion::CURRENT;
        Written { version, terms }.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SharedTerms, D::Error> {
        let Read {
            version: got,
            terms,
        } = Read::deserialize(from)?;
        let expected = StatementVersion::CURRENT;
        if got != expected {
            return Err(de::Error::custom(format_args!(
                "statement version is {got}, expected {expected}"
            )));
        }
        Ok(terms)
    }
}

/// The manifest, and the contents of the copies by name.
pub(crate) struct PlanFiles {
    pub(crate) manifest: ChainManifest,
    pub(crate) copies: Vec<(&'static str, Vec<u8>)>,
}

/// What a chain is computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ChainInputs {
    /// Queries, keys and values of one attention layer.
    Trace {
        /// Digest of the copy of the trace.
        trace_sha256: FileDigest,
        /// Digest of the copy of the weight table.
        table_sha256: FileDigest,
    },
    /// A model and the tokens that are given to it.
    Model {
        /// Digest of the copy of the model.
        model_sha256: FileDigest,
        /// The tokens that are given.
        prompt: Vec<TokenId>,
    },
}

impl ChainInputs {
    /// The fields by name, in words.
    fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Trace {
                trace_sha256,
                table_sha256,
            } => vec![
                ("inputs", "a trace".to_owned()),
                ("trace", trace_sha256.to_string()),
                ("table file", table_sha256.to_string()),
            ],
            Self::Model {
                model_sha256,
                prompt,
            } => vec![
                ("inputs", "a model".to_owned()),
                ("model file", model_sha256.to_string()),
                ("prompt", words(prompt)),
            ],
        }
    }

    /// The first field in which `other` differs, if any.
    fn first_difference(&self, other: &Self) -> Option<ManifestDifference> {
        let pairs = self.fields().into_iter().zip(other.fields());
        pairs
            .map(|((field, expected), (_, got))| ManifestDifference {
                field,
                expected,
                got,
            })
            .find(|it| it.expected != it.got)
    }
}

/// Tokens in words.
fn words(tokens: &[TokenId]) -> String {
    let words: Vec<String> = tokens.iter().map(ToString::to_string).collect();
    format!("[{}]", words.join(" "))
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

/// Why a text is not a manifest.
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
    pub const FORMAT: u32 = 9;

    /// The first field in which `other` differs from `self`, if any.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<ManifestDifference> {
        // Taken apart exhaustively: a new field does not compile until it is compared. The format is
        // the one that is read at all.
        let Self {
            format: _,
            steps,
            cuts,
            end_tokens,
            answer_tokens,
            inputs,
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
            .or_else(|| differ("cuts", cuts, &other.cuts))
            .or_else(|| differ("end_tokens", end_tokens, &other.end_tokens))
            .or_else(|| differ("answer_tokens", answer_tokens, &other.answer_tokens))
            .or_else(|| inputs.first_difference(&other.inputs))
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
        Cut, CutPattern, ModelIdentity, RelationDigest, RelationVersion, Security, SegmentShape,
        TableId, VerifierDomain,
    };
    use proptest::prelude::*;

    fn inputs(trace: &[u8], table: &[u8]) -> ChainInputs {
        ChainInputs::Trace {
            trace_sha256: FileDigest::of(trace),
            table_sha256: FileDigest::of(table),
        }
    }

    fn model_inputs(model: &[u8], prompt: &[u32]) -> ChainInputs {
        ChainInputs::Model {
            model_sha256: FileDigest::of(model),
            prompt: prompt.iter().copied().map(TokenId::new).collect(),
        }
    }

    fn manifest(scale: f64) -> ChainManifest {
        let scale = |x: f64| Scale::new(x * scale).unwrap();
        ChainManifest {
            format: ChainManifest::FORMAT,
            steps: StepRange::new(2, 6).unwrap(),
            cuts: CutPattern::default(),
            end_tokens: EndTokens::NONE,
            answer_tokens: 0,
            inputs: inputs(b"trace", b"table"),
            terms: SharedTerms {
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
            ChainManifest::from_toml(&text.replace("format = 9", "format = 8")),
            Err(ManifestError::Format(8))
        ));
        for bad in [
            text.replace("format = 9", "format = 9\nextra = 0"),
            text.replace("[inputs]", "[inputs]\nextra = 0"),
            text.replace("kind = \"trace\"", "kind = \"model\""),
            text.replace("kind = \"trace\"", "kind = \"tensor\""),
            text.replace("cuts = [\"fused\"]", "cuts = []"),
            text.replace("end_tokens = []", ""),
            text.replace("answer_tokens = 0", ""),
            text.replace("end_tokens = []", "end_tokens = [2, 1]"),
            text.replace("trace_sha256", "trace_sha512"),
            text.replace("value_bits = 8", "value_bits = 3"),
            text.replace("[terms.domain]", "[terms.domain]\nx = 1"),
            text.replace("[terms]", "[terms]\nx = 1"),
            text.replace("[terms]\nversion = 9", "[terms]\nversion = 8"),
            text.replace("[terms]\nversion = 9", "[terms]"),
            String::new(),
            "format =".to_owned(),
        ] {
            assert_ne!(bad, text);
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
        assert_eq!(field(&|m| m.inputs = inputs(b"", b"table")), "trace");
        assert_eq!(field(&|m| m.inputs = inputs(b"trace", b"")), "table file");
        assert_eq!(field(&|m| m.inputs = model_inputs(b"", &[])), "inputs");
        assert_eq!(field(&|m| m.steps = StepRange::new(2, 5).unwrap()), "steps");
        assert_eq!(field(&|m| m.cuts = Cut::Split.into()), "cuts");
        let ends = EndTokens::new([TokenId::new(2)]).unwrap();
        assert_eq!(field(&|m| m.end_tokens = ends.clone()), "end_tokens");
        assert_eq!(field(&|m| m.answer_tokens = 1), "answer_tokens");
        assert_eq!(field(&|m| m.terms.rounding = Rounding::Floor), "rounding");
        let one = model_inputs(b"model", &[1, 2]);
        let field = |other| one.first_difference(&other).unwrap().field;
        assert_eq!(field(model_inputs(b"", &[1, 2])), "model file");
        assert_eq!(field(model_inputs(b"model", &[12])), "prompt");
    }

    proptest! {
        #[test]
        fn round_trips(scale in 1e-30f64..1e30) {
            let mut manifest = manifest(scale);
            if scale > 1.0 {
                manifest.inputs = model_inputs(b"model", &[1, 2]);
            }
            let text = manifest.to_toml().unwrap();
            prop_assert_eq!(ChainManifest::from_toml(&text).unwrap(), manifest);
        }
    }
}
