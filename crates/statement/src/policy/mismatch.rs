//! Why a statement is not accepted, and why a policy is none.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use matchmark_quant::{
    ModelArithmetic, ModelShape, QuantError, QuantizationPolicy, Rounding, StepRange, TableBounds,
};
use matchmark_tables::TableId;
use thiserror::Error;

use crate::boundary::{Boundary, ProofPart};
use crate::codec::CodecError;
use crate::decoder::SegmentKind;
use crate::domain::VerifierDomain;
use crate::error::StatementError;
use crate::identity::{
    ModelCommitment, ModelIdentity, RelationDigest, RelationVersion, StateCommitment,
};
use crate::security::Security;
use crate::shape::SegmentShape;
use crate::text;
use crate::tokens::{PromptLength, TokenId};

/// In which field a statement differs from what a policy accepts: `expected` is the policy's value,
/// `got` the statement's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
#[allow(missing_docs)] // `expected` and `got` of every variant are explained once, above.
pub enum PolicyMismatch {
    /// Another version of the relation.
    #[error("relation version is {got}, expected {expected}")]
    RelationVersion {
        expected: RelationVersion,
        got: RelationVersion,
    },
    /// Another relation under the same version.
    #[error("relation digest is {got}, expected {expected}")]
    RelationDigest {
        expected: RelationDigest,
        got: RelationDigest,
    },
    /// Made for another application, or on another occasion.
    #[error("verifier domain is {got}, expected {expected}")]
    Domain {
        expected: VerifierDomain,
        got: VerifierDomain,
    },
    /// A weaker security level. `insecure-13` ends here unless the policy itself names it.
    #[error("security is only {got}, expected {expected}")]
    WeakerSecurity { expected: Security, got: Security },
    /// A stronger security level, or another profile of the same one.
    #[error("security is {got}, expected {expected}")]
    Security { expected: Security, got: Security },
    /// Another model.
    #[error("model is {got}, expected {expected}")]
    Model {
        expected: ModelIdentity,
        got: ModelIdentity,
    },
    /// Another quantization policy.
    #[error("quantization is {}, expected {}", text::Quantization(.got), text::Quantization(.expected))]
    Quantization {
        expected: QuantizationPolicy,
        got: QuantizationPolicy,
    },
    /// Another rounding rule.
    #[error("rounding is {got}, expected {expected}")]
    Rounding { expected: Rounding, got: Rounding },
    /// Another weight table.
    #[error("table is {got}, expected {expected}")]
    Table { expected: TableId, got: TableId },
    /// The right table's identity with the wrong length or largest weight.
    #[error("table bounds are {}, expected {}", text::Bounds(.got), text::Bounds(.expected))]
    TableBounds {
        expected: TableBounds,
        got: TableBounds,
    },
    /// Other heads, head dimension, capacity or segment length.
    #[error("shape is {got}, expected {expected}")]
    Shape {
        expected: SegmentShape,
        got: SegmentShape,
    },
    /// A decoder where attention alone was decided upon, or the other way around.
    #[error("terms are those of {got}, expected those of {expected}")]
    Kind {
        expected: SegmentKind,
        got: SegmentKind,
    },
    /// A decoder of another shape. Boxed, as nothing else is as large.
    #[error("model shape is {got}, expected {expected}")]
    ModelShape {
        expected: Box<ModelShape>,
        got: Box<ModelShape>,
    },
    /// A decoder with other integer arithmetic.
    #[error("model arithmetic is {}, expected {}", text::Arithmetic(.got), text::Arithmetic(.expected))]
    ModelArithmetic {
        expected: ModelArithmetic,
        got: ModelArithmetic,
    },
    /// Other weights or tables.
    #[error("model commitment is {got}, expected {expected}")]
    ModelWeights {
        expected: ModelCommitment,
        got: ModelCommitment,
    },
    /// Another number of given tokens.
    #[error("prompt has {got} tokens, expected {expected}")]
    Prompt {
        expected: PromptLength,
        got: PromptLength,
    },
    /// Another token at a position of the prompt.
    #[error("token at position {position} of the prompt is {got}, expected {expected}")]
    PromptToken {
        position: usize,
        expected: TokenId,
        got: TokenId,
    },
    /// The segment has steps that are not among the chain's.
    #[error("segment has {}, expected some of {}", text::Steps(.got), text::Steps(.expected))]
    StepsOutside { expected: StepRange, got: StepRange },
    /// The chain has not all of the steps, or more.
    #[error("chain has {}, expected {}", text::Steps(.got), text::Steps(.expected))]
    ChainSteps { expected: StepRange, got: StepRange },
    /// The chain, or its first segment, begins with another cache.
    #[error("first state is {got}, expected {expected}")]
    FirstState {
        expected: StateCommitment,
        got: StateCommitment,
    },
    /// Segments of this length are accepted, but not proven in this way.
    #[error("segment is {got}, expected {expected}")]
    Boundary { expected: Boundary, got: Boundary },
    /// No circuit is accepted for segments of this length; `expected` lists the lengths there are.
    #[error("segment has {got} steps, expected one of {expected:?}")]
    SegmentLength { expected: Vec<u32>, got: usize },
}

