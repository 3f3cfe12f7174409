//! Rows (query heads, step, dimension): scores as random linear combinations, output quotient and remainder.
pub mod columns;
pub mod constraints;
pub mod entries;
#[cfg(feature = "prover")]
pub mod witness;

pub use constraints::Vectors;
