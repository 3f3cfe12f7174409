//! Rows (stage, step): the factor by which a stage is normalized.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
