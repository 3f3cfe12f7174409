//! Trace generation and proving of one segment.
//!
//! A [`SegmentProver`] is made once for a chain: it holds what the chain's segments share (terms,
//! twiddles, preprocessed trees). [`SegmentProver::state`] commits a cache, and
//! [`SegmentProver::prove`] proves the steps between two committed caches.
//!
//! It knows nothing of chains and files.
#![forbid(unsafe_code)]

mod error;
mod segment;
mod setup;
mod state;

pub use error::ProveError;
pub use segment::{ProvenSegment, SegmentInput, SegmentMetrics};
pub use setup::{ChainTerms, SegmentProver};
pub use state::CommittedState;
