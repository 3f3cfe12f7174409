//! From verified segments to a verified chain, in constant space.
use matchmark_statement::{
    AcceptancePolicy, ChainAccumulator, ChainError, ChainStatement, PolicyMismatch,
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
    /// There is no segment.
    #[error("expected at least one segment, got none")]
    Empty,
}

/// Folds verified segments, in order, into a chain.
#[derive(Clone, Debug, Default)]
pub struct ChainFold {
    accumulator: Option<ChainAccumulator>,
}

impl ChainFold {
    /// A chain of no segments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next segment.
    ///
    /// # Errors
    ///
    /// [`FoldError::Chain`] if it does not fit the one before.
    pub fn push(&mut self, segment: &Verified<SegmentStatement>) -> Result<(), FoldError> {
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
    pub fn finish(self, policy: &AcceptancePolicy) -> Result<Verified<ChainStatement>, FoldError> {
        let chain = self.accumulator.ok_or(FoldError::Empty)?.finish();
        policy.check_chain(&chain)?;
        Ok(Verified::new(chain))
    }
}
