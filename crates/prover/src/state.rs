//! Committed caches.
use matchmark_air::components::state::witness::entries;
use matchmark_air::state::{fingerprint_point, StateOpening};
use matchmark_air::witness::Column;
use matchmark_runtime::KvCache;
use matchmark_statement::StateCommitment;

use crate::error::ProveError;
use crate::setup::{ProverTree, SegmentProver};

/// A cache in its commitment tree: the state between two segments.
pub struct CommittedState {
    pub(crate) tree: ProverTree,
    pub(crate) columns: Vec<Column>,
    cache: KvCache,
    commitment: StateCommitment,
    opening: StateOpening,
}

impl CommittedState {
    /// The commitment that statements carry.
    pub fn commitment(&self) -> StateCommitment {
        self.commitment
    }

    /// Root and fingerprint.
    pub fn opening(&self) -> &StateOpening {
        &self.opening
    }

    /// The cache.
    pub fn cache(&self) -> &KvCache {
        &self.cache
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
        let layout = self.terms().layout(shape.segment_steps().get() as usize)?;
        if cache.entries() > layout.capacity() {
            return Err(ProveError::StateEntries {
                which: "last",
                expected: layout.capacity(),
                got: cache.entries(),
            });
        }
        let columns = entries(&layout, &cache);
        let tree = self.commit(&columns);
        let lifting_log_size = self.lifting_log_size();
        let root = tree.commitment.root();
        let point = fingerprint_point(root);
        let opening = StateOpening {
            root,
            fingerprint: tree
                .polynomials
                .iter()
                .map(|polynomial| {
                    let doublings = lifting_log_size - polynomial.evals.domain.log_size();
                    polynomial.eval_at_point(point.repeated_double(doublings), None)
                })
                .collect(),
        };
        let commitment = opening.commitment(&shape, cache.entries() as u64, lifting_log_size);
        Ok(CommittedState {
            tree,
            columns,
            cache,
            commitment,
            opening,
        })
    }
}
