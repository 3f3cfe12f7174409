//! The sequential part of proving: the reference and the states between segments.

use std::iter;
use std::sync::Arc;

use matchmark_models::ModelExecution;
use matchmark_prover::{
    CommittedState, ModelInput, ProveError, ProvenSegment, SegmentInput, SegmentProver,
};
use matchmark_quant::StepRange;
use matchmark_runtime::{KvCache, SegmentExecution};
use matchmark_statement::{
    ChainAccumulator, ChainStatement, Cut, EndToken, EndTokens, SegmentStatement,
};

use crate::proving::error::ChainProveError;
use crate::report::SegmentTokens;

/// What the reference computed of a segment.
pub(crate) enum Execution {
    /// Attention, to be cut in this way.
    Attention(SegmentExecution, Cut),
    /// A decoder, to be cut in this way.
    Model(Box<ModelExecution>, Cut),
}

impl Execution {
    /// What a proof would claim, with the tokens of a decoder.
    fn claim(
        &self,
        prover: &SegmentProver,
        [before, after]: [&CommittedState; 2],
    ) -> Result<(SegmentStatement, Option<SegmentTokens>), ProveError> {
        match self {
            Self::Attention(execution, cut) => {
                let input = attention_input(execution, *cut, [before, after]);
                Ok((prover.claim(&input)?.0, None))
            }
            Self::Model(execution, cut) => {
                let input = model_input(execution, *cut, [before, after]);
                let (statement, tokens) = prover.claim_model(&input)?;
                Ok((statement, Some((&tokens).into())))
            }
        }
    }
}

fn attention_input<'a>(
    execution: &'a SegmentExecution,
    cut: Cut,
    [before, after]: [&'a CommittedState; 2],
) -> SegmentInput<'a> {
    SegmentInput {
        execution,
        before,
        after,
        cut,
    }
}

fn model_input<'a>(
    execution: &'a ModelExecution,
    cut: Cut,
    [before, after]: [&'a CommittedState; 2],
) -> ModelInput<'a> {
    ModelInput {
        execution,
        before,
        after,
        cut,
    }
}

/// Computes segments, one after the other.
pub(crate) trait Executor: Send {
    /// Executes the steps of a segment that begins with this cache; gives the cache after them.
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &KvCache,
    ) -> Result<(Execution, KvCache), ChainProveError>;
}

/// A segment that is ready to be proven.
pub(crate) struct Job {
    pub(crate) segment: u64,
    pub(crate) statement: SegmentStatement,
    pub(crate) tokens: Option<SegmentTokens>,
    execution: Execution,
    before: Arc<CommittedState>,
    after: Arc<CommittedState>,
}

impl Job {
    /// Proves the segment.
    pub(crate) fn prove(&self, prover: &SegmentProver) -> Result<ProvenSegment, ProveError> {
        let states = [&*self.before, &*self.after];
        match &self.execution {
            Execution::Attention(execution, cut) => {
                prover.prove(&attention_input(execution, *cut, states))
            }
            Execution::Model(execution, cut) => {
                prover.prove_model(&model_input(execution, *cut, states))
            }
        }
    }
}

/// Hands out the segments of a chain in order. It holds the reference between the two segments that it has
/// reached: one committed state, whatever the length of the chain.
pub(crate) struct Front<'a> {
    prover: &'a SegmentProver,
    executor: Box<dyn Executor + 'a>,
    /// The steps behind the next segment's.
    remaining: Box<dyn Iterator<Item = StepRange> + Send + 'a>,
    next: u64,
    /// The steps of the next segment.
    steps: Option<StepRange>,
    state: Arc<CommittedState>,
    chain: Option<ChainAccumulator>,
    /// The tokens that end the chain.
    end_tokens: EndTokens,
    /// The first of them that was generated: the last segment handed out has it.
    end: Option<EndToken>,
}

impl<'a> Front<'a> {
    /// Begins with the cache before the first of these segments.
    pub(crate) fn new(
        prover: &'a SegmentProver,
        first: KvCache,
        mut segments: impl Iterator<Item = StepRange> + Send + 'a,
        executor: Box<dyn Executor + 'a>,
        end_tokens: EndTokens,
    ) -> Result<Self, ChainProveError> {
        let state = prover
            .state(first)
            .map_err(|source| ChainProveError::Prove { segment: 0, source })?;
        Ok(Self {
            prover,
            executor,
            steps: segments.next(),
            remaining: Box::new(segments),
            next: 0,
            state: Arc::new(state),
            chain: None,
            end_tokens,
            end: None,
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

    /// The end token that the chain ends with, and not at its limit, as far as it was executed.
    pub(crate) fn end(&self) -> Option<EndToken> {
        self.end
    }

    /// Index and steps of the next segment; `None` after the last, and after an error.
    pub(crate) fn upcoming(&self) -> Option<(u64, StepRange)> {
        self.steps.map(|steps| (self.next, steps))
    }

    /// Executes the next segment and commits the state after it; `None` after the last, and after an
    /// error.
    pub(crate) fn advance(&mut self) -> Result<Option<Job>, ChainProveError> {
        let Some(steps) = self.steps.take() else {
            return Ok(None);
        };
        self.steps = self.remaining.next();
        let job = self.execute(steps);
        if job.is_err() || self.end.is_some() {
            // Another worker may ask before it hears of the error: the steps behind do not follow from the
            // state that was reached. Behind an end token there is no segment.
            (self.steps, self.remaining) = (None, Box::new(iter::empty()));
        }
        job.map(Some)
    }

    fn execute(&mut self, steps: StepRange) -> Result<Job, ChainProveError> {
        let segment = self.next;
        let (execution, cache) = self.executor.execute(segment, steps, self.state.cache())?;
        let prove_error = |source| ChainProveError::Prove { segment, source };
        let before = Arc::clone(&self.state);
        let after = Arc::new(self.prover.state(cache).map_err(prove_error)?);
        let (statement, tokens) = execution
            .claim(self.prover, [&before, &after])
            .map_err(prove_error)?;
        match &mut self.chain {
            None => self.chain = Some(ChainAccumulator::start(&statement)),
            Some(chain) => chain.push(&statement)?,
        }
        self.end = end_of(&self.end_tokens, &statement, tokens.as_ref());
        self.next += 1;
        self.state = Arc::clone(&after);
        Ok(Job {
            segment,
            statement,
            tokens,
            execution,
            before,
            after,
        })
    }

    /// What the segments handed out so far say together; `None` before the first.
    pub(crate) fn chain(self) -> Option<ChainStatement> {
        self.chain.map(ChainAccumulator::finish)
    }
}

/// The first end token that a segment generates.
fn end_of(
    end_tokens: &EndTokens,
    statement: &SegmentStatement,
    tokens: Option<&SegmentTokens>,
) -> Option<EndToken> {
    let (decoder, tokens) = (statement.decoder()?, tokens?);
    end_tokens.first_in(statement.steps(), decoder.prompt, &tokens.chosen)
}
