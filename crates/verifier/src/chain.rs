//! From verified segments to a verified chain, in constant space.
use core::ops::Deref;

use matchmark_quant::StepRange;
use matchmark_statement::{
    AcceptancePolicy, Answer, ChainAccumulator, ChainError, ChainStatement, EndToken, EndTokens,
    FinishReason, PolicyId, PolicyMismatch,
};

use crate::verified::Verified;
use crate::verify::VerifiedSegment;

/// Why verified segments are not the chain that the policy accepts.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// A segment does not follow the one before.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The chain as a whole is not what the policy accepts.
    #[error(transparent)]
    Policy(#[from] PolicyMismatch),
    /// A segment was verified under another policy.
    #[error("policy of the segment: expected {expected}, got {got}")]
    OtherPolicy {
        /// Identity of the chain's policy.
        expected: PolicyId,
        /// Identity of the policy under which the segment was verified.
        got: PolicyId,
    },
    /// A segment behind the one that generates the first end token.
    #[error(
        "segment {segment} is behind the end of the answer, {end}, one of the end tokens {end_tokens}: expected \
         no segment there; a chain that is to go on needs a policy without that end token"
    )]
    PastEnd {
        /// Index of the segment, from 0.
        segment: u64,
        /// The end token that was generated first.
        end: EndToken,
        /// The end tokens of the policy.
        end_tokens: EndTokens,
    },
}

variant_names!(FoldError {
    Chain,
    Policy,
    OtherPolicy,
    PastEnd,
});

/// Folds verified segments, in order, into a chain that a policy accepts. Where a decoder is cut into groups of
/// layers, each segment is as many parts, one after the other.
#[derive(Clone, Debug)]
pub struct ChainFold {
    policy: AcceptancePolicy,
    accumulator: ChainAccumulator,
    /// The first end token that was generated: the last segment's, as none follows that one.
    end: Option<EndToken>,
}

impl ChainFold {
    /// A chain of no segments yet.
    pub fn new(policy: AcceptancePolicy) -> Self {
        Self {
            policy,
            accumulator: ChainAccumulator::new(),
            end: None,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &AcceptancePolicy {
        &self.policy
    }

    /// Adds the next segment, or the next part of one. Gives whether a segment is complete with it.
    ///
    /// # Errors
    ///
    /// [`FoldError::OtherPolicy`] if it was verified under another policy than this chain's;
    /// [`FoldError::PastEnd`] if an end token was generated before it; [`FoldError::Chain`] if it does not
    /// fit the one before; [`FoldError::Policy`] if the chain begins with another state, or has all steps of a
    /// shorter chain and no end token. The chain is then as it was.
    pub fn push(&mut self, segment: &VerifiedSegment) -> Result<bool, FoldError> {
        let statement = segment.statement();
        let (expected, got) = (self.policy.id(), statement.policy());
        if expected != got {
            return Err(FoldError::OtherPolicy { expected, got });
        }
        self.check_goes_on()?;
        let mut accumulator = self.accumulator.clone();
        let is_complete = accumulator.push(statement)?;
        // Of the last complete segment, as none follows one with an end token.
        let end = if is_complete { segment.end() } else { None };
        if let Some(chain) = accumulator.statement() {
            self.policy.check_begin(chain)?;
            self.policy.check_going_on(chain, end)?;
        }
        self.accumulator = accumulator;
        self.end = end;
        Ok(is_complete)
    }

    /// Whether another segment may follow: no end token was generated yet.
    ///
    /// # Errors
    ///
    /// [`FoldError::PastEnd`].
    pub fn check_goes_on(&self) -> Result<(), FoldError> {
        match self.end {
            None => Ok(()),
            Some(end) => Err(FoldError::PastEnd {
                segment: self.segments(),
                end,
                end_tokens: self.policy.end_tokens().clone(),
            }),
        }
    }

    /// Whether nothing is missing: all steps are there, or an end token was generated.
    pub fn is_whole(&self) -> bool {
        let is_whole = |it: &ChainStatement| self.policy.is_whole(it, self.end);
        self.accumulator.parts_of_segment() == 0
            && self.accumulator.statement().is_some_and(is_whole)
    }

    /// The steps that the chain may have, as far as is known: those that the policy says of a chain with the terms of the
    /// first segment, and before that of the whole one.
    pub fn steps(&self) -> StepRange {
        let chain = self.accumulator.statement();
        chain.map_or(self.policy.steps(), |it| self.policy.steps_of(it.terms()))
    }

    /// Complete segments of the chain so far.
    pub fn segments(&self) -> u64 {
        let chain = self.accumulator.statement();
        chain.map_or(0, ChainStatement::segments)
    }

    /// Parts that are there of the segment that is not complete.
    pub fn parts_of_segment(&self) -> u16 {
        self.accumulator.parts_of_segment()
    }

    /// Ends the chain and compares it with the policy: its first state, and that no step is missing, unless
    /// an end token ends it.
    ///
    /// # Errors
    ///
    /// [`FoldError::Chain`] without a segment, or with parts of one missing, or [`FoldError::Policy`].
    pub fn finish(self) -> Result<VerifiedChain, FoldError> {
        let chain = self.accumulator.finish()?;
        let answer = self.policy.check_chain(&chain, self.end)?;
        Ok(VerifiedChain {
            statement: Verified::new(chain, self.policy.id()),
            answer,
        })
    }
}

/// A verified chain, and where its answer ends. Only [`ChainFold::finish`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedChain {
    statement: Verified<ChainStatement>,
    answer: Option<Answer>,
}

impl VerifiedChain {
    /// What the chain says.
    pub fn statement(&self) -> &Verified<ChainStatement> {
        &self.statement
    }

    /// What of the chain of a decoder is its answer, and the end token that it ends with.
    pub fn answer(&self) -> Option<Answer> {
        self.answer
    }

    /// Why the chain ends. That of attention alone has all steps.
    pub fn finish_reason(&self) -> FinishReason {
        let answer = self.answer.as_ref();
        answer.map_or(FinishReason::Length, Answer::finish_reason)
    }
}

impl Deref for VerifiedChain {
    type Target = Verified<ChainStatement>;

    fn deref(&self) -> &Self::Target {
        &self.statement
    }
}
