//! Memory of proving: what is needed, and what there is.
//!
//! What a chain needs follows from the layout of its segments ([`need`]); what there is, the system says
//! ([`limits`]): free memory of the machine, limits of control groups, and limits of the process.

mod cgroup;
mod limits;
mod need;
mod room;
mod shortage;

use std::num::NonZeroUsize;

pub(crate) use limits::rooms;
pub(crate) use need::Need;
pub use room::MemoryBound;
pub(crate) use room::Room;
pub use shortage::{MemoryFit, MemoryShortage};

/// What proving may use of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Segments that are proven at a time; `None` takes as many as there are cores and memory for.
    pub jobs: Option<NonZeroUsize>,
    /// Most memory of the process, in bytes; `None` takes what there is. Never more than there is.
    pub max_memory: Option<u64>,
}
