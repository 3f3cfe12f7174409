//! What the project's own commands share: running programs, building and running `matchmark`, tables,
//! documents with a generated part.
//!
//! It depends on no crate that it builds or measures.
#![forbid(unsafe_code)]

pub mod document;
pub mod failure;
pub mod matchmark;
pub mod process;
pub mod smollm2;
pub mod table;
pub mod workspace;
