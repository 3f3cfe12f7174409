//! The sequential part of proving: the reference and the states between segments.

use std::sync::Arc;

use matchmark_prover::{CommittedState, SegmentInput, SegmentProver};
use matchmark_quant::StepRange;
use matchmark_runtime::{execute_segment, KvCache, SegmentExecution};
use matchmark_statement::{ChainAccumulator, ChainStatement, SegmentStatement};

use crate::proving::error::ChainProveError;
use crate::proving::plan::ChainPlan;

/// A segment that is ready to be proven.
pub(crate) struct Job {
    pub(crate) segment: u64,
    pub(crate) statement: SegmentStatement,
    pub(crate) execution: SegmentExecution,
    pub(crate) before: Arc<CommittedState>,
    pub(crate) after: Arc<CommittedState>,
}

impl Job {
    pub(crate) fn input(&self) -> SegmentInput<'_> {
        SegmentInput {
            execution: &self.execution,
            before: &self.before,
            after: &self.after,
            boundary: self.statement.boundary().kind(),
        }
    }
}

/// Hands out the segments of a chain in order. It holds the reference at the cut that it has reached:
/// one committed state, whatever the length of the chain.
pub(crate) struct Front<'a> {
    plan: &'a ChainPlan,
    prover: &'a SegmentProver,
    remaining: Box<dyn Iterator<Item = StepRange> + Send + 'a>,
    next: u64,
    state: Arc<CommittedState>,
    chain: Option<ChainAccumulator>,
}

impl<'a> Front<'a> {
    /// Begins with the cache before the first step.
    pub(crate) fn new(
        plan: &'a ChainPlan,
        prover: &'a SegmentProver,
    ) -> Result<Self, ChainProveError> {
        let state = prover
            .state(KvCache::from_prefix(plan.trace()))
            .map_err(|source| ChainProveError::Prove { segment: 0, source })?;
        Ok(Self {
            plan,
            prover,
            remaining: Box::new(plan.segments()),
            next: 0,
            state: Arc::new(state),
            chain: None,
        })
    }

    /// Exchanges the states that have been reached: a defect, for the tests of what comes of it.
    #[cfg(test)]
    pub(crate) fn exchange_state(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.state, &mut other.state);
    }

    /// The state that has been reached.
    pub(crate) fn state(&self) -> &CommittedState {
        &self.state
    }

    /// Executes the next segment and commits the state after it; `None` after the last.
    pub(crate) fn advance(&mut self) -> Result<Option<Job>, ChainProveError> {
        let Some(steps) = self.remaining.next() else {
            return Ok(None);
        };
        let segment = self.next;
        let (execution, cache) = self
            .plan
            .trace()
            .segment(steps)
            .and_then(|inputs| execute_segment(self.state.cache(), &inputs, self.plan.rules()))
            .map_err(|source| ChainProveError::Execute { segment, source })?;
        let prove_error = |source| ChainProveError::Prove { segment, source };
        let before = Arc::clone(&self.state);
        let after = Arc::new(self.prover.state(cache).map_err(prove_error)?);
        let input = SegmentInput {
            execution: &execution,
            before: &before,
            after: &after,
            boundary: self.plan.boundary(segment),
        };
        let (statement, _) = self.prover.claim(&input).map_err(prove_error)?;
        match &mut self.chain {
            None => self.chain = Some(ChainAccumulator::start(&statement)),
            Some(chain) => chain.push(&statement)?,
        }
        self.next += 1;
        self.state = Arc::clone(&after);
        Ok(Some(Job {
            segment,
            statement,
            execution,
            before,
            after,
        }))
    }

    /// What the segments handed out so far say together; `None` before the first.
    pub(crate) fn chain(self) -> Option<ChainStatement> {
        self.chain.map(ChainAccumulator::finish)
    }
}
