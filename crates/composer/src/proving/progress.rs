//! What a prover tells while it works, and how it is asked to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use matchmark_quant::StepRange;

use crate::proving::report::ProvenRow;
use crate::proving::schedule::Schedule;

/// What is known before the first segment is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainOutline {
    /// Segments of the chain, finished ones included: the most that there are where an end token may end it
    /// before.
    pub segments: u64,
    /// Parts of a segment: groups of layers that the decoder is cut into, 1 of attention alone.
    pub groups: u16,
    /// Steps of the chain, or the most.
    pub steps: usize,
    /// How the work is shared out.
    pub schedule: Schedule,
}

/// What is done with a segment, in this order. A segment that is on disk already is checked, and neither
/// proven nor written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentPhase {
    /// The integers are computed, and the state after them is committed.
    Execute,
    /// The segment is on disk already, and is verified.
    Check,
    /// The proof is made.
    Prove,
    /// The segment's file is written and synced.
    Write,
}

impl SegmentPhase {
    /// Its name, in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Check => "check",
            Self::Prove => "prove",
            Self::Write => "write",
        }
    }
}

/// What is finished of a chain, and of how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainProgress {
    /// Parts that are on disk: segments, where all layers are one group.
    pub finished: u64,
    /// Parts of the chain: the most that there are, until an end token was generated.
    pub parts: u64,
    /// Steps of the finished segments.
    pub finished_steps: usize,
    /// Steps of the chain, or the most, as with the segments.
    pub steps: usize,
    /// Bytes of the finished segments: proofs and public values.
    pub bytes: u64,
}

/// Something that happens while a chain is proven.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ProveEvent {
    /// Proving begins. Comes once, before everything else.
    Planned(ChainOutline),
    /// A segment is begun. Segments are begun in their order.
    Begun {
        /// Index of its first part, from 0.
        part: u64,
        /// Its steps.
        steps: StepRange,
    },
    /// A part enters a phase.
    Phase {
        /// Index of the part, from 0.
        part: u64,
        /// What is done with it from now on.
        phase: SegmentPhase,
    },
    /// A part is finished: its file is on disk. With several workers parts finish in any order.
    Done {
        /// What there is to say of the segment.
        row: ProvenRow,
        /// What is finished with it.
        progress: ChainProgress,
    },
}

/// Is told what happens while a chain is proven. Calls come from several threads, one at a time: the
/// prover waits for each. A closure that takes a [`ProveEvent`] is one.
pub trait Progress: Sync {
    /// Something happens.
    fn event(&self, event: &ProveEvent);
}

impl<F: Fn(&ProveEvent) + Sync> Progress for F {
    fn event(&self, event: &ProveEvent) {
        self(event);
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &ProveEvent) {}
}

/// Asks a prover to stop: segments that are being proven, and the tree that is being committed, are finished,
/// nothing else is begun, and the chain can be resumed. Its clones are one token; it may be used from any thread.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that nobody has used.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop. Asking again changes nothing.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has asked.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
