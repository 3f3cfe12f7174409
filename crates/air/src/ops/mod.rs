//! The operations of the relation: how each is shown.
//!
//! Every component has the same rooms: `columns` (what a row is), `constraints` (what holds) and `witness`
//! (trace generation, prover only). Values go from component to component by relations. What a matrix takes
//! in is combined over the steps where it is computed, what it gives is combined over outputs and steps where
//! it is used, and [`linear`] shows that one is the product of the weights with the other. The attention of
//! all layers is one [`attention`] of all their heads.
pub mod argmax;
pub mod attention;
pub mod gated;
pub mod linear;
pub mod membership;
pub mod norms;
pub mod rotary;
pub mod stream;
pub mod stream_in;
pub mod stream_out;
pub mod tables;
pub mod values;
