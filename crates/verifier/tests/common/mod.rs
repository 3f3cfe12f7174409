//! The committed segments.
#![allow(dead_code)]

use std::fs;
use std::path::PathBuf;

use matchmark_statement::AcceptancePolicy;
use matchmark_verifier::SegmentFile;

pub fn fixture(name: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/hostile");
    fs::read(directory.join(name)).unwrap()
}

/// Bytes, file and policy of the segment `narrow` (fused) or `split`.
pub fn sample(name: &str) -> (Vec<u8>, SegmentFile, AcceptancePolicy) {
    let bytes = fixture(&format!("{name}.segment"));
    let file = SegmentFile::decode(&bytes).unwrap();
    let policy = fixture(&format!("{name}.policy.toml"));
    let policy = AcceptancePolicy::from_toml(std::str::from_utf8(&policy).unwrap()).unwrap();
    (bytes, file, policy)
}
