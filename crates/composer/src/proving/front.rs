//! The sequential part of proving: the reference and the states between segments.

use std::collections::VecDeque;
use std::iter;
use std::sync::Arc;

use matchmark_models::{execute_group, GroupInput, ModelExecution};
use matchmark_prover::{
    CommittedState, CommittedStream, ModelInput, PartPorts, ProveError, ProvenSegment,
    SegmentInput, SegmentProver,
};
use matchmark_quant::StepRange;
use matchmark_runtime::{KvCache, SegmentExecution};
use matchmark_statement::{
    ChainAccumulator, ChainStatement, Cut, EndToken, EndTokens, SegmentStatement,
};

use crate::proving::error::ChainProveError;
use crate::proving::provers::Provers;
use crate::report::SegmentTokens;

/// What the reference computed of a segment, or of a group of layers in it.
pub(crate) enum Execution {
    /// Attention, to be cut in this way.
    Attention(SegmentExecution, Cut),
    /// A decoder, to be cut in this way.
    Model(Box<ModelExecution>, Cut),
    /// A group of layers of a decoder, to be cut in this way.
    Layers(Box<LayersRun>, Cut),
}

/// What a part of a group of layers is proven from, beside the cache before: what happens within the group follows
/// from it.
pub(crate) struct LayersRun {
    pub(crate) steps: StepRange,
    /// Tokens consumed.
    pub(crate) tokens: Vec<u32>,
    /// Tokens chosen.
    pub(crate) choices: Vec<u32>,
    /// The stream that the group takes in, `[S, C]`.
    pub(crate) stream_in: Vec<i32>,
    /// The stream that it gives out.
    pub(crate) stream_out: Vec<i32>,
}

impl LayersRun {
    /// What happens within the group, whose prover this is.
    fn execute(
        &self,
        prover: &SegmentProver,
        before: &KvCache,
    ) -> Result<ModelExecution, ProveError> {
        let committed = prover.model().ok_or(ProveError::NoModel)?;
        let input = GroupInput {
            tokens: &self.tokens,
            choices: &self.choices,
            stream: &self.stream_in,
            cache: before,
        };
        Ok(execute_group(committed.model(), committed.group(), &input)?.0)
    }
}

/// A group of layers in a segment, or all of them: what was computed, and the cache afterwards.
pub(crate) struct Executed {
    pub(crate) execution: Execution,
    pub(crate) after: KvCache,
}

/// What a part's proofs open besides, shared with the parts beside it.
struct Ports {
    before: Arc<CommittedState>,
    after: Arc<CommittedState>,
    stream_in: Option<Arc<CommittedStream>>,
    stream_out: Option<Arc<CommittedStream>>,
}

impl Ports {
    fn of_part(&self) -> PartPorts<'_> {
        PartPorts {
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
        }
    }

    fn attention_input<'a>(
        &'a self,
        execution: &'a SegmentExecution,
        cut: Cut,
    ) -> SegmentInput<'a> {
        SegmentInput {
            execution,
            before: &self.before,
            after: &self.after,
            cut,
        }
    }

    fn model_input<'a>(&'a self, execution: &'a ModelExecution, cut: Cut) -> ModelInput<'a> {
        ModelInput {
            execution,
            before: &self.before,
            after: &self.after,
            stream_in: self.stream_in.as_deref(),
            stream_out: self.stream_out.as_deref(),
            cut,
        }
    }
}

impl Execution {
    /// What a proof would claim, with the tokens of a decoder.
    fn claim(
        &self,
        prover: &SegmentProver,
        ports: &Ports,
    ) -> Result<(SegmentStatement, Option<SegmentTokens>), ProveError> {
        let (statement, tokens) = match self {
            Self::Attention(execution, cut) => {
                let input = ports.attention_input(execution, *cut);
                return Ok((prover.claim(&input)?.0, None));
            }
            Self::Model(execution, cut) => {
                prover.claim_model(&ports.model_input(execution, *cut))?
            }
            Self::Layers(run, Cut::Fused) => {
                let tokens = [&run.tokens[..], &run.choices];
                prover.claim_tokens(run.steps, tokens, ports.of_part())?
            }
            // The statement names the pairs, which only the witness has.
            Self::Layers(run, Cut::Split) => {
                let execution = run.execute(prover, ports.before.cache())?;
                prover.claim_model(&ports.model_input(&execution, Cut::Split))?
            }
        };
        Ok((statement, Some((&tokens).into())))
    }

