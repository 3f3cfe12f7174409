//! The public values of a segment: what went in and what came out, in full.

mod attention;
mod tokens;

use alloc::vec::Vec;

use matchmark_quant::{AttentionShape, QuantError, SegmentSteps, ValueBits};
use thiserror::Error;

use crate::decoder::{DecoderTerms, SegmentKind};
use crate::identity::PublicValuesDigest;
use crate::tokens::TokenId;

pub use attention::AttentionValues;
pub use tokens::TokenValues;

/// Why tensors, tokens or bytes are not public values.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum PublicValuesError {
    /// The number of steps is 0 or beyond what a segment can have.
    #[error("segment has {got} steps, expected 1 to {expected}")]
    Steps {
        /// Largest number of steps of a segment.
        expected: usize,
        /// The number given.
        got: usize,
    },
    /// A tensor has the wrong number of values.
    #[error("tensor {tensor} has {got} values, expected {expected}")]
    TensorLength {
        /// `q`, `k`, `v` or `out`; `consumed` or `chosen`.
        tensor: &'static str,
        /// Number of values by the shape.
        expected: usize,
        /// Number given.
        got: usize,
    },
    /// A value lies outside of the range.
    #[error("tensor {tensor}, index {index}: {source}")]
    Value {
        /// `q`, `k`, `v` or `out`.
        tensor: &'static str,
        /// Index into the tensor, row-major.
        index: usize,
        /// The value and the range.
        source: QuantError,
    },
    /// A token is not in the vocabulary.
    #[error("tensor {tensor}, index {index}: token {got}, expected one below {expected}")]
    Token {
        /// `consumed` or `chosen`.
        tensor: &'static str,
        /// Index of the step in the segment.
        index: usize,
        /// Size of the vocabulary.
        expected: usize,
        /// The token.
        got: TokenId,
    },
    /// The encoding has the wrong length.
    #[error("encoded public values have {got} bytes, expected {expected}")]
    EncodedLength {
        /// Number of bytes by the shape.
        expected: usize,
        /// Number given.
        got: usize,
    },
    /// The values are not those that a statement names.
    #[error("public values digest is {got}, expected {expected}")]
    Digest {
        /// The digest in the statement.
        expected: PublicValuesDigest,
        /// The digest of the values.
        got: PublicValuesDigest,
    },
}

/// Why public values are not of the form that a statement fixes. Values that were read for the statement
/// always are; values that were made in memory may be for anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormError {
    /// The values are those of another kind of segment.
    #[error("public values are those of {got}, expected those of {expected}")]
    Kind {
        /// The kind of the statement.
        expected: SegmentKind,
        /// The kind of the values.
        got: SegmentKind,
    },
    /// The values are of another number of steps.
    #[error("values of {got} steps, expected {expected}")]
    Steps {
        /// Steps of the statement.
        expected: usize,
        /// Steps of the values.
        got: usize,
    },
    /// The values are of heads of another number or size.
    #[error("values of an attention with {got}, expected {expected}")]
    Attention {
        /// Heads of the statement's shape.
        expected: AttentionShape,
        /// Heads that the values were made for.
        got: AttentionShape,
    },
    /// The values are of another width.
    #[error("values of {got} bits, expected {expected} bits")]
    ValueBits {
        /// Width of the statement's quantization.
        expected: ValueBits,
        /// Width that the values were made for.
        got: ValueBits,
    },
    /// The tokens are of another vocabulary.
    #[error("tokens of a vocabulary of {got}, expected one of {expected}")]
    Vocabulary {
        /// Size of the vocabulary of the statement's model.
        expected: usize,
        /// Size of the vocabulary that the tokens were made for.
        got: usize,
    },
}

/// Why a segment's tokens are not those of its statement, or do not follow from each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The public values are not of the statement's form.
    #[error(transparent)]
    Form(#[from] FormError),
    /// There are tokens for another number of steps.
    #[error("tokens of {got} steps, expected {expected}")]
    Steps {
        /// Steps of the statement.
        expected: usize,
        /// Steps that there are tokens for.
        got: usize,
    },
    /// The first step consumes another token than the statement says.
    #[error("the first token is {got}, expected {expected}")]
    First {
        /// The token in the statement.
        expected: TokenId,
        /// The token consumed.
        got: TokenId,
    },
    /// Another token is chosen after the last step than the statement says.
    #[error("the next token is {got}, expected {expected}")]
    Next {
        /// The token in the statement.
        expected: TokenId,
        /// The token chosen.
        got: TokenId,
    },
    /// A step behind the prompt consumes another token than the step before chose.
    #[error("the token at position {position} is {got}, expected the choice {expected}")]
    NotChosen {
        /// Absolute position of the token, counted from 0.
        position: usize,
        /// The choice of the step before.
        expected: TokenId,
        /// The token consumed.
        got: TokenId,
    },
}

