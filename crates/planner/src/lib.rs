//! What a proof will cost, before it is made, and which chain to prove.
//!
//! - [`bytes`]: the bytes of a proof, from the structure that the verifier demands: exact but for what
//!   depends on the query positions, whose expectation is exact.
//! - [`work`] and [`cost`]: processor time, memory and time of verifying, by a model that is fitted to
//!   measurements ([`mod@fit`]).
//! - [`calibration`]: what is measured for it, and the file that keeps it. Without one, the numbers of a
//!   reference machine stand in ([`mod@reference`]).
//! - [`plan`]: all chains that would prove a workload at a security level, those within bounds sorted
//!   by what they cost.
//!
//! The crate measures nothing: it says what to measure, and takes the results. It knows nothing of
//! traces, witnesses and files of proofs.
//!
//! A bound on memory is paid for in bytes:
//!
//! ```
//! use matchmark_planner::{reference, Limits, Objective, Plan, Request, Workload};
//! # use matchmark_quant::{
//! #     AttentionShape, HeadDim, KvHeads, QueryHeads, Rounding, ScoreStep, StepRange, ValueBits,
//! # };
//! # use matchmark_statement::SecurityLevel;
//! # use matchmark_tables::WeightTable;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let workload = Workload {
//! #     shape: AttentionShape::new(QueryHeads::new(4)?, KvHeads::new(4)?, HeadDim::new(64)?)?,
//! #     steps: StepRange::new(2, 64)?,
//! #     value_bits: ValueBits::DEFAULT,
//! #     score_step: ScoreStep::new(264)?,
//! #     rounding: Rounding::NearestTiesUp,
//! #     table: WeightTable::exp256_default().bounds(),
//! #     decoder: None,
//! # };
//! let mut request = Request {
//!     workload,
//!     level: SecurityLevel::Conjectured100,
//!     objective: Objective::Bytes,
//!     limits: Limits::default(),
//! };
//! let free = Plan::new(&request, &reference::MODEL)?;
//! request.limits.max_memory = Some(free.choice().memory_bytes - 1);
//! let bounded = Plan::new(&request, &reference::MODEL)?;
//! assert!(bounded.choice().memory_bytes < free.choice().memory_bytes);
//! assert!(bounded.choice().bytes >= free.choice().bytes);
//! println!("{}", bounded.reason());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod bytes;
pub mod calibration;
mod candidate;
pub mod cost;
mod error;
mod expectation;
pub mod fit;
pub mod plan;
mod reason;
pub mod reference;
mod request;
pub mod work;

pub use calibration::{Calibration, CalibrationState};
pub use candidate::Candidate;
pub use cost::{CostModel, Costs};
pub use error::PlannerError;
pub use plan::Plan;
pub use request::{Decoder, Limits, Objective, Request, Workload};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