    /// The stream that goes to the group of layers behind, with the steps.
    fn stream_out(&self) -> Option<(StepRange, &[i32])> {
        match self {
            Self::Layers(run, _) if !run.stream_out.is_empty() => {
                Some((run.steps, &run.stream_out))
            }
            Self::Layers(..) | Self::Attention(..) | Self::Model(..) => None,
        }
    }
}

/// Computes segments, one after the other.
pub(crate) trait Executor: Send {
    /// Executes the steps of a segment that begins with these caches, one for each group of layers; gives what
    /// happened in each, and the caches after them.
    fn execute(
        &mut self,
        segment: u64,
        steps: StepRange,
        before: &[&KvCache],
    ) -> Result<Vec<Executed>, ChainProveError>;
}

/// A part that is ready to be proven: a segment, where all layers are one group.
pub(crate) struct Job {
    /// Index of the part in the chain: of its file.
    pub(crate) part: u64,
    /// Index of the segment.
    pub(crate) segment: u64,
    pub(crate) statement: SegmentStatement,
    pub(crate) tokens: Option<SegmentTokens>,
    prover: Arc<SegmentProver>,
    execution: Execution,
    ports: Ports,
}

impl Job {
    /// Proves the part.
    pub(crate) fn prove(&self) -> Result<ProvenSegment, ProveError> {
        let (prover, ports) = (&*self.prover, &self.ports);
        match &self.execution {
            Execution::Attention(execution, cut) => {
                prover.prove(&ports.attention_input(execution, *cut))
            }
            Execution::Model(execution, cut) => {
                prover.prove_model(&ports.model_input(execution, *cut))
            }
            Execution::Layers(run, cut) => {
                let execution = run.execute(prover, ports.before.cache())?;
                prover.prove_model(&ports.model_input(&execution, *cut))
            }
        }
    }
}

/// A part that was executed: what it is proven from, and the cache after it.
struct Pending {
    segment: u64,
    group: u16,
    executed: Executed,
}

/// The state that a group of layers has reached.
struct Reached {
    cache: KvCache,
    /// The same in its tree, where that is kept.
    committed: Option<Arc<CommittedState>>,
}

/// Hands out the parts of a chain in order. It holds the reference between the two segments that it has
/// reached: one state a group of layers, whatever the length of the chain.
pub(crate) struct Front<'a> {
    provers: &'a Provers,
    executor: Box<dyn Executor + 'a>,
    /// The steps behind the next segment's.
    remaining: Box<dyn Iterator<Item = StepRange> + Send + 'a>,
    next: u64,
    /// The steps of the next segment.
    steps: Option<StepRange>,
    /// The state that each group of layers has reached.
    states: Vec<Reached>,
    /// Parts of the segment that was executed last which were not handed out yet.
    ready: VecDeque<Pending>,
    /// What the part that was handed out last gives to the next one.
    stream: Option<Arc<CommittedStream>>,
    chain: ChainAccumulator,
    /// The tokens that end the chain.
    end_tokens: EndTokens,
    /// The first of them that was generated: the last segment handed out has it.
    end: Option<EndToken>,
}

impl<'a> Front<'a> {
    /// Begins with the caches before the first of these segments, one for each group of layers.
    pub(crate) fn new(
        provers: &'a Provers,
        first: Vec<KvCache>,
        mut segments: impl Iterator<Item = StepRange> + Send + 'a,
        executor: Box<dyn Executor + 'a>,
        end_tokens: EndTokens,
    ) -> Self {
        let reached = |cache| Reached {
            cache,
            committed: None,
        };
        Self {
            provers,
            executor,
            steps: segments.next(),
            remaining: Box::new(segments),
            next: 0,
            states: first.into_iter().map(reached).collect(),
            ready: VecDeque::new(),
            stream: None,
            chain: ChainAccumulator::new(),
            end_tokens,
            end: None,
        }
    }

