//! Rows (stage, channels, step): the residual stream, its normalization, and what is added to it.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
