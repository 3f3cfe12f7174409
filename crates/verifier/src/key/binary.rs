//! Keys as bytes: the same content as the file for people, for programs that read no TOML.
use alloc::vec::Vec;

use matchmark_graph::{ModelArithmetic, ModelShape};
use matchmark_quant::SegmentSteps;
use matchmark_statement::{
    codec, CodecError, Cut, EndTokens, ModelId, RelationDigest, RelationVersion, TokenId,
    TokenizerId,
};
use matchmark_tables::WeightTable;
use serde::{Deserialize, Serialize};

use super::{KeyCircuits, KeyError, KeyWeights, ModelKey, ModelKeyParts, ModelOutline};

/// How the bytes of a key begin.
const MAGIC: &str = "matchmark key\n";

/// The encoding, field by field.
#[derive(Serialize, Deserialize)]
struct Encoding {
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
    table: WeightTable,
    shape: ModelShape,
    arithmetic: ModelArithmetic,
    weights: Vec<KeyWeights>,
    circuits: Vec<KeyCircuits>,
}

impl ModelKey {
    /// Largest number of bytes that [`Self::from_bytes`] reads: a key of a thousand segment lengths at all
    /// heights has fewer.
    pub const MAX_BYTES: usize = 1 << 24;

    /// The key as bytes: [`Self::FORMAT`] behind a line that names what it is, then the canonical encoding
    /// of all fields. There is one encoding of each key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Encoding`] if a field has no encoding, which no key is known to have.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
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
        } = self.parts.clone();
        let encoding = codec::encode(&Encoding {
            relation_version,
            relation_digest,
            model: identity,
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
        })?;
        let mut bytes = MAGIC.as_bytes().to_vec();
        bytes.extend(Self::FORMAT.to_le_bytes());
        bytes.extend(encoding);
        Ok(bytes)
    }

    /// Reads the bytes of [`Self::to_bytes`].
    ///
    /// # Errors
    ///
    /// [`KeyError::Magic`], [`KeyError::Format`] or [`KeyError::Encoding`] for bytes that are not those of a key
    /// of this version, and those of [`Self::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let magic = KeyError::Magic { expected: MAGIC };
        let rest = bytes.strip_prefix(MAGIC.as_bytes()).ok_or(magic)?;
        let truncated = CodecError::Truncated { got: rest.len() };
        let (format, encoding) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let (expected, got) = (Self::FORMAT, u32::from_le_bytes(*format));
        if expected != got {
            return Err(KeyError::Format { expected, got });
        }
        let Encoding {
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
        } = codec::decode(encoding, Self::MAX_BYTES)?;
        Self::new(ModelKeyParts {
            relation_version,
            relation_digest,
            outline: ModelOutline {
                identity: model,
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
        })
    }
}
