//! Why a segment cannot be proven. One variant a reason.

use matchmark_air::layout::LayoutError;
use matchmark_air::mock::MockFailure;
use matchmark_air::points::SubfieldPoint;
use matchmark_models::ModelError;
use matchmark_statement::{PublicValuesError, StatementError};
use matchmark_verifier::key::ChainTermsError;
use matchmark_verifier::{BelowLevel, VerifyError};

/// Why a segment cannot be proven, or does not pass the mock checker.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The relation cannot carry the shape.
    #[error("layout: {0}")]
    Layout(#[from] LayoutError),
    /// The terms of the chain are not a statement.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The execution's values are not public values of the shape.
    #[error("public values: {0}")]
    PublicValues(#[from] PublicValuesError),
    /// A committed cache does not stand where the segment begins or ends.
    #[error("{which} state: expected {expected} entries, got {got}")]
    StateEntries {
        /// `"first"` or `"last"`.
        which: &'static str,
        /// Entries that the segment's steps ask for.
        expected: usize,
        /// Entries of the committed cache.
        got: usize,
    },
    /// The trees of a chain are not as high as those of the prover's own.
    #[error("trees of height 2^{got}, expected 2^{expected} and the prover's own blowup")]
    OtherHeight {
        /// Log of the height of the prover's trees.
        expected: u32,
        /// Log of the height of the chain's.
        got: u32,
    },
    /// A group of layers has a stream that its place does not have, or lacks one.
    #[error("the streams of group {group} of layers, counted from 0, are not those of its place: expected one in unless it is the first, and one out unless it is the last")]
    Streams {
        /// The group.
        group: u16,
    },
    /// The layers are not layers of the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The chain is one of attention alone, and has no model.
    #[error("the terms of the chain have no decoder, expected one")]
    NoModel,
    /// The witness does not satisfy the constraints: the execution is not one of these semantics.
    #[error("the witness does not satisfy the constraints")]
    ConstraintsNotSatisfied,
    /// The mock checker found a constraint that does not hold, or a relation that does not balance.
    #[error(transparent)]
    Mock(#[from] MockFailure),
    /// A root has a fingerprint point at which nothing can be opened. It happens by chance with a
    /// probability of less than 2^-60 a root; other values have another root.
    #[error(transparent)]
    SubfieldPoint(#[from] SubfieldPoint),
    /// A proof of this size would be worth less than its level says.
    #[error(transparent)]
    BelowLevel(#[from] BelowLevel),
    /// The proof cannot be encoded, or is none.
    #[error("proof encoding: {0}")]
    Encoding(#[from] VerifyError),
}

impl From<ChainTermsError> for ProveError {
    fn from(error: ChainTermsError) -> Self {
        match error {
            ChainTermsError::Statement(error) => error.into(),
            ChainTermsError::Layout(error) => error.into(),
        }
    }
}
