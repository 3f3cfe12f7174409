//! How many segments are proven at a time.

use std::num::NonZeroUsize;

use serde::Serialize;

use crate::proving::memory::{Need, Room};

/// How the work is shared out: so many segments at a time, each by so many threads.
///
/// Several segments on one thread each cost less processor time than one after the other on all
/// threads: nothing waits for the slowest part, and the proof of work, which goes through chunks of
/// nonces, finishes none in vain. The result is the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// Segments that are proven at a time.
    pub workers: NonZeroUsize,
    /// Threads for each of them.
    pub threads_per_worker: NonZeroUsize,
}

/// That so many segments at a time take more memory than there is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excess {
    pub(crate) workers: usize,
    /// What they take.
    pub(crate) bytes: u64,
    /// Cores of the machine.
    pub(crate) cores: NonZeroUsize,
    /// What there is.
    pub(crate) room: Room,
}

impl Schedule {
    /// The schedule for `segments` segments: as many at a time as are asked for, or else as there are cores
    /// and memory for. Where nothing is known of memory, one at a time.
    pub(crate) fn plan(
        need: &Need,
        rooms: &[Room],
        cores: NonZeroUsize,
        segments: u64,
        jobs: Option<NonZeroUsize>,
    ) -> Result<Self, Excess> {
        let segments = usize::try_from(segments).unwrap_or(usize::MAX);
        let workers = match jobs {
            Some(jobs) => jobs.get().min(segments),
            None if rooms.is_empty() => 1,
            None => {
                let fits = |at_a_time: usize| {
                    let mut all = rooms.iter();
                    all.all(|room| room.taken(need, cores, at_a_time) <= room.usable())
                };
                most_that_fit(cores.get().min(segments), fits)
            }
        };
        let workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
        let taken = |room: &Room| room.taken(need, cores, workers.get());
        let short = |room: &&Room| taken(room).saturating_sub(room.most());
        if let Some(room) = rooms.iter().max_by_key(short).filter(|it| short(it) > 0) {
            return Err(Excess {
                workers: workers.get(),
                bytes: taken(room),
                cores,
                room: room.clone(),
            });
        }
        let threads = cores.get() / workers.get();
        Ok(Self {
            workers,
            threads_per_worker: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        })
    }
}

/// The largest number up to `most` that fits; 0 if not even 1 does.
pub(crate) fn most_that_fit(most: usize, fits: impl Fn(usize) -> bool) -> usize {
    (1..=most).rev().find(|it| fits(*it)).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_prover::{HeldSizes, SegmentMemory};

    use super::*;
    use crate::proving::memory::MemoryBound;

    fn need() -> Need {
        let own = HeldSizes {
            cells: 0,
            evaluations: 1 << 20,
            points: 0,
        };
        let memory = SegmentMemory {
            own,
            ..SegmentMemory::default()
        };
        Need::of_segments(&[memory], 1)
    }

    fn room(bytes: u64, bound: MemoryBound) -> Room {
        Room {
            bytes,
            swap: 0,
            bound,
        }
    }

    fn plan(
        rooms: &[Room],
        cores: usize,
        segments: u64,
        jobs: usize,
    ) -> Result<(usize, usize), Excess> {
        let cores = NonZeroUsize::new(cores).unwrap();
        Schedule::plan(&need(), rooms, cores, segments, NonZeroUsize::new(jobs))
            .map(|it| (it.workers.get(), it.threads_per_worker.get()))
    }

    #[test]
    fn workers_are_bounded_by_memory_cores_and_segments() {
        let much = [room(1 << 40, MemoryBound::Machine)];
        assert_eq!(plan(&much, 8, 100, 0), Ok((8, 1)));
        assert_eq!(plan(&much, 8, 3, 0), Ok((3, 2)));
        assert_eq!(plan(&much, 8, 1, 0), Ok((1, 8)));
        assert_eq!(plan(&much, 1, 100, 0), Ok((1, 1)));
        assert_eq!(plan(&[], 8, 100, 0), Ok((1, 8)));
        // Four fifths of what is free, all of what was given, the least of all.
        let three = need().bytes(3);
        assert_eq!(
            plan(&[room(three, MemoryBound::Given)], 8, 9, 0),
            Ok((3, 2))
        );
        let two = need().bytes(2) * 5 / 4 + 100;
        assert_eq!(
            plan(&[room(two, MemoryBound::Machine)], 8, 9, 0),
            Ok((2, 4))
        );
        let free = three * 5 / 4 + 100;
        let rooms = [
            room(1 << 40, MemoryBound::Given),
            room(free, MemoryBound::Machine),
        ];
        assert_eq!(plan(&rooms, 8, 9, 0), Ok((3, 2)));
        // One that leaves no fifth free is tried.
        let one = need().bytes(1);
        assert_eq!(
            plan(&[room(one, MemoryBound::Machine)], 8, 9, 0),
            Ok((1, 8))
        );
    }

    #[test]
    fn as_many_as_are_asked_for() {
        let much = [room(1 << 40, MemoryBound::Machine)];
        assert_eq!(plan(&much, 2, 100, 5), Ok((5, 1)));
        assert_eq!(plan(&much, 8, 3, 5), Ok((3, 2)));
        assert_eq!(plan(&[], 8, 100, 2), Ok((2, 4)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let bytes = need().bytes(1) - 1;
        let short = room(bytes, MemoryBound::Data);
        let rooms = [room(1 << 40, MemoryBound::Machine), short.clone()];
        let excess = |workers| Excess {
            workers,
            bytes: need().bytes(workers),
            cores: NonZeroUsize::new(8).unwrap(),
            room: short.clone(),
        };
        assert_eq!(plan(&rooms, 8, 9, 0), Err(excess(1)));
        assert_eq!(plan(&rooms, 8, 9, 4), Err(excess(4)));
        // Threads take address space of their own.
        let narrow = room(need().bytes(1), MemoryBound::AddressSpace);
        let refused = plan(std::slice::from_ref(&narrow), 8, 9, 0).unwrap_err();
        assert_eq!(refused.room, narrow);
        assert!(refused.bytes > narrow.bytes);
        // Swap is not memory to plan with, but a way out.
        let swapping = [Room {
            swap: 1,
            ..short.clone()
        }];
        assert_eq!(plan(&swapping, 8, 9, 0), Ok((1, 8)));
    }
}
