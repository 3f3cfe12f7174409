//! What stands between the components and the library: how a row is read, how columns are routed to
//! commitment trees, and how public columns are evaluated.
pub mod component;
pub mod public_columns;
pub mod rlc;
pub mod row;

#[cfg(feature = "prover")]
mod asked;
#[cfg(feature = "prover")]
pub mod evaluator;
#[cfg(feature = "prover")]
mod prover_side;
#[cfg(feature = "prover")]
pub mod trace;