/// Why fields, or a file, are no acceptance policy.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The steps do not fit the shape.
    #[error("policy: {0}")]
    Shape(#[from] StatementError),
    /// A quantity leaves its bounds.
    #[error("policy: {0}")]
    Quantity(#[from] QuantError),
    /// There is no circuit, so that no segment could be accepted.
    #[error("policy: no circuit, expected one for each segment length in use")]
    NoCircuits,
    /// Two circuits for one part of one segment length.
    #[error("policy: two {part} circuits for segments of {got} steps, expected one")]
    DuplicateCircuit {
        /// What both prove.
        part: ProofPart,
        /// The segment length.
        got: u32,
    },
    /// One of the two circuits of split segments without the other.
    #[error("policy: {got} circuit for segments of {steps} steps, expected the {expected} circuit as well")]
    HalfCircuit {
        /// The part that is missing.
        expected: ProofPart,
        /// The part that is there.
        got: ProofPart,
        /// The segment length.
        steps: u32,
    },
    /// A circuit for a segment length that the shape does not allow.
    #[error("policy: circuit for segments of {got} steps, expected 1 to {expected}")]
    CircuitSteps {
        /// Largest number of steps of a segment.
        expected: u32,
        /// The circuit's number of steps.
        got: u32,
    },
    /// A decoder's circuit without a decoder, or another circuit with one.
    #[error(
        "policy: {got} circuit for segments of {steps} steps, expected those of {expected} only"
    )]
    CircuitKind {
        /// What the segments are of.
        expected: SegmentKind,
        /// What the circuit proves.
        got: ProofPart,
        /// The segment length.
        steps: u32,
    },
    /// A decoder's chain that begins in the middle: its first token would be nobody's choice.
    #[error("policy: chain of a decoder begins after {got} cache entries, expected {expected}")]
    DecoderBegin {
        /// Where the first token is.
        expected: usize,
        /// Cache entries before the chain's first step.
        got: usize,
    },
    /// The given tokens are not as many as the decoder's terms say; attention alone has none.
    #[error("policy: prompt of {got} tokens, expected {expected}, the number in the terms of the decoder")]
    PromptLength {
        /// The number in the terms; 0 without a decoder.
        expected: u32,
        /// The number of tokens.
        got: usize,
    },
    /// A given token is none of the vocabulary.
    #[error("policy: token at position {position} of the prompt is {got}, expected one below {expected}")]
    PromptToken {
        /// Position of the token, counted from 0.
        position: usize,
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
    /// The bytes do not begin as a policy does.
    #[error("policy: the bytes are no binary policy, expected them to begin with {expected:?}")]
    Magic {
        /// How the bytes of a policy begin.
        expected: &'static str,
    },
    /// The circuits in the bytes of a policy are not in their one order.
    #[error("policy: the circuits are not in order, expected them by steps and part")]
    CircuitOrder,
    /// The bytes are no encoding of a policy.
    #[error("policy: {0}")]
    Encoding(#[from] CodecError),
    /// The file is in another version of the format.
    #[error("policy: file format is {got}, expected {expected}")]
    Format {
        /// The only version known.
        expected: u32,
        /// The version given.
        got: u32,
    },
    /// The file is no TOML, or a field is missing, unknown or outside of its range.
    #[error("policy: {reason}")]
    File {
        /// Position and cause, as the parser words them.
        reason: String,
    },
}
