//! Strict proof decoding, and verification of one segment against an acceptance policy.
//!
//! A verifier has the bytes of a segment, the public values inside them, and its own
//! [`AcceptancePolicy`](matchmark_statement::AcceptancePolicy). It sees no row of the witness and
//! repeats none of the prover's work. [`verify_segment`] is the whole interface; what it returns,
//! [`Verified`], cannot be made anywhere else.
//!
//! The crate is `no_std`, builds on stable Rust without the prover, and knows nothing of traces. Where it
//! builds, and how on a target without a standard library, is in its README.
//!
//! A segment of the fixtures, which is a chain of one:
//!
//! ```
//! use matchmark_statement::AcceptancePolicy;
//! use matchmark_verifier::{verify_segment, ChainFold, SegmentFile};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = include_bytes!("../../../fixtures/hostile/narrow.segment");
//! let policy = include_str!("../../../fixtures/hostile/narrow.policy.toml");
//! let policy = AcceptancePolicy::from_toml(policy)?;
//!
//! let verified = verify_segment(&SegmentFile::decode(bytes)?, &policy)?;
//! println!("{}", verified.figures());
//! let mut chain = ChainFold::new(policy.clone());
//! chain.push(&verified)?;
//! let chain = chain.finish()?;
//! assert_eq!(chain.segments(), 1);
//!
//! // One bit of the proof.
//! let mut other = bytes.to_vec();
//! *other.last_mut().unwrap() ^= 1;
//! assert!(verify_segment(&SegmentFile::decode(&other)?, &policy).is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `std`: keys as TOML files (`ModelKey::to_toml` and `from_toml`), and policies.
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

#[macro_use]
mod names;

pub mod chain;
pub mod error;
pub mod figures;
pub mod key;
pub mod proof;
pub mod queries;
pub mod segment_file;
mod session;
pub mod sizes;
pub mod soundness;
pub mod structure;
pub mod transcript;
pub mod verified;
mod verify;
mod wire;

#[cfg(test)]
mod tests;

pub use chain::{ChainFold, VerifiedChain};
pub use error::VerifyError;
pub use figures::SecurityFigures;
pub use key::{KeyError, ModelKey, ModelOptions, Stop};
pub use matchmark_air::{DIGITS_RELATION_DIGEST, RELATION_DIGEST};
pub use proof::SegmentProof;
pub use segment_file::{LookupFile, SegmentFile};
pub use soundness::BelowLevel;
pub use verified::Verified;
pub use verify::{verify_segment, verify_segment_watched, Part, VerifiedSegment};

/// The example of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
