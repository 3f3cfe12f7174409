//! The components of the decoder around the attention, each with the same rooms: `columns`,
//! `constraints`, `witness`.
pub mod choice;
pub mod gated;
pub mod linear;
pub mod norms;
pub mod rotary;
pub mod stream;
pub mod values;
