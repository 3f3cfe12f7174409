//! Why a segment cannot be proven, and why bytes are not an extension of a model. One variant a reason.
use std::io;

use matchmark_air::layout::LayoutError;
use matchmark_air::mock::MockFailure;
use matchmark_air::points::SubfieldPoint;
use matchmark_statement::{ModelId, PublicValuesError, RelationDigest, StatementError};
use matchmark_verifier::key::ChainTermsError;
use matchmark_verifier::{variant_names, VerifyError};
use stwo::core::fields::qm31::QM31;

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
    /// The proof cannot be encoded.
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

/// Why bytes are not the extension of a model's columns. One variant a reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtensionError {
    /// The relation cannot carry the model, or the terms are not a statement.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The bytes cannot be read.
    #[error("cannot read the extension of a model's columns")]
    Read(#[source] io::Error),
    /// The bytes do not begin as an extension does.
    #[error("not an extension of a model's columns: it begins with {got}, expected {expected}")]
    Magic {
        /// How it begins, as text.
        expected: String,
        /// The first bytes, as text.
        got: String,
    },
    /// The bytes have another version of the format.
    #[error("the extension has format {got}, expected {expected}")]
    Format {
        /// The only version known.
        expected: u32,
        /// The version of the bytes.
        got: u32,
    },
    /// The columns are those of another relation.
    #[error("the extension is of relation {got}, expected {expected}")]
    Relation {
        /// The relation of this program.
        expected: RelationDigest,
        /// The relation of the bytes.
        got: RelationDigest,
    },
    /// The columns are those of another model.
    #[error("the extension is of model {got}, expected {expected}")]
    Model {
        /// The model.
        expected: ModelId,
        /// The model of the bytes.
        got: ModelId,
    },
    /// The extension is that of another code rate.
    #[error("the extension has a blowup of 2^{got}, expected 2^{expected}")]
    Blowup {
        /// Base-two logarithm of the chain's blowup.
        expected: u32,
        /// Base-two logarithm of the blowup of the bytes.
        got: u32,
    },
    /// The model has another number of columns.
    #[error("the extension has {got} columns, expected {expected}")]
    Columns {
        /// Columns of the model.
        expected: u32,
        /// Columns of the bytes.
        got: u32,
    },
    /// A column has another length.
    #[error("column {column} of the extension has 2^{got} values, expected 2^{expected}")]
    ColumnSize {
        /// The column, counted from 0.
        column: usize,
        /// Base-two logarithm of the length that the model's column has.
        expected: u32,
        /// Base-two logarithm of the length of the bytes.
        got: u32,
    },
    /// The bytes end too early.
    #[error("the extension has {got} bytes, expected {expected}: it is truncated")]
    Truncated {
        /// Bytes of the extension.
        expected: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// Something follows the last column.
    #[error("the extension has at least {got} bytes, expected {expected}: something follows the last column")]
    TrailingBytes {
        /// Bytes of the extension.
        expected: u64,
        /// Bytes that were read until that was clear.
        got: u64,
    },
    /// A value is not the one form of a field element.
    #[error(
        "value {row} of column {column} of the extension is {got}, expected less than {expected}"
    )]
    NotCanonical {
        /// The column, counted from 0.
        column: usize,
        /// The value in the column, counted from 0.
        row: usize,
        /// The characteristic of the field.
        expected: u32,
        /// The value.
        got: u32,
    },
    /// The values of a column are not those of the model's.
    #[error(
        "column {column} of the extension is not the model's: at the fingerprint's point it is {got}, expected \
         {expected}"
    )]
    OtherColumn {
        /// The first such column, counted from 0.
        column: usize,
        /// What the model's column is at the point that follows from the root.
        expected: QM31,
        /// What the column read is there.
        got: QM31,
    },
}

variant_names!(ExtensionError {
    Prove,
    Read,
    Magic,
    Format,
    Relation,
    Model,
    Blowup,
    Columns,
    ColumnSize,
    Truncated,
    TrailingBytes,
    NotCanonical,
    OtherColumn,
});
