//! The relation of transformer decode: gadgets, components and the harness that puts them into one
//! proof.
//!
//! A *segment* of decode steps of attention is stated by four kinds of components that share one STARK:
//!
//! | component | a row is | what it shows |
//! |---|---|---|
//! | [`ops::attention::vectors`] | query head, step, dimension | `q · K`, output quotient and remainder |
//! | [`ops::attention::scores`] | query head, step, cache position | maximum, gap, clip, weight, sums |
//! | [`ops::attention::cache`] | cache position, dimension | the cache before and after, random linear combinations of keys and values |
//! | [`ops::tables`] | table entry | the lookup tables and how often each entry is used |
//!
//! A segment of a whole decoder has seven more, around the attention of all its layers:
//!
//! | component | a row is | what it shows |
//! |---|---|---|
//! | [`linear`](ops::linear) | matrix, block of outputs, input | the products with the weights |
//! | [`stream`](ops::stream) | stage, channel, step | what is added to the residual stream, and its normalization |
//! | [`norms`](ops::norms) | stage, step | the factor by which a stage is normalized |
//! | [`rotary`](ops::rotary) | layer, head, pair of dimensions, step | queries and keys, rotated |
//! | [`values`](ops::values) | layer, key/value head, dimension, step | the new values of the cache |
//! | [`gated`](ops::gated) | layer, channel of the MLP, step | gate, up, and their product |
//! | [`argmax`](ops::argmax) | token of the vocabulary, step | logits, their maximum, the chosen token |
//!
//! A split segment has two proofs, of attention alone and of a decoder alike: the first has all of these but
//! the weight table, the second has [`ops::membership`] and the weight table.
//!
//! Dense arithmetic is done by random linear combinations: [`challenges::RlcChallenges`] are drawn
//! after the witness is committed, the combined columns are committed next, and only then are the
//! [`challenges::LookupChallenges`] drawn. See `docs/soundness.md`.
//!
//! Verifier and prover run the same constraint code. What only the prover needs (trace generation,
//! the mock checker, the pinned descriptions) is behind the feature `prover`.
#![cfg_attr(not(feature = "prover"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod challenges;
pub mod channel;
pub mod circuit;
pub mod decoder;
pub mod fingerprint;
pub mod gadgets;
pub mod harness;
pub mod hash;
pub mod layout;
pub mod ops;
pub mod points;
pub mod preprocessed;
pub mod protocol;
pub mod relation;
pub mod tables;
pub mod trees;

#[cfg(feature = "prover")]
pub mod column;
#[cfg(feature = "prover")]
pub mod describe;
#[cfg(feature = "prover")]
pub mod execution;
#[cfg(feature = "prover")]
pub mod mock;
#[cfg(feature = "prover")]
pub mod witness;

/// Digest of the relation: of the constraint expressions of all components, the contents of all selectors, and
/// the terms that the verifier adds itself.
///
/// Computed by the module `describe` where the expression evaluator is at hand (feature `prover`), pinned
/// here for the verifier, and compared by a test.
pub const RELATION_DIGEST: matchmark_statement::RelationDigest =
    matchmark_statement::RelationDigest::from_bytes([
        0xbe, 0x4f, 0x45, 0x9a, 0x86, 0x13, 0x16, 0xbb, 0x22, 0x4f, 0x66, 0x77, 0x64, 0xdc, 0xb9,
        0x16, 0x8a, 0x34, 0x9a, 0x81, 0xb2, 0x3c, 0x65, 0x16, 0x8c, 0x17, 0x05, 0xcc, 0x8b, 0xdb,
        0x39, 0x67,
    ]);

/// Digest of the relation of chains whose values have two digits
/// ([`SegmentLayout::digits`](layout::SegmentLayout::digits)): of all that [`RELATION_DIGEST`] covers, and of the
/// layouts that only these chains have. Chains of whole values have the relation that they had before there were
/// digits.
pub const DIGITS_RELATION_DIGEST: matchmark_statement::RelationDigest =
    matchmark_statement::RelationDigest::from_bytes([
        0xc4, 0xfd, 0x32, 0x14, 0x41, 0xc7, 0x8c, 0x07, 0x7a, 0xf9, 0x27, 0x04, 0x4b, 0x96, 0x8f,
        0xc8, 0xe7, 0x11, 0x2e, 0xf5, 0xb4, 0x75, 0xdb, 0x32, 0x16, 0xe0, 0x1f, 0x3d, 0x01, 0xc4,
        0x80, 0x31,
    ]);

/// The digest of the relation of chains with these bounds.
#[must_use]
pub const fn relation_digest_of(
    bounds: &matchmark_quant::AccumulatorBounds,
) -> matchmark_statement::RelationDigest {
    match bounds.digits() {
        None => RELATION_DIGEST,
        Some(_) => DIGITS_RELATION_DIGEST,
    }
}

/// The example of the README, compiled with the tests.
#[cfg(all(doctest, feature = "prover"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
