//! The suite for decoders: small models, whose witnesses are forged by running them with a lie.
//!
//! A forger runs a model as it is, but for one place where it says something else ([`execution`]).
//! Everything after that place follows from the lie, so that the witness is consistent, and what breaks
//! is the one constraint or relation that holds the place ([`attacks`]). The case is one like any other
//! ([`cases`]), so that checkers, constraint drop and proofs are those of the attention.
pub mod attacks;
pub mod cases;
pub mod cells;
pub mod choices;
pub mod execution;
pub mod forge;
pub mod forgeries;
pub mod norm_columns;
pub mod norms;
pub mod places;
pub mod rescalings;
pub mod within;
