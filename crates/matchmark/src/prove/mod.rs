//! Proving: what is claimed, how it is carried out, and what comes of it.
//!
//! [`prove`] begins a claim, [`Prove::to`] names the directory and makes a [`Job`] of it, and [`Job::run`]
//! does everything. The steps in between can be taken one by one: [`Job::plan`] checks everything and
//! commits a model, and has written nothing; [`Planned::begin`] makes the directory, which can be resumed
//! from then on; [`Proving::run`] proves.

mod claim;
mod job;

pub use claim::{prove, Mock, Provable, Prove, TokensOf, TraceOf};
pub use job::{policy_of, resume, Interrupted, Job, Planned, Proving};
