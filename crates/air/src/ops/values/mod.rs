//! Rows (layer, key/value head, dimension, step): the new values of the cache.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;
