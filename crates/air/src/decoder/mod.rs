//! The decoder around the attention: embedding, normalization, linear layers, rotary embedding, gated
//! MLP, residual stream, and the greedy choice of the next token.
//!
//! Values go from component to component by relations. What a matrix takes in is projected over the
//! steps where it is computed, what it gives is projected over outputs and steps where it is used, and
//! the linear component shows that one is the product of the weights with the other. The attention of
//! all layers is one attention of all their heads ([`crate::components`]).
pub mod components;
pub mod tokens;

#[cfg(feature = "prover")]
pub mod model;
