//! The pressure report: fused against split proofs, measured over shapes and levels.

pub mod data;
pub mod rows;
