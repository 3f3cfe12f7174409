//! The components of the attention decode relation. Each has the same rooms: `columns` (what a row
//! is), `constraints` (what holds) and `witness` (trace generation, prover only).
pub mod candidates;
pub mod membership;
pub mod state;
pub mod tables;
pub mod vectors;
