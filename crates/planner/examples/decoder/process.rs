//! What Linux says of this process.

use std::fs;

use crate::Failure;

/// Processor time of all threads so far, in seconds.
pub fn cpu_seconds() -> Result<f64, Failure> {
    let mut nanoseconds = 0_u64;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().unwrap_or_default();
        nanoseconds += first.parse::<u64>()?;
    }
    #[allow(clippy::cast_precision_loss, reason = "days are far below 2^52 ns")]
    let nanoseconds = nanoseconds as f64;
    Ok(nanoseconds / 1e9)
}

/// The largest resident set so far, in bytes.
pub fn peak_bytes() -> Result<u64, Failure> {
    let text = fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kilobytes = kilobytes.ok_or("no VmHWM in /proc/self/status")?;
    Ok(kilobytes.trim().parse::<u64>()? * 1024)
}

/// Processor time of the process from here on.
pub struct Clock(f64);

impl Clock {
    /// From now on.
    pub fn start() -> Result<Self, Failure> {
        cpu_seconds().map(Self)
    }

    /// Seconds so far.
    pub fn seconds(&self) -> Result<f64, Failure> {
        Ok(cpu_seconds()? - self.0)
    }
}
