//! What is measured on.

use std::fs;

/// The machine in a few words.
pub fn name() -> String {
    let processors = cores();
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| format!("{} processors", std::env::consts::ARCH));
    format!("{processors} cores of {model}")
}

/// How many threads run at a time.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Memory of the machine, in bytes.
pub fn memory_bytes() -> Option<f64> {
    of_meminfo("MemTotal:")
}

/// Memory that can be had without swapping, in bytes.
pub fn available_bytes() -> Option<f64> {
    of_meminfo("MemAvailable:")
}

fn of_meminfo(name: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}
