//! Rows (key/value head within its lane, cache position, dimension): the cache before and after.
pub mod columns;
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;

pub use constraints::Cache;
