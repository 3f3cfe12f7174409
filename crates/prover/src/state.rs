//! Committed caches.
use matchmark_air::fingerprint::{Opening, PortContent};
use matchmark_air::ops::attention::cache::witness::entries;
use matchmark_air::witness::Column;
use matchmark_runtime::KvCache;
use matchmark_statement::PortCommitment;

use crate::committed::CommittedColumns;
use crate::error::ProveError;
use crate::part::ProverTree;
use crate::setup::SegmentProver;

/// A cache in its commitment tree: the state between two segments.
pub struct CommittedState {
    committed: CommittedColumns,
    cache: KvCache,
    commitment: PortCommitment,
}

impl CommittedState {
    /// The commitment that statements carry.
    pub fn commitment(&self) -> PortCommitment {
        self.commitment
    }

    /// Root and fingerprint.
    pub fn opening(&self) -> &Opening {
        &self.committed.opening
    }

    /// The cache.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    pub(crate) fn tree(&self) -> &ProverTree {
        &self.committed.tree
    }

    #[cfg(test)]
    pub(crate) fn tree_mut(&mut self) -> &mut ProverTree {
        &mut self.committed.tree
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.committed.columns
    }
}

impl SegmentProver {
    /// Commits a cache. A cache of the same entries has the same commitment, whichever segment it
    /// ends or begins.
    ///
    /// # Errors
    ///
    /// [`ProveError::Layout`], or [`ProveError::StateEntries`] for a cache longer than the chain's.
    pub fn state(&self, cache: KvCache) -> Result<CommittedState, ProveError> {
        let shape = self.terms().shape;
        let layout = self.layout_of_steps(shape.segment_steps().get() as usize)?;
        if cache.entries() > layout.capacity() {
            return Err(ProveError::StateEntries {
                which: "last",
                expected: layout.capacity(),
                got: cache.entries(),
            });
        }
        let committed = self.commit_with_fingerprint(entries(&layout, &cache));
        let entries = cache.entries() as u64;
        let content = PortContent::State { shape, entries };
        let commitment = committed
            .opening
            .commitment(&content, self.lifting_log_size());
        Ok(CommittedState {
            committed,
            cache,
            commitment,
        })
    }
}
