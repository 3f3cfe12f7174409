//! One measured case. The request is one JSON object on stdin and the result one on stdout, but for a
//! command, whose words are arguments.
//!
//! `segment` proves one segment of a decoder, `verify` verifies it, `predict` fits the cost model and
//! asks it, `command` runs another program and says what that took.

mod breakdown;
mod command;
mod layouts;
mod models;
mod phases;
mod predict;
mod process;
mod segment;
mod verify;

use std::error::Error;
use std::ffi::OsString;
use std::io::Read as _;

use clap::Subcommand;
use matchmark_tools::failure::{Context as _, Failure as Ended};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What any step of a case may fail with: nobody tells these errors apart.
type Failure = Box<dyn Error>;

/// What is measured.
#[derive(Subcommand)]
pub enum Kind {
    /// Proves one segment of a decoder's chain.
    Segment,
    /// Verifies one segment.
    Verify,
    /// Fits the cost model, and predicts larger decoders.
    Predict,
    /// Runs another program.
    Command {
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<OsString>,
    },
}

/// Runs a case and prints its result.
///
/// # Errors
/// Whatever it fails with.
pub fn run(kind: &Kind) -> Result<(), Ended> {
    println!("{}", measured(kind).context("bench")?);
    Ok(())
}

fn measured(kind: &Kind) -> Result<Value, Failure> {
    match kind {
        Kind::Segment => segment::run(&request()?),
        Kind::Verify => verify::run(&request()?),
        Kind::Predict => predict::run(&request()?),
        Kind::Command { words } => command::run(words),
    }
}

fn request<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(serde_json::from_str::<Value>(&text).and_then(serde_json::from_value)?)
}
