//! From verified segments to a verified chain, in constant space.
use matchmark_statement::{
    AcceptancePolicy, ChainAccumulator, ChainError, ChainStatement, PolicyId, PolicyMismatch,
    SegmentStatement,
};

use crate::verified::Verified;

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
    /// There is no segment.
    #[error("expected at least one segment, got none")]
    Empty,
}

variant_names!(FoldError {
    Chain,
    Policy,
    OtherPolicy,
    Empty,
});

/// Folds verified segments, in order, into a chain that a policy accepts.
#[derive(Clone, Debug)]
pub struct ChainFold {
    policy: AcceptancePolicy,
    accumulator: Option<ChainAccumulator>,
}

impl ChainFold {
    /// A chain of no segments yet.
    pub fn new(policy: AcceptancePolicy) -> Self {
        Self {
            policy,
            accumulator: None,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &AcceptancePolicy {
        &self.policy
    }

    /// Adds the next segment.
    ///
    /// # Errors
    ///
    /// [`FoldError::OtherPolicy`] if it was verified under another policy than this chain's;
    /// [`FoldError::Chain`] if it does not fit the one before. The chain is then as it was.
    pub fn push(&mut self, segment: &Verified<SegmentStatement>) -> Result<(), FoldError> {
        let (expected, got) = (self.policy.id(), segment.policy());
        if expected != got {
            return Err(FoldError::OtherPolicy { expected, got });
        }
        match &mut self.accumulator {
            None => self.accumulator = Some(ChainAccumulator::start(segment)),
            Some(accumulator) => accumulator.push(segment)?,
        }
        Ok(())
    }

    /// Ends the chain and compares it with the policy: its first state, and that no step is missing.
    ///
    /// # Errors
    ///
    /// [`FoldError::Empty`] or [`FoldError::Policy`].
    pub fn finish(self) -> Result<Verified<ChainStatement>, FoldError> {
        let chain = self.accumulator.ok_or(FoldError::Empty)?.finish();
        self.policy.check_chain(&chain)?;
        Ok(Verified::new(chain, self.policy.id()))
    }
}
