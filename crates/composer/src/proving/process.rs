//! What the system says of this process: processor time and memory. `None` where it does not say.

use std::fs;

/// Milliseconds in a clock tick of `/proc`: `USER_HZ` is 100 on every Linux there is.
const TICK_MS: u64 = 10;

/// Processor time of the whole process so far, user and system, in milliseconds; `None` where the system does not
/// say.
#[must_use]
pub fn cpu_ms() -> Option<u64> {
    parse_stat(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Largest resident set of the process so far, in bytes; `None` where the system does not say.
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Memory that can be had without swapping, in bytes.
pub(crate) fn available_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// Swap that is free, in bytes.
pub(crate) fn free_swap_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "SwapFree:")
}

/// Resident set of the process, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Address space that the process has mapped, in bytes.
pub(crate) fn address_space_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")
}

/// Data that the process has mapped, in bytes.
pub(crate) fn data_bytes() -> Option<u64> {
    parse_kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmData:")
}

/// The limit on the address space, in bytes, if there is one.
pub(crate) fn address_space_limit() -> Option<u64> {
    parse_limit(
        &fs::read_to_string("/proc/self/limits").ok()?,
        "Max address space",
    )
}

/// The limit on data, in bytes, if there is one.
pub(crate) fn data_limit() -> Option<u64> {
    parse_limit(
        &fs::read_to_string("/proc/self/limits").ok()?,
        "Max data size",
    )
}

/// The soft limit of this name; `unlimited` stands for no limit.
fn parse_limit(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// `utime` and `stime`, fields 14 and 15. The second field, the program's name in parentheses, may
/// hold anything, parentheses and spaces included.
fn parse_stat(text: &str) -> Option<u64> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let user: u64 = times.next()?.parse().ok()?;
    let system: u64 = times.next()?.parse().ok()?;
    Some((user + system) * TICK_MS)
}

fn parse_kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn reads_the_forms_of_proc() {
        let stat = "7 (a) b (c) R 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0 1 0 99";
        assert_eq!(parse_stat(stat), Some(1540));
        assert_eq!(parse_stat("7 (a) R 1 2"), None);
        let status = "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(parse_kilobytes(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(parse_kilobytes(status, "VmSwap:"), None);
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         1073741824           unlimited            bytes     \n";
        assert_eq!(parse_limit(limits, "Max address space"), Some(1 << 30));
        assert_eq!(parse_limit(limits, "Max data size"), None);
        assert_eq!(parse_limit(limits, "Max nonsense"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_figures() {
        // No process of this kind fits into a page.
        assert!(peak_rss_bytes() > Some(4096));
        assert!(available_bytes() > Some(4096));
        assert!(resident_bytes() > Some(4096));
        assert!(address_space_bytes() >= resident_bytes());
        assert!(data_bytes() > Some(4096));
        assert!(free_swap_bytes().is_some());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn processor_time_passes() {
        let before = cpu_ms().unwrap();
        let start = Instant::now();
        while cpu_ms().unwrap() <= before {
            assert!(start.elapsed() < Duration::from_secs(10));
        }
    }
}
