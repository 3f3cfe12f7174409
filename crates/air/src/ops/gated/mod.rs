//! Rows (layer, channel of the MLP, steps): gate, up, and their product.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
