//! Rows (query head, step, cache positions): the maximum, gaps, clipping, weights and their sums.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;

pub use constraints::Scores;
