//! Trace generation and proving of one segment.
//!
//! A [`SegmentProver`] is made once for a chain: it holds what the chain's segments share (terms,
//! twiddles, preprocessed trees). [`SegmentProver::state`] commits a cache, and
//! [`SegmentProver::prove`] proves the steps between two committed caches.
//!
//! It knows nothing of chains and files.
#![forbid(unsafe_code)]

mod committed;
mod error;
mod extension;
mod instructions;
mod mock;
mod model;
mod segment;
mod setup;
mod sizes;
mod state;

pub use error::{ExtensionError, ProveError};
pub use extension::{ExtensionId, ModelExtension};
pub use instructions::unused_instructions;
pub use matchmark_air::mock::MockFailure;
pub use matchmark_verifier::key::{ChainTerms, ModelChain, ModelOutline};
pub use mock::{mock_segment, MockError, ModelMock};
pub use model::{model_outline, CommittedModel, ModelInput};
pub use segment::{public_values, ProvenSegment, SegmentInput, SegmentMetrics};
pub use setup::SegmentProver;
pub use sizes::{HeldSizes, SegmentMemory, SegmentSizes};
pub use state::CommittedState;

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::missing_panics_doc,
    missing_docs
)]
mod tests;

/// The example of the README, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
