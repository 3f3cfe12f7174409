//! How many segments are proven at a time.

use std::num::NonZeroUsize;
use std::thread;

use matchmark_prover::SegmentSizes;
use serde::Serialize;

use crate::proving::process;

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

/// Of the memory that can be had, proving plans with this part.
const USABLE_PERCENT: u64 = 80;

impl Schedule {
    /// The schedule for `segments` segments of these sizes on this machine. Where the system does not
    /// say how much memory there is, one segment at a time.
    #[must_use]
    pub fn for_machine(sizes: &[SegmentSizes], log_blowup: u32, segments: u64) -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let bytes = sizes.iter().map(|it| proof_memory_bytes(it, log_blowup));
        Self::plan(
            bytes.max().unwrap_or(0),
            process::available_bytes(),
            cores,
            segments,
        )
    }

    fn plan(
        proof_bytes: u64,
        available_bytes: Option<u64>,
        cores: NonZeroUsize,
        segments: u64,
    ) -> Self {
        let fit =
            available_bytes.map_or(1, |bytes| bytes / 100 * USABLE_PERCENT / proof_bytes.max(1));
        let fit = usize::try_from(fit.min(segments)).unwrap_or(usize::MAX);
        let workers = NonZeroUsize::new(fit.min(cores.get())).unwrap_or(NonZeroUsize::MIN);
        let threads = cores.get() / workers.get();
        Self {
            workers,
            threads_per_worker: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Upper estimate of the memory that the proof of one segment takes, in bytes: evaluations of four
/// bytes for every cell at the blowup, with what is computed on the way, and the hashes of full Merkle
/// trees.
fn proof_memory_bytes(sizes: &SegmentSizes, log_blowup: u32) -> u64 {
    let evaluations = (sizes.committed_cells << log_blowup) * 4;
    // Measured: coefficients, quotients and the composition are a little more than the evaluations.
    let computed = evaluations * 22 / 10;
    let hashes = sizes.trees * (32 << (sizes.lifting_log_size + 1));
    computed + hashes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan(proof: u64, available: Option<u64>, cores: usize, segments: u64) -> (usize, usize) {
        let schedule = Schedule::plan(
            proof,
            available,
            NonZeroUsize::new(cores).unwrap(),
            segments,
        );
        (schedule.workers.get(), schedule.threads_per_worker.get())
    }

    #[test]
    fn workers_are_bounded_by_memory_cores_and_segments() {
        let gigabyte = Some(1 << 30);
        assert_eq!(plan(1 << 20, gigabyte, 8, 100), (8, 1));
        assert_eq!(plan(1 << 20, gigabyte, 8, 3), (3, 2));
        assert_eq!(plan(1 << 20, gigabyte, 8, 1), (1, 8));
        assert_eq!(plan(1 << 28, gigabyte, 8, 100), (3, 2));
        assert_eq!(plan(1 << 31, gigabyte, 8, 100), (1, 8));
        assert_eq!(plan(1 << 20, None, 8, 100), (1, 8));
        assert_eq!(plan(0, gigabyte, 1, 100), (1, 1));
    }

    #[test]
    fn estimate() {
        let sizes = SegmentSizes {
            trace_rows: 0,
            committed_cells: 1000,
            opened_columns: 0,
            trees: 7,
            lifting_log_size: 10,
        };
        assert_eq!(proof_memory_bytes(&sizes, 2), 35_200 + 7 * 2048 * 32);
    }
}
