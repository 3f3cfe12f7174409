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
        0xef, 0x36, 0xd1, 0x2f, 0xcd, 0x17, 0x26, 0xe7, 0x1a, 0x77, 0xc5, 0x3e, 0x53, 0x72, 0x2d,
        0x25, 0xa5, 0xfe, 0xa2, 0x16, 0xdc, 0x66, 0xab, 0x2c, 0x46, 0x83, 0xcc, 0x5f, 0xbf, 0x4c,
        0x4f, 0x8f,
    ]);

/// Digest of the relation of chains whose values have two digits
/// ([`SegmentLayout::digits`](layout::SegmentLayout::digits)): of all that [`RELATION_DIGEST`] covers, and of the
/// layouts that only these chains have. Chains of whole values have the relation that they had before there were
/// digits.
pub const DIGITS_RELATION_DIGEST: matchmark_statement::RelationDigest =
    matchmark_statement::RelationDigest::from_bytes([
        0x21, 0xd4, 0x8e, 0xd7, 0x67, 0xcb, 0x72, 0xe5, 0x6d, 0x67, 0xb0, 0xbf, 0x23, 0x7d, 0xd9,
        0xdf, 0xca, 0xea, 0xb3, 0xe7, 0x43, 0xac, 0x98, 0xd4, 0xa7, 0xb5, 0x14, 0x97, 0xe8, 0x7f,
        0x5d, 0xb9,
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
