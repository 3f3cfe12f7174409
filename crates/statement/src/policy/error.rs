//! Why fields, or a file, are not an acceptance policy.

use alloc::boxed::Box;
use alloc::string::String;

use matchmark_quant::QuantError;
use thiserror::Error;

use crate::codec::CodecError;
use crate::cut::ProofPart;
use crate::error::StatementError;
use crate::tokens::TokenId;

/// Why fields, or a file, are not an acceptance policy.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The terms do not go with each other, or the steps do not fit them.
    #[error("policy: {0}")]
    Terms(#[from] StatementError),
    /// There is no circuit, so that no segment could be accepted.
    #[error("policy: circuits are missing, expected one for each segment length in use")]
    NoCircuits,
    /// A circuit of a group of layers that the terms do not have.
    #[error(
        "policy: circuit of group {got} of layers, counted from 0, expected one of {expected}"
    )]
    CircuitGroup {
        /// Number of groups.
        expected: u16,
        /// The circuit's group.
        got: u16,
    },
    /// A group of layers without a circuit for a segment length in use.
    #[error("policy: no circuit of group {group} of layers for segments of {steps} steps, expected one for each group")]
    GroupCircuit {
        /// The group.
        group: u16,
        /// The segment length.
        steps: u32,
    },
    /// Two circuits for one part of one segment length.
    #[error("policy: two {part} circuits for segments of {got} steps of group {group} of layers, expected one")]
    DuplicateCircuit {
        /// The group of layers.
        group: u16,
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
    /// A decoder's chain that begins behind its given tokens: no segment would have chosen its first token.
    #[error(
        "policy: chain of a decoder begins after {got} cache entries, expected fewer than its {expected} given tokens"
    )]
    DecoderBegin {
        /// Number of given tokens, those of the model's prefix included.
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
    /// A given token is not in the vocabulary.
    #[error("policy: token at position {position} of the prompt is {got}, expected one below {expected}")]
    PromptToken {
        /// Position of the token, counted from 0.
        position: usize,
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
    /// An end token is not in the vocabulary; attention alone has neither tokens nor ends.
    #[error("policy: end token {got}, expected only tokens below {expected}, the size of the vocabulary")]
    EndToken {
        /// Size of the vocabulary; 0 without a decoder.
        expected: usize,
        /// The first end token that it does not have.
        got: TokenId,
    },
    /// The most tokens of the answer do not end in the last segment of the chain; attention alone has no answer.
    #[error(
        "policy: an answer of at most {got} tokens, expected {} to {}: its last one in the last segment of the chain",
        .expected[0], .expected[1]
    )]
    AnswerTokens {
        /// The fewest, and the most.
        expected: [u32; 2],
        /// The number given.
        got: u32,
    },
    /// Shorter chains where no token ends an answer, so that none of them could be accepted; attention alone has no
    /// answer.
    #[error("policy: {got} shorter chains and no end token, expected no shorter chain")]
    ShorterWithoutEnd {
        /// Number of shorter chains.
        got: usize,
    },
    /// Two shorter chains of one length.
    #[error("policy: two shorter chains of {got} steps, expected one")]
    DuplicateShorter {
        /// The number of steps.
        got: u32,
    },
    /// A shorter chain that generates no token, or is not shorter than the longest answer.
    #[error(
        "policy: shorter chain of {got} steps, expected {} to {}: more than the given tokens take, and fewer than the \
         longest answer does",
        .expected[0], .expected[1]
    )]
    ShorterSteps {
        /// The fewest, and the most.
        expected: [u32; 2],
        /// The number given.
        got: u32,
    },
    /// Something else is wrong with a shorter chain.
    #[error("shorter chain of {steps} steps: {source}")]
    Shorter {
        /// Its steps.
        steps: u32,
        /// What is wrong.
        source: Box<PolicyError>,
    },
    /// The bytes do not begin as a policy does.
    #[error("policy: the bytes are not a binary policy, expected them to begin with {expected:?}")]
    Magic {
        /// How the bytes of a policy begin.
        expected: &'static str,
    },
    /// The circuits in the bytes of a policy are not in their one order.
    #[error("policy: the circuits are not in order, expected them by steps, group and part")]
    CircuitOrder,
    /// The shorter chains in the bytes of a policy are not in their one order.
    #[error("policy: the shorter chains are not in order, expected them by steps")]
    ShorterOrder,
    /// The bytes are not an encoding of a policy.
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
    /// The file is not TOML, or a field is missing, unknown or outside of its range.
    #[error("policy: {reason}")]
    File {
        /// Position and cause, as the parser words them.
        reason: String,
    },
}

impl From<QuantError> for PolicyError {
    fn from(error: QuantError) -> Self {
        Self::Terms(error.into())
    }
}
