//! How much memory there is within a bound.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::proving::memory::need::Need;

/// Of the memory that can be had, proving plans with this part.
const USABLE_PERCENT: u64 = 80;

/// Address space that the system's allocator reserves for a thread, 64 MiB, and its stack, 2 MiB.
const THREAD_BYTES: u64 = 66 << 20;

/// What bounds the memory of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryBound {
    /// What the machine has that is free, swap included.
    Machine,
    /// The limit of a control group, of this process or around it.
    ControlGroup {
        /// The folder of the group.
        path: PathBuf,
    },
    /// The limit on the address space of this process (`ulimit -v`).
    AddressSpace,
    /// The limit on the data of this process (`ulimit -d`).
    Data,
    /// What the caller allows.
    Given,
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => write!(f, "what is free of the machine's memory"),
            Self::ControlGroup { path } => {
                write!(f, "the limit of the control group {}", path.display())
            }
            Self::AddressSpace => write!(
                f,
                "the limit on the address space (`ulimit -v`), of which every thread takes {} MiB",
                THREAD_BYTES >> 20
            ),
            Self::Data => write!(f, "the limit on data (`ulimit -d`)"),
            Self::Given => write!(f, "the bound that was given"),
        }
    }
}

/// How much memory this process can have in all, with what it holds already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that can be had without swapping.
    pub(crate) bytes: u64,
    /// Bytes of swap that are free besides.
    pub(crate) swap: u64,
    /// What bounds it.
    pub(crate) bound: MemoryBound,
}

impl Room {
    /// What proving so many segments at a time on so many cores takes of it.
    pub(crate) fn taken(&self, need: &Need, cores: NonZeroUsize, at_a_time: usize) -> u64 {
        let threads = match self.bound {
            // Those of the process, and for each segment those of its pool and the one that waits for them.
            MemoryBound::AddressSpace => {
                cores.get() + at_a_time * ((cores.get() / at_a_time.max(1)).max(1) + 1)
            }
            _ => 0,
        };
        need.bytes(at_a_time) + threads as u64 * THREAD_BYTES
    }

    /// What nothing may exceed.
    pub(crate) fn most(&self) -> u64 {
        self.bytes.saturating_add(self.swap)
    }

    /// What is planned with where nothing is said: others want memory too, but not of what was given to
    /// this process.
    pub(crate) fn usable(&self) -> u64 {
        match self.bound {
            MemoryBound::Given => self.bytes,
            _ => self.bytes / 100 * USABLE_PERCENT,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_may_be_used_in_full() {
        let room = |bound| Room {
            bytes: 1000,
            swap: 500,
            bound,
        };
        assert_eq!(room(MemoryBound::Given).usable(), 1000);
        assert_eq!(room(MemoryBound::Machine).usable(), 800);
        assert_eq!(room(MemoryBound::Machine).most(), 1500);
    }

    #[test]
    fn threads_take_address_space_and_no_memory() {
        let room = |bound| Room {
            bytes: 0,
            swap: 0,
            bound,
        };
        let need = Need::default();
        let taken = |bound, cores, at_a_time| {
            let cores = NonZeroUsize::new(cores).unwrap();
            room(bound).taken(&need, cores, at_a_time) - need.bytes(at_a_time)
        };
        assert_eq!(taken(MemoryBound::Machine, 8, 2), 0);
        // Cores, and for each segment its own and one.
        assert_eq!(taken(MemoryBound::AddressSpace, 2, 1), 5 * THREAD_BYTES);
        assert_eq!(taken(MemoryBound::AddressSpace, 8, 2), 18 * THREAD_BYTES);
        assert_eq!(taken(MemoryBound::AddressSpace, 2, 4), 10 * THREAD_BYTES);
        assert_eq!(taken(MemoryBound::AddressSpace, 2, 0), 2 * THREAD_BYTES);
    }
}
