//! Activations of the gated MLP: the table that a proof reads, and the functions that such tables are made
//! of.
//!
//! A proof and its verifier know the table alone, an [`ActivationTable`], which is its content. The
//! functions stand behind the feature `floats`, for whoever imports, quantizes and measures models. A
//! function is one file of this folder and one line of [`ALL`]; the tests here hold every line to the same
//! contract.

#[cfg(feature = "floats")]
mod function;
#[cfg(feature = "floats")]
mod silu;
mod table;

#[cfg(feature = "floats")]
pub use function::Activation;
#[cfg(feature = "floats")]
pub use silu::SILU;
pub(crate) use table::check_magnitudes;
pub use table::ActivationTable;

/// Every function that a model may have.
#[cfg(feature = "floats")]
pub const ALL: [Activation; 1] = [SILU];
