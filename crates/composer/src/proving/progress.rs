//! What a prover tells while it works.

use std::ops::ControlFlow;

use crate::proving::report::ProvenRow;
use crate::proving::schedule::Schedule;

/// What is known before the first segment is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainOutline {
    /// Segments of the chain, finished ones included.
    pub segments: u64,
    /// Steps of the chain.
    pub steps: usize,
    /// How the work is shared out.
    pub schedule: Schedule,
}

/// Is told what happens while a chain is proven. Calls come from several threads, one at a time.
pub trait Progress: Sync {
    /// Proving begins.
    fn begin(&self, _outline: &ChainOutline) {}

    /// A segment is finished: its file is on disk. With several workers segments finish in any order.
    /// `Break` asks to stop: segments that are being proven are finished, no other is begun.
    fn segment(&self, _row: &ProvenRow) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {}
