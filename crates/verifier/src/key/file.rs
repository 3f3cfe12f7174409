//! The file of a key: TOML, of which there is one text for each key.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use matchmark_graph::{ModelArithmetic, ModelShape};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{
    Cut, EndTokens, ModelId, RelationDigest, RelationVersion, TokenId, TokenizerId,
};
use matchmark_tables::WeightTable;
use serde::{Deserialize, Serialize};

use super::{KeyCircuits, KeyError, KeyWeights, ModelKey, ModelKeyParts, ModelOutline};

const HEADER: &str = "# A model's key: what a verifier needs of the model instead of its weights. Whoever holds the\n\
                      # weights derives it anew with `matchmark keygen --check`.\n";

/// Read before everything else, so that a file of a later format is named as such.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: u32,
    relation_version: RelationVersion,
    relation_digest: RelationDigest,
    model: ModelId,
    tokenizer: TokenizerId,
    end_tokens: EndTokens,
    prefix: Vec<TokenId>,
    segment_steps: Vec<SegmentSteps>,
    granularity: SegmentSteps,
    cuts: Vec<Cut>,
    chain_steps: Vec<u32>,
    table: String,
    shape: ModelShape,
    arithmetic: ModelArithmetic,
    weights: Vec<KeyWeights>,
    circuits: Vec<KeyCircuits>,
}

impl ModelKey {
    /// The text of the key's file. Equal keys have equal texts.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let ModelKeyParts {
            relation_version,
            relation_digest,
            outline:
                ModelOutline {
                    identity,
                    shape,
                    arithmetic,
                    table,
                },
            tokenizer,
            end_tokens,
            prefix,
            segment_steps,
            granularity,
            cuts,
            chain_steps,
            weights,
            circuits,
        } = self.parts();
        let file = KeyFile {
            format: Self::FORMAT,
            relation_version: *relation_version,
            relation_digest: *relation_digest,
            model: *identity,
            tokenizer: *tokenizer,
            end_tokens: end_tokens.clone(),
            prefix: prefix.clone(),
            segment_steps: segment_steps.clone(),
            granularity: *granularity,
            cuts: cuts.clone(),
            chain_steps: chain_steps.clone(),
            table: table.to_text(),
            shape: *shape,
            arithmetic: arithmetic.clone(),
            weights: weights.clone(),
            circuits: circuits.clone(),
        };
        // Numbers, digests and texts all have their form; should one have none, the text is not a key, and
        // reading it says so.
        let text = toml::to_string_pretty(&file).unwrap_or_else(|error| format!("# {error}\n"));
        format!("{HEADER}{text}")
    }

    /// Reads the text of a key's file: the only one that [`Self::to_toml`] gives for that key.
    ///
    /// # Errors
    ///
    /// [`KeyError`] for everything else.
    pub fn from_toml(text: &str) -> Result<Self, KeyError> {
        let refused = |error: toml::de::Error| KeyError::Text {
            reason: error.to_string().trim_end().to_owned(),
        };
        let Format { format } = toml::from_str(text).map_err(refused)?;
        if format != Self::FORMAT {
            return Err(KeyError::Format {
                expected: Self::FORMAT,
                got: format,
            });
        }
        let KeyFile {
            format: _,
            relation_version,
            relation_digest,
            model,
            tokenizer,
            end_tokens,
            prefix,
            segment_steps,
            granularity,
            cuts,
            chain_steps,
            table,
            shape,
            arithmetic,
            weights,
            circuits,
        } = toml::from_str(text).map_err(refused)?;
        let key = Self::new(ModelKeyParts {
            relation_version,
            relation_digest,
            outline: ModelOutline {
                identity: model,
                shape,
                arithmetic,
                table: WeightTable::parse(&table)?,
            },
            tokenizer,
            end_tokens,
            prefix,
            segment_steps,
            granularity,
            cuts,
            chain_steps,
            weights,
            circuits,
        })?;
        key.check_text(text)?;
        Ok(key)
    }

    /// Whether this is the text of the key, to the last byte.
    fn check_text(&self, text: &str) -> Result<(), KeyError> {
        let written = self.to_toml();
        if written == text {
            return Ok(());
        }
        // By `split`, as `lines` would not tell a missing end of line.
        let mut expected = written.split('\n');
        let mut got = text.split('\n');
        let mut line = 1;
        loop {
            match (expected.next(), got.next()) {
                (Some(a), Some(b)) if a == b => line += 1,
                (a, b) => {
                    return Err(KeyError::NotCanonical {
                        line,
                        expected: a.unwrap_or_default().to_owned(),
                        got: b.unwrap_or_default().to_owned(),
                    })
                }
            }
        }
    }
}
