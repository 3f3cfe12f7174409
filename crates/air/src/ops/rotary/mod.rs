//! Rows (layer, query or key head, pair of dimensions, step): rotary embedding.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
