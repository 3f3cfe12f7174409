//! Typed statements, their canonical encoding and digest, and acceptance policies.
//!
//! A proof is worth what its statement says. This crate owns what is said:
//!
//! - [`SegmentStatement`]: the claim of one segment's proof, every bound field a type of its own, with
//!   one canonical encoding and one digest, which enters the transcript before anything else;
//! - [`PublicValues`]: a segment's queries, keys, values and outputs, or the tokens of a whole decoder,
//!   bound by digest;
//! - [`ChainAccumulator`] and [`ChainStatement`]: how segments join into a chain, in constant space;
//! - [`AcceptancePolicy`]: what a verifier decided beforehand to accept;
//! - [`codec`]: the one strict binary codec of the project.
//!
//! It knows nothing of proofs and witnesses, nor of the proof library.
//!
//! Public values have one encoding and one digest, by which a statement names them:
//!
//! ```
//! use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, ValueBits};
//! use matchmark_statement::AttentionValues;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shape = AttentionShape::new(QueryHeads::new(1)?, KvHeads::new(1)?, HeadDim::new(2)?)?;
//! // One step: query, key, value, output.
//! let (q, k, v, out) = (vec![1, 0], vec![1, 1], vec![100, -100], vec![100, -100]);
//! let values = AttentionValues::new(shape, ValueBits::DEFAULT, 1, q, k, v, out)?;
//! let bytes = values.encode();
//! let read = AttentionValues::decode(&bytes, shape, ValueBits::DEFAULT, 1)?;
//! assert_eq!(read.digest(), values.digest());
//! // The range is symmetric: -128 is refused, and so is a byte too many.
//! let mut other = bytes.clone();
//! other[0] = 0x80;
//! assert!(AttentionValues::decode(&other, shape, ValueBits::DEFAULT, 1).is_err());
//! let longer = [&bytes[..], &[0]].concat();
//! assert!(AttentionValues::decode(&longer, shape, ValueBits::DEFAULT, 1).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Why bincode
//!
//! The canonical encoding is `bincode` 2 in a fixed configuration: small, specified by the types, usable
//! without the standard library, and speaking `serde`, as the proof library's types do. Its 2.x line is
//! unmaintained, so it stays behind [`codec`], which adds the strictness that a canonical encoding needs
//! and which alone would change if it were replaced.
//!
//! # Features
//!
//! - `std`: policies as TOML files (`AcceptancePolicy::to_toml` and `from_toml`). Without it the crate
//!   is `no_std` and needs only `alloc`.
//!
//! Statements serialize for people through `serde` in every human-readable format; their canonical
//! encoding is [`SegmentStatement::encode`].
#![cfg_attr(not(any(feature = "std", test)), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod answer;
mod chain;
pub mod codec;
mod cut;
mod decoder;
mod domain;
mod error;
mod group;
mod identity;
mod lookup;
mod policy;
mod port;
mod prompt;
mod public_values;
mod security;
mod segment;
mod shape;
mod terms;
mod text;
mod tokens;

pub use answer::{Answer, EndToken, EndTokens, FinishReason};
pub use chain::{ChainAccumulator, ChainError, ChainStatement};
pub use codec::CodecError;
pub use cut::{Cut, CutPattern, ProofPart, SegmentCut};
pub use decoder::{DecoderTerms, SegmentKind};
pub use domain::{VerifierDomain, MAX_APPLICATION_LEN};
pub use error::StatementError;
pub use group::GroupFields;
pub use identity::{
    ChainDigest, ModelId, ModelIdentity, PolicyId, PortCommitment, PreprocessedRoot,
    PublicValuesDigest, RelationDigest, RelationVersion, StatementDigest, StatementVersion,
    TokenizerId,
};
pub use lookup::LookupStatement;
pub use matchmark_graph::{LayerGroup, LayerGroups};
pub use matchmark_quant::QuantizationId;
pub use matchmark_tables::TableId;
pub use policy::{
    AcceptancePolicy, AcceptancePolicyParts, PolicyCircuit, PolicyError, PolicyMismatch,
    ShorterChain,
};
pub use port::Port;
pub use prompt::PromptLength;
pub use public_values::{
    AttentionValues, FormError, PublicValues, PublicValuesError, TokenError, TokenValues,
};
pub use security::{Profile, Regime, Security, SecurityLevel, SecurityParameters};
pub use segment::{OwnFields, SegmentStatement, SegmentStatementParts, MAX_STATEMENT_LEN};
pub use shape::SegmentShape;
pub use terms::{SharedTerms, TermsDifference};
pub use tokens::{TokenEnds, TokenId};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
