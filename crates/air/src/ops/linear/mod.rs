//! Rows (matrix, block of outputs, input): the products with the weights.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
