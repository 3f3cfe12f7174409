//! What the proofs of a decoder have beside its components: the verifier's own terms for tokens, and the
//! columns of the model.
pub mod tokens;

#[cfg(feature = "prover")]
pub mod model;
