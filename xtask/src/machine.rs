//! What is measured on.

use std::fs;

/// The machine in a few words.
pub fn name() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| format!("{} processors", std::env::consts::ARCH));
    format!("{processors} cores of {model}")
}
