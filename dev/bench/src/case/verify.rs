//! `verify`: verifies one segment, and says how long that took.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::{verify_segment, SegmentFile};
use serde::Deserialize;
use serde_json::{json, Value};

use super::Failure;

/// The stem of both files that `segment` wrote.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    from: PathBuf,
}

/// Reads, decodes and verifies. A segment that is not accepted is an error.
pub fn run(request: &Verify) -> Result<Value, Failure> {
    let policy = fs::read_to_string(request.from.with_extension("toml"))?;
    let policy = AcceptancePolicy::from_toml(&policy)?;
    let start = Instant::now();
    let bytes = fs::read(request.from.with_extension("segment"))?;
    let file = SegmentFile::decode(&bytes)?;
    verify_segment(&file, &policy)?;
    Ok(json!({ "accepted": true, "verify_ms": start.elapsed().as_secs_f64() * 1e3 }))
}
