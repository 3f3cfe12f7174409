//! Measures segments of decoders, and predicts larger ones: what `cargo xtask bench` runs, each
//! measurement in a process of its own.
//!
//! `decoder segment|verify|predict`, with the request as one JSON object on stdin and the result as
//! one on stdout. The requests are the structs of these names.

mod breakdown;
mod layouts;
mod models;
mod phases;
mod predict;
mod process;
mod segment;
mod verify;

use std::error::Error;
use std::io::Read as _;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// What any step may fail with: an example has no caller that would tell errors apart.
type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let command = std::env::args().nth(1).unwrap_or_default();
    let result = match command.as_str() {
        "segment" => segment::run(&request()?)?,
        "verify" => verify::run(&request()?)?,
        "predict" => predict::run(&request()?)?,
        _ => return Err("expected segment, verify or predict".into()),
    };
    println!("{result}");
    Ok(())
}

fn request<T: DeserializeOwned>() -> Result<T, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(serde_json::from_str::<Value>(&text).and_then(serde_json::from_value)?)
}
