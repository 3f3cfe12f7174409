//! Versions, digests and commitments, each a type of its own.

use core::fmt;

use matchmark_quant::digest_newtype;
use serde::{Deserialize, Serialize};

macro_rules! version_newtype {
    ($($(#[$meta:meta])* $name:ident, $current:literal;)+) => {$(
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u16);

        impl $name {
            /// The version of this source code.
            pub const CURRENT: Self = Self($current);

            /// Names a version.
            #[must_use]
            pub const fn new(version: u16) -> Self {
                Self(version)
            }

            /// The version's number.
            #[must_use]
            pub const fn get(self) -> u16 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

version_newtype! {
    /// Version of the statement: of its fields and of their encoding.
    StatementVersion, 9;
    /// Version of the relation: of the constraint system that a proof satisfies. Every change of the
    /// constraints is a new version.
    RelationVersion, 10;
}

digest_newtype! {
    /// Digest of the relation itself, computed from its constraint expressions.
    ///
    /// It keeps the relation's version honest: two circuits with one version have two digests.
    pub struct RelationDigest;

    /// Identity of a model: a digest of its content.
    pub struct ModelId;

    /// Identity of a tokenizer: a digest of its content.
    pub struct TokenizerId;

    /// Digest of a segment's [public values](crate::PublicValues).
    pub struct PublicValuesDigest;

    /// Commitment to a [port](crate::Port): a digest over what it is, the root of the tree that holds its
    /// columns, and their fingerprint.
    pub struct PortCommitment;

    /// Root of the tree of preprocessed columns: what a circuit of one segment length is made of.
    pub struct PreprocessedRoot;

    /// Digest of a [segment statement](crate::SegmentStatement).
    pub struct StatementDigest;

    /// Identity of an [acceptance policy](crate::AcceptancePolicy).
    pub struct PolicyId;

    /// Running digest over the segments of a chain, in order.
    pub struct ChainDigest;
}

/// What a statement says about a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelIdentity {
    /// Nothing: the statement is about given queries, keys and values, wherever they come from.
    TraceOnly,
    /// The steps are those of a whole decoder with this model.
    Weights(ModelId),
}

impl fmt::Display for ModelIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TraceOnly => f.write_str("none (trace only)"),
            Self::Weights(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::codec;
    use alloc::string::ToString;

    #[test]
    fn current_versions() {
        assert_eq!(StatementVersion::CURRENT.get(), 9);
        assert_eq!(RelationVersion::CURRENT.to_string(), "10");
        assert_eq!(
            codec::encode(&RelationVersion::new(0x0203)).unwrap(),
            [3, 2]
        );
    }

    #[test]
    fn model_identity_in_text_json_and_bytes() {
        let weights = ModelIdentity::Weights(ModelId::from_bytes([0xcd; 32]));
        assert_eq!(ModelIdentity::TraceOnly.to_string(), "none (trace only)");
        assert_eq!(weights.to_string(), "cd".repeat(32));
        assert_eq!(
            serde_json::to_string(&ModelIdentity::TraceOnly).unwrap(),
            "\"trace-only\""
        );
        assert_eq!(
            serde_json::to_value(weights).unwrap(),
            serde_json::json!({ "weights": "cd".repeat(32) })
        );
        assert_eq!(codec::encode(&ModelIdentity::TraceOnly).unwrap(), [0; 4]);
        let bytes = codec::encode(&weights).unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[35]), (36, 1, 0xcd));
        assert_eq!(codec::decode::<ModelIdentity>(&bytes, 36).unwrap(), weights);
    }
}
