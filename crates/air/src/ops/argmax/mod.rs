//! Rows (tokens of the vocabulary, step): logits, their maximum, and the choice.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