    /// Exchanges the states that have been reached: a defect, for the tests of what comes of it.
    #[cfg(test)]
    pub(crate) fn exchange_state(&mut self, other: &mut Self) {
        std::mem::swap(&mut self.states, &mut other.states);
    }

    /// The end token that the chain ends with, and not at its limit, as far as it was handed out.
    pub(crate) fn end(&self) -> Option<EndToken> {
        self.end
    }

    /// Index and steps of the segment that is executed next; `None` while parts of one wait, after the last, and
    /// after an error.
    pub(crate) fn upcoming(&self) -> Option<(u64, StepRange)> {
        if !self.ready.is_empty() {
            return None;
        }
        self.steps.map(|steps| (self.next, steps))
    }

    /// Whether all parts were handed out.
    pub(crate) fn is_done(&self) -> bool {
        self.ready.is_empty() && self.steps.is_none()
    }

    /// The next part, with its states committed. Executes the next segment where all parts of the one before were
    /// handed out; `None` after the last, and after an error.
    pub(crate) fn advance(&mut self) -> Result<Option<Job>, ChainProveError> {
        let job = self.next_job();
        if job.is_err() || self.end.is_some() {
            // Another worker may ask before it hears of the error: what is behind does not follow from the
            // state that was reached. Behind an end token there is no segment.
            self.ready.clear();
            (self.steps, self.remaining) = (None, Box::new(iter::empty()));
        }
        job
    }

    fn next_job(&mut self) -> Result<Option<Job>, ChainProveError> {
        if self.ready.is_empty() {
            let Some(steps) = self.steps.take() else {
                return Ok(None);
            };
            self.steps = self.remaining.next();
            let before: Vec<&KvCache> = self.states.iter().map(|state| &state.cache).collect();
            let segment = self.next;
            let all = self.executor.execute(segment, steps, &before)?;
            let pending = (0..).zip(all).map(|(group, executed)| Pending {
                segment,
                group,
                executed,
            });
            self.ready = pending.collect();
            self.next += 1;
        }
        match self.ready.pop_front() {
            None => Ok(None),
            Some(pending) => self.commit(pending).map(Some),
        }
    }

    /// Commits what a part opens, and says what it claims.
    fn commit(&mut self, pending: Pending) -> Result<Job, ChainProveError> {
        let Pending {
            segment,
            group,
            executed: Executed { execution, after },
        } = pending;
        let prove_error = |source| ChainProveError::Prove { segment, source };
        let prover = self.provers.get(group).map_err(prove_error)?;
        let reached = &mut self.states[usize::from(group)];
        let before = match reached.committed.take() {
            Some(committed) => committed,
            None => Arc::new(prover.state(reached.cache.clone()).map_err(prove_error)?),
        };
        reached.cache.clone_from(&after);
        let after = Arc::new(prover.state(after).map_err(prove_error)?);
        if self.provers.keeps_all() {
            reached.committed = Some(Arc::clone(&after));
        }
        let stream_out = match execution.stream_out() {
            None => None,
            Some((steps, stream)) => {
                let committed = prover.stream_out(steps, stream).map_err(prove_error)?;
                Some(Arc::new(committed))
            }
        };
        let ports = Ports {
            before,
            after,
            stream_in: std::mem::replace(&mut self.stream, stream_out.clone()),
            stream_out,
        };
        let claim = execution.claim(&prover, &ports);
        let (statement, tokens) = claim.map_err(prove_error)?;
        let is_complete = self.chain.push(&statement)?;
        if is_complete {
            self.end = end_of(&self.end_tokens, &statement, tokens.as_ref());
        }
        Ok(Job {
            part: segment * u64::from(self.provers.count()) + u64::from(group),
            segment,
            statement,
            // All parts of a segment have the same.
            tokens: tokens.filter(|_| is_complete),
            prover,
            execution,
            ports,
        })
    }

    /// What the segments handed out so far say together; `None` before the first.
    pub(crate) fn chain(self) -> Option<ChainStatement> {
        self.chain.finish().ok()
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
