//! Rows (channel, step): the residual stream that goes to the group of layers behind.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
