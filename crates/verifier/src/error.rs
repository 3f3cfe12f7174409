//! Why a segment is refused. One variant a reason.
use alloc::boxed::Box;
use alloc::string::String;

use matchmark_air::channel::WorkError;
use matchmark_air::layout::LayoutError;
use matchmark_air::points::SubfieldPoint;
use matchmark_statement::{
    FormError, PolicyMismatch, Port, PortCommitment, PreprocessedRoot, ProofPart,
    PublicValuesDigest, PublicValuesError, RelationDigest, RelationVersion, SegmentCut,
    StatementDigest, StatementError, TokenError,
};

use crate::soundness::BelowLevel;

/// Why bytes are not a segment, or why a segment is not accepted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes do not begin like a segment file.
    #[error("not a segment file: expected magic {expected:02x?}, got {got:02x?}")]
    WrongMagic {
        /// The magic of segment files.
        expected: [u8; 8],
        /// The first bytes.
        got: [u8; 8],
    },
    /// A format that this verifier does not read.
    #[error("segment format version: expected {expected}, got {got}")]
    WrongFormatVersion {
        /// The version of this verifier.
        expected: u16,
        /// The version in the file.
        got: u16,
    },
    /// The bytes end too early.
    #[error("{part}: expected {expected} more bytes, got {got}")]
    Truncated {
        /// Which part of the file.
        part: &'static str,
        /// Bytes that the part needs.
        expected: usize,
        /// Bytes that are left.
        got: usize,
    },
    /// The bytes go on after the end.
    #[error("{part}: expected the end, got {got} more bytes")]
    TrailingBytes {
        /// Which part of the file.
        part: &'static str,
        /// Bytes left over.
        got: usize,
    },
    /// A length field disagrees with what the statement fixes.
    #[error("{part}: expected length {expected}, got {got}")]
    WrongLength {
        /// What has the length.
        part: &'static str,
        /// The length that follows from the statement.
        expected: usize,
        /// The length in the file.
        got: usize,
    },
    /// A length field is larger than anything the statement allows.
    #[error("{part}: expected length of at most {expected}, got {got}")]
    LengthTooLarge {
        /// What has the length.
        part: &'static str,
        /// The largest length.
        expected: usize,
        /// The length in the file.
        got: usize,
    },
    /// A field element is not in canonical form.
    #[error("field element: expected less than {expected}, got {got}")]
    NonCanonicalField {
        /// The modulus.
        expected: u32,
        /// The element as written.
        got: u32,
    },
    /// The statement does not decode, or is not a statement.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// The statement is not what the policy accepts.
    #[error("policy: {0}")]
    Policy(#[from] PolicyMismatch),
    /// The statement, and the policy that accepts it, are about a relation that this verifier does not
    /// have.
    #[error("relation: this verifier has version {expected_version} ({expected}), got version {got_version} ({got})")]
    UnknownRelation {
        /// Version of this verifier's relation.
        expected_version: RelationVersion,
        /// Digest of this verifier's relation.
        expected: RelationDigest,
        /// Version in the statement.
        got_version: RelationVersion,
        /// Digest in the statement.
        got: RelationDigest,
    },
    /// The relation cannot carry the statement's shape.
    #[error("layout: {0}")]
    Layout(#[from] LayoutError),
    /// A relation could have more uses than the field has elements.
    #[error("lookup uses: expected fewer than {expected}, got {got}")]
    TooManyLookups {
        /// The modulus.
        expected: u64,
        /// Uses that the shape allows.
        got: u64,
    },
    /// The public values do not decode: a value out of range, or too few of them.
    #[error("public values: {0}")]
    PublicValues(#[from] PublicValuesError),
    /// The public values were made for another vocabulary, shape, width or number of steps than the
    /// statement's. No file holds such values.
    #[error("public values: {0}")]
    Form(#[from] FormError),
    /// The public values in the file are not those of the statement.
    #[error("public values: expected digest {expected}, got {got}")]
    PublicValuesMismatch {
        /// Digest in the statement.
        expected: PublicValuesDigest,
        /// Digest of the values in the file.
        got: PublicValuesDigest,
    },
    /// The tokens among the public values are not those of the statement, or do not follow from each
    /// other.
    #[error("tokens: {0}")]
    Tokens(#[from] TokenError),
    /// A lookup challenge makes a tuple of the public tokens zero. It happens to an honest prover with a
    /// probability of less than 2^-100.
    #[error("a lookup challenge hits a tuple of the public tokens")]
    ChallengeHitsTuple,
    /// The proof would have to be opened where nothing can be. It happens to an honest prover with a
    /// probability of less than 2^-50.
    #[error(transparent)]
    SubfieldPoint(#[from] SubfieldPoint),
    /// The proof was made for other tables or selectors.
    #[error("preprocessed root: expected {expected}, got {got}")]
    PreprocessedRootMismatch {
        /// Root pinned by the policy.
        expected: PreprocessedRoot,
        /// Root in the proof.
        got: PreprocessedRoot,
    },
    /// A proof opens other columns than those of the port that the statement names.
    #[error("{port}: the statement names {expected}, the {part} proof opens {got}")]
    PortNotOpened {
        /// The port.
        port: Port,
        /// What the proof shows.
        part: ProofPart,
        /// Commitment in the statement.
        expected: PortCommitment,
        /// Commitment that the proof opens.
        got: PortCommitment,
    },
    /// The segment is split, and its second proof is not there.
    #[error("lookup proof: expected one, as the segment is split; got none")]
    LookupProofMissing,
    /// The segment is fused, and has a second proof.
    #[error("lookup proof: expected none, as the segment is fused; got one")]
    UnexpectedLookupProof,
    /// The statements of the two proofs of a split segment name different pairs.
    #[error("cut of the lookup proof: expected {expected}, got {got}")]
    CutMismatch {
        /// Cut in the statement of the arithmetic proof.
        expected: SegmentCut,
        /// Cut in the statement of the lookup proof.
        got: SegmentCut,
    },
    /// The two proofs name the same pairs, but are about different segments.
    #[error(
        "segment of the lookup proof: expected {expected}, got {got}, which differs in {field}"
    )]
    OtherLookup {
        /// The first field that differs.
        field: &'static str,
        /// Statement of the arithmetic proof.
        expected: StatementDigest,
        /// Statement of the segment that the lookup proof is about.
        got: StatementDigest,
    },
    /// The second proof of a split segment is refused.
    #[error("lookup proof: {0}")]
    Lookup(Box<VerifyError>),
    /// The LogUp sums do not cancel: something was looked up that no table holds.
    #[error("lookup sums: expected total zero, got {got:?}")]
    LookupSumNotZero {
        /// The total.
        got: [u32; 4],
    },
    /// Such a proof would be worth less than its level says.
    #[error(transparent)]
    BelowLevel(#[from] BelowLevel),
    /// The work before a challenge is missing or not enough, or there is more of it than the proof needs.
    #[error(transparent)]
    Work(#[from] WorkError),
    /// The constraints do not hold at the out-of-domain point.
    #[error("constraints: the composition does not match the opened values")]
    ConstraintsNotSatisfied,
    /// An opened value does not belong to its commitment.
    #[error("commitment opening: {0}")]
    Opening(String),
    /// The low-degree test fails.
    #[error("low-degree test: {0}")]
    LowDegree(String),
    /// The library says that the proof's structure is wrong. The lengths are compared before, so that no
    /// proof that was decoded ends here.
    #[error("proof: {0}")]
    Proof(String),
}

variant_names!(VerifyError {
    WrongMagic,
    WrongFormatVersion,
    Truncated,
    TrailingBytes,
    WrongLength,
    LengthTooLarge,
    NonCanonicalField,
    Statement,
    Policy,
    UnknownRelation,
    Layout,
    TooManyLookups,
    PublicValues,
    Form,
    PublicValuesMismatch,
    Tokens,
    ChallengeHitsTuple,
    SubfieldPoint,
    PreprocessedRootMismatch,
    PortNotOpened,
    LookupProofMissing,
    UnexpectedLookupProof,
    CutMismatch,
    OtherLookup,
    Lookup,
    LookupSumNotZero,
    BelowLevel,
    Work,
    ConstraintsNotSatisfied,
    Opening,
    LowDegree,
    Proof,
});
