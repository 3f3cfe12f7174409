//! Lookup tables as content: entries, identity, certified distance from the real function.
//!
//! A [`WeightTable`] turns the clipped index of a score gap into an integer weight. It *is* its
//! content: kind, input domain and entries, in a canonical encoding whose SHA-256 is its identity
//! ([`TableId`]). Exponential tables are computed with interval arithmetic on integers alone, so
//! that every machine gets the same entries, each proven to be the nearest integer; the same
//! arithmetic bounds how far a table is from the real exponential ([`Distance`]).
//!
//! A whole decoder has three more tables: [`RsqrtTable`], whose entries are fixed, and [`ActivationTable`] and
//! [`RotaryTable`], which are their content.
//!
//! The crate knows nothing of proofs.
//!
//! ```
//! use matchmark_tables::WeightTable;
//!
//! let table = WeightTable::exp256_default();
//! assert_eq!(table.entries()[..3], [4096, 3848, 3615]);
//! let distance = table.certified_distance().map(|d| d.to_f64());
//! assert!(distance <= Some(0.5 / 4096.0));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod activations;
mod distance;
mod error;
mod fixed;
mod identity;
mod rational;
mod rotary;
mod rsqrt;
mod table;
mod text;

pub use activations::ActivationTable;
pub use distance::Distance;
pub use error::TableError;
pub use identity::TableId;
pub use rational::Rational;
pub use rotary::RotaryTable;
pub use rsqrt::{reciprocal_root, RsqrtTable};
pub use table::{TableKind, WeightTable};

/// The example of the README, compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
