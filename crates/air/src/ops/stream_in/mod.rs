//! Rows (channel, step): the residual stream that comes from the group of layers before.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
