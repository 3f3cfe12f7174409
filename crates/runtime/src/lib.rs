//! The plain integer reference of attention decode, and the import of real tensors.
//!
//! An [`AttentionTrace`] holds the integer tensors of a decode: the cache before the first step and
//! the query, key and value of every step. It is read from a safetensors file, or made from float
//! tensors by [`quantize_file`], which also measures how far the integers are from the floats.
//! [`execute_segment`] runs consecutive steps on a [`KvCache`] and records every intermediate value
//! that a proof speaks of; [`decode`] is a second, deliberately naive implementation of the same
//! semantics that serves as the oracle in tests.
//!
//! The crate knows nothing of proofs.
//!
//! ```
//! use matchmark_quant::{Rounding, StepRange};
//! use matchmark_runtime::{execute_segment, AttentionTrace, AttentionTraceParts, KvCache};
//! # use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, ValueBits};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let trace = AttentionTrace::new(AttentionTraceParts {
//!     shape: AttentionShape::new(QueryHeads::new(1)?, KvHeads::new(1)?, HeadDim::new(2)?)?,
//!     value_bits: ValueBits::DEFAULT,
//!     steps: StepRange::new(0, 2)?,
//!     q: vec![1, 0, 0, 1],
//!     k: vec![1, 1, 0, 0],
//!     v: vec![100, -100, 50, 50],
//!     prefix_k: vec![],
//!     prefix_v: vec![],
//!     metadata: Default::default(),
//! })?;
//! let rules = trace.rules(Rounding::NearestTiesUp, None, None)?;
//! let inputs = trace.segment(trace.step_range())?;
//! let (execution, after) = execute_segment(&KvCache::from_prefix(&trace), &inputs, &rules)?;
//! assert_eq!(execution.out[..2], [100, -100]);
//! assert_eq!(after.entries(), 2);
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod cache;
mod container;
mod decode;
mod dimension;
mod error;
mod execute;
mod fidelity;
mod floats;
mod git_lfs;
mod header;
mod metadata;
mod public;
mod quantize;
mod resolution;
mod rules;
mod segment;
mod synthetic;
mod tensor_file;
mod trace;
mod trace_file;

pub use cache::KvCache;
pub use container::TensorView;
pub use decode::decode;
pub use error::{FloatError, RuntimeError, TraceError};
pub use execute::{execute_segment, ScoreRecord, SegmentExecution, StepRecord};
pub use fidelity::{FidelityReport, OutputDistance};
pub use floats::check_floats;
pub use git_lfs::GitLfsPointer;
pub use metadata::TraceMetadata;
pub use public::{encode_public_values, write_public_values};
pub use quantize::{quantize_bytes, quantize_file, quantize_file_with};
pub use resolution::TableResolution;
pub use rules::DecodeRules;
pub use segment::SegmentInputs;
pub use synthetic::{synthetic_score_step, synthetic_trace};
pub use tensor_file::TensorFile;
pub use trace::{AttentionTrace, AttentionTraceParts};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
