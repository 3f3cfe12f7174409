//! Trace generation and proving of one segment.
//!
//! A [`SegmentProver`] is made once for a chain: it holds what the chain's segments share (terms,
//! twiddles, preprocessed trees). [`SegmentProver::state`] commits a cache, and
//! [`SegmentProver::prove`] proves the steps between two committed caches.
//!
//! It knows nothing of chains and files.
//!
//! Two steps of attention, from integers to a segment file:
//!
//! ```
//! use matchmark_prover::{mock_segment, ChainTerms, SegmentInput, SegmentProver};
//! use matchmark_quant::{
//!     AttentionShape, CacheCapacity, HeadDim, KvHeads, QuantizationPolicy, QueryHeads, Rounding,
//!     SegmentSteps, StepRange, ValueBits,
//! };
//! use matchmark_runtime::{execute_segment, synthetic_trace, KvCache};
//! use matchmark_statement::{
//!     Cut, Profile, Security, SecurityLevel, SegmentShape, VerifierDomain,
//! };
//! use matchmark_verifier::SegmentFile;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shape = AttentionShape::new(QueryHeads::new(2)?, KvHeads::new(1)?, HeadDim::new(4)?)?;
//! let trace = synthetic_trace(shape, ValueBits::DEFAULT, StepRange::new(0, 2)?, 1)?;
//! let rules = trace.rules(Rounding::NearestTiesUp, None, None)?;
//! let before = KvCache::from_prefix(&trace);
//! let inputs = trace.segment(trace.step_range())?;
//! let (execution, after) = execute_segment(&before, &inputs, &rules)?;
//!
//! let terms = ChainTerms::attention(
//!     VerifierDomain::new("example", [0; 16])?,
//!     // 13 bits, so that the example takes no time: anyone can forge such a proof.
//!     Security::new(SecurityLevel::Insecure13, Profile::Compact)?,
//!     QuantizationPolicy::new(ValueBits::DEFAULT, rules.score_step, None),
//!     rules.rounding,
//!     SegmentShape::new(shape, CacheCapacity::new(2)?, SegmentSteps::new(2)?)?,
//!     rules.table.clone(),
//! );
//! // The constraints, row by row, without a proof: where one fails, it is named.
//! mock_segment(&terms, &execution, &before, &after, Cut::Fused)?;
//!
//! let prover = SegmentProver::new(terms)?;
//! let (before, after) = (prover.state(before)?, prover.state(after)?);
//! let proven = prover.prove(&SegmentInput {
//!     cut: Cut::Fused,
//!     execution: &execution,
//!     before: &before,
//!     after: &after,
//! })?;
//! let file = SegmentFile::decode(&proven.file.encode()?)?;
//! assert_eq!(file.statement().state_after(), after.commitment());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod committed;
mod error;
mod instructions;
mod mock;
mod model;
pub mod part;
mod segment;
mod setup;
mod sizes;
mod state;
mod stream;

pub use committed::{model_outline, CommittedModel};
pub use error::ProveError;
pub use instructions::unused_instructions;
pub use matchmark_air::mock::MockFailure;
pub use matchmark_verifier::key::{ChainTerms, ModelChain, ModelOutline};
pub use mock::{mock_segment, ModelMock};
pub use model::ModelInput;
pub use segment::{public_values, PartPorts, ProvenSegment, SegmentInput, SegmentMetrics};
pub use setup::{SegmentProver, Twiddles};
pub use sizes::{HeldSizes, SegmentMemory, SegmentSizes};
pub use state::CommittedState;
pub use stream::CommittedStream;

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
