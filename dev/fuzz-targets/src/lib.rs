//! What the fuzz targets do with their bytes.
//!
//! `fuzz/` calls [`targets::ALL`] with bytes that libFuzzer invents; the tests of this crate call the
//! same functions with the committed seeds and with every input that ever failed. A target panics where
//! a property does not hold, and returns otherwise.
//!
//! The crate is built without the prover, so that fuzzing instruments what a verifier runs.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a target reports by its panic, and the samples are committed"
)]

pub mod regrind;
pub mod samples;
pub mod seeds;
pub mod targets;
