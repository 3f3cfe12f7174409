//! What the system says of processes.

use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::TimeVal;

use super::Failure;

/// Whose time and memory.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// This process, all of its threads.
    Itself,
    /// All processes that this one has started and waited for.
    Children,
}

/// Processor time and memory so far.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Processor time in user mode, in seconds.
    pub user_seconds: f64,
    /// Processor time of the system on their behalf, in seconds.
    pub system_seconds: f64,
    /// The largest resident set of any of them, in bytes.
    pub peak_bytes: f64,
}

impl Usage {
    /// Until now.
    ///
    /// # Errors
    /// What the system says.
    pub fn of(who: Who) -> Result<Self, Failure> {
        let usage = getrusage(match who {
            Who::Itself => UsageWho::RUSAGE_SELF,
            Who::Children => UsageWho::RUSAGE_CHILDREN,
        })?;
        #[allow(
            clippy::cast_precision_loss,
            reason = "days and terabytes are far below 2^52"
        )]
        let seconds = |it: TimeVal| it.tv_sec() as f64 + it.tv_usec() as f64 * 1e-6;
        #[allow(clippy::cast_precision_loss, reason = "as above")]
        let kilobytes = usage.max_rss() as f64;
        Ok(Self {
            user_seconds: seconds(usage.user_time()),
            system_seconds: seconds(usage.system_time()),
            peak_bytes: kilobytes * 1024.0,
        })
    }

    /// Processor time of both kinds, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }
}

/// Processor time of this process so far, in seconds.
///
/// # Errors
/// What the system says.
pub fn cpu_seconds() -> Result<f64, Failure> {
    Ok(Usage::of(Who::Itself)?.cpu_seconds())
}

/// Processor time of the process from here on.
pub struct Clock(Usage);

impl Clock {
    /// From now on.
    pub fn start() -> Result<Self, Failure> {
        Usage::of(Who::Itself).map(Self)
    }

    /// Seconds so far.
    pub fn seconds(&self) -> Result<f64, Failure> {
        Ok(cpu_seconds()? - self.0.cpu_seconds())
    }

    /// Of them those of the system.
    pub fn system_seconds(&self) -> Result<f64, Failure> {
        Ok(Usage::of(Who::Itself)?.system_seconds - self.0.system_seconds)
    }
}
