//! Rows are table entries: the tables of equal height share a component.
pub mod constraints;
#[cfg(feature = "prover")]
pub mod witness;

pub use constraints::Tables;
