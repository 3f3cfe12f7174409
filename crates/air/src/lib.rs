//! The attention decode relation: gadgets, components and the harness that puts them into one
//! proof.
//!
//! A *segment* of decode steps is stated by four kinds of components that share one STARK:
//!
//! | component | a row is | what it shows |
//! |---|---|---|
//! | [`components::vectors`] | query head, step, dimension | `q · K`, output quotient and remainder |
//! | [`components::candidates`] | query head, step, candidate | maximum, gap, clip, weight, sums |
//! | [`components::state`] | cache position, dimension | the cache before and after, projections of keys and values |
//! | [`components::tables`] | table entry | the lookup tables and how often each entry is used |
//!
//! Dense arithmetic is done by random projections: [`challenges::ProjectionChallenges`] are drawn
//! after the witness is committed, the projected columns are committed next, and only then are the
//! [`challenges::LookupChallenges`] drawn. See `docs/soundness.md`.
//!
//! Verifier and prover run the same constraint code. What only the prover needs (trace generation,
//! the mock checker, the pinned descriptions) is behind the feature `prover`.
#![cfg_attr(not(feature = "prover"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod challenges;
pub mod components;
pub mod gadgets;
pub mod harness;
pub mod hash;
pub mod layout;
pub mod preprocessed;
pub mod relation;
pub mod segment;
pub mod state;
pub mod trees;

#[cfg(feature = "prover")]
pub mod describe;
#[cfg(feature = "prover")]
pub mod mock;
#[cfg(feature = "prover")]
pub mod witness;

/// Digest of the relation: of the constraint expressions of all components.
///
/// Computed by [`describe`] where the expression evaluator is at hand (feature `prover`), pinned here
/// for the verifier, and compared by a test.
pub const RELATION_DIGEST: matchmark_statement::RelationDigest =
    matchmark_statement::RelationDigest::from_bytes([
        0x79, 0xd2, 0xbe, 0xae, 0xb3, 0x74, 0x53, 0x7e, 0x2c, 0xc0, 0x7b, 0xdd, 0xab, 0x2a, 0x35,
        0x70, 0x2a, 0xc2, 0x11, 0xb8, 0x03, 0xd1, 0x64, 0x99, 0x39, 0x60, 0x5a, 0x80, 0xee, 0xef,
        0xca, 0x6b,
    ]);

/// The example of the README, compiled with the tests.
#[cfg(all(doctest, feature = "prover"))]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