/// What went into a segment's steps and what came out: values of attention, or tokens of a decoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicValues {
    /// Values of a segment of attention alone.
    Attention(AttentionValues),
    /// Tokens of a segment of a whole decoder.
    Tokens(TokenValues),
}

impl PublicValues {
    /// What kind of segment these values are of.
    #[must_use]
    pub const fn kind(&self) -> SegmentKind {
        match self {
            Self::Attention(_) => SegmentKind::Attention,
            Self::Tokens(_) => SegmentKind::Decoder,
        }
    }

    /// `S`, the number of steps.
    #[must_use]
    pub const fn steps(&self) -> usize {
        match self {
            Self::Attention(values) => values.steps(),
            Self::Tokens(values) => values.steps(),
        }
    }

    /// The encoding of the values or tokens. It does not say which of both it is: the statement fixes
    /// that.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Attention(values) => values.encode(),
            Self::Tokens(values) => values.encode(),
        }
    }

    /// The digest of the values or tokens, each under a tag of its own.
    #[must_use]
    pub fn digest(&self) -> PublicValuesDigest {
        match self {
            Self::Attention(values) => values.digest(),
            Self::Tokens(values) => values.digest(),
        }
    }

    /// The values of a segment of attention alone.
    #[must_use]
    pub const fn attention(&self) -> Option<&AttentionValues> {
        match self {
            Self::Attention(values) => Some(values),
            Self::Tokens(_) => None,
        }
    }

    /// The tokens of a segment of a whole decoder.
    #[must_use]
    pub const fn tokens(&self) -> Option<&TokenValues> {
        match self {
            Self::Attention(_) => None,
            Self::Tokens(values) => Some(values),
        }
    }
}

impl From<AttentionValues> for PublicValues {
    fn from(values: AttentionValues) -> Self {
        Self::Attention(values)
    }
}

impl From<TokenValues> for PublicValues {
    fn from(values: TokenValues) -> Self {
        Self::Tokens(values)
    }
}

/// What fixes the form of public values, besides the number of steps.
pub(crate) struct Form<'a> {
    pub(crate) attention: AttentionShape,
    pub(crate) bits: ValueBits,
    pub(crate) decoder: Option<&'a DecoderTerms>,
}

impl Form<'_> {
    /// Length of the encoding in bytes.
    pub(crate) const fn encoded_len(&self, steps: usize) -> usize {
        match self.decoder {
            None => AttentionValues::encoded_len(&self.attention, self.bits, steps),
            Some(_) => TokenValues::encoded_len(steps),
        }
    }

    /// Whether the values are of this form: only then do the bounds that they were made with mean anything.
    pub(crate) fn check(&self, values: &PublicValues, steps: usize) -> Result<(), FormError> {
        let (expected, got) = (SegmentKind::of(self.decoder), values.kind());
        if expected != got {
            return Err(FormError::Kind { expected, got });
        }
        let (expected, got) = (steps, values.steps());
        if expected != got {
            return Err(FormError::Steps { expected, got });
        }
        match (self.decoder, values) {
            (None, PublicValues::Attention(values)) => {
                let (expected, got) = (self.attention, values.shape());
                if expected != got {
                    return Err(FormError::Attention { expected, got });
                }
                let (expected, got) = (self.bits, values.bits());
                if expected != got {
                    return Err(FormError::ValueBits { expected, got });
                }
                Ok(())
            }
            (Some(decoder), PublicValues::Tokens(values)) => {
                let (expected, got) = (decoder.shape.vocabulary(), values.vocabulary());
                if expected != got {
                    return Err(FormError::Vocabulary { expected, got });
                }
                Ok(())
            }
            // Of another kind, and refused above.
            _ => Ok(()),
        }
    }

    /// Reads the values from exactly `bytes`.
    pub(crate) fn decode(
        &self,
        bytes: &[u8],
        steps: usize,
    ) -> Result<PublicValues, PublicValuesError> {
        Ok(match self.decoder {
            None => AttentionValues::decode(bytes, self.attention, self.bits, steps)?.into(),
            Some(decoder) => TokenValues::decode(bytes, &decoder.shape, steps)?.into(),
        })
    }
}

const fn check_steps(steps: usize) -> Result<(), PublicValuesError> {
    let expected = SegmentSteps::MAX as usize;
    if steps == 0 || steps > expected {
        return Err(PublicValuesError::Steps {
            expected,
            got: steps,
        });
    }
    Ok(())
}
