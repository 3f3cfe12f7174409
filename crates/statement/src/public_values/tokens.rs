//! Tokens that a decoder's steps consume and choose.

use alloc::vec::Vec;

use matchmark_graph::ModelShape;
use matchmark_quant::{StepRange, TaggedSha256};

use super::{check_steps, PublicValuesError, TokenError};
use crate::identity::PublicValuesDigest;
use crate::prompt::PromptLength;
use crate::tokens::{TokenEnds, TokenId};

/// Tokens of a decoder segment's steps: for each step the token that it consumes and the one that it
/// chooses, the lowest of those with the largest logit; all below the size of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenValues {
    vocabulary: usize,
    consumed: Vec<TokenId>,
    chosen: Vec<TokenId>,
}

impl TokenValues {
    /// Domain tag of the digest.
    pub const TAG: &'static str = "matchmark/token-values/v1";

    /// Checks lengths, and the tokens against the vocabulary.
    ///
    /// # Errors
    ///
    /// - [`PublicValuesError::Steps`] for 0 steps or more than a segment can have;
    /// - [`PublicValuesError::TensorLength`] unless there is one token of each kind for every step;
    /// - [`PublicValuesError::Token`] for a token that the vocabulary does not have.
    pub fn new(
        shape: &ModelShape,
        steps: usize,
        consumed: Vec<TokenId>,
        chosen: Vec<TokenId>,
    ) -> Result<Self, PublicValuesError> {
        check_steps(steps)?;
        let vocabulary = shape.vocabulary();
        for (tensor, tokens) in [("consumed", &consumed), ("chosen", &chosen)] {
            if tokens.len() != steps {
                return Err(PublicValuesError::TensorLength {
                    tensor,
                    expected: steps,
                    got: tokens.len(),
                });
            }
            let mut tokens = tokens.iter().enumerate();
            if let Some((index, token)) = tokens.find(|(_, token)| !token.is_below(vocabulary)) {
                return Err(PublicValuesError::Token {
                    tensor,
                    index,
                    expected: vocabulary,
                    got: *token,
                });
            }
        }
        Ok(Self {
            vocabulary,
            consumed,
            chosen,
        })
    }

    /// Length of the encoding in bytes: two tokens of four bytes a step.
    ///
    /// Where that does not fit a `usize` the result is `usize::MAX`, which no slice reaches.
    #[must_use]
    pub const fn encoded_len(steps: usize) -> usize {
        steps.saturating_mul(8)
    }

    /// The tokens consumed and then the tokens chosen, each as four bytes, little-endian. There are no
    /// lengths: the statement fixes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.consumed
            .iter()
            .chain(&self.chosen)
            .flat_map(|token| token.get().to_le_bytes())
            .collect()
    }

    /// Reads the tokens from exactly `bytes`.
    ///
    /// # Errors
    ///
    /// - [`PublicValuesError::Steps`] for 0 steps or more than a segment can have;
    /// - [`PublicValuesError::EncodedLength`] unless there are [`Self::encoded_len`] bytes; nothing is
    ///   read or allocated then;
    /// - [`PublicValuesError::Token`] for a token that the vocabulary does not have.
    pub fn decode(
        bytes: &[u8],
        shape: &ModelShape,
        steps: usize,
    ) -> Result<Self, PublicValuesError> {
        check_steps(steps)?;
        let expected = Self::encoded_len(steps);
        if bytes.len() != expected {
            return Err(PublicValuesError::EncodedLength {
                expected,
                got: bytes.len(),
            });
        }
        let read = |bytes: &[u8]| -> Vec<TokenId> {
            bytes
                .chunks_exact(4)
                .map(|it| TokenId::new(u32::from_le_bytes([it[0], it[1], it[2], it[3]])))
                .collect()
        };
        let (consumed, chosen) = bytes.split_at(expected / 2);
        Self::new(shape, steps, read(consumed), read(chosen))
    }

    /// SHA-256 under [`Self::TAG`] over the size of the vocabulary, `S` (each eight bytes,
    /// little-endian) and the encoding.
    #[must_use]
    pub fn digest(&self) -> PublicValuesDigest {
        let mut hasher = TaggedSha256::new(Self::TAG);
        hasher.update_u64(self.vocabulary as u64);
        hasher.update_u64(self.steps() as u64);
        PublicValuesDigest::from_bytes(hasher.chain(&self.encode()).finish())
    }

    /// Whether the tokens follow from each other: the first consumed and the last chosen are these ends, and
    /// every token behind the prompt is the choice of the step before. Where the first
    /// token of the segment comes from is for the chain to say.
    ///
    /// # Errors
    ///
    /// [`TokenError`], one variant for each reason.
    pub fn check(
        &self,
        steps: StepRange,
        prompt: PromptLength,
        ends: TokenEnds,
    ) -> Result<(), TokenError> {
        let (expected, got) = (steps.steps(), self.steps());
        if expected != got {
            return Err(TokenError::Steps { expected, got });
        }
        let TokenEnds { first, next } = ends;
        // There is at least one step, so both are there.
        if let Some(got) = self.consumed.first().copied().filter(|got| *got != first) {
            let expected = first;
            return Err(TokenError::First { expected, got });
        }
        let positions = steps.entries_before() + 1..;
        let pairs = self.chosen.iter().zip(&self.consumed[1..]);
        for (position, (expected, got)) in positions.zip(pairs) {
            if !prompt.gives(position) && expected != got {
                return Err(TokenError::NotChosen {
                    position,
                    expected: *expected,
                    got: *got,
                });
            }
        }
        if let Some(got) = self.chosen.last().copied().filter(|got| *got != next) {
            let expected = next;
            return Err(TokenError::Next { expected, got });
        }
        Ok(())
    }

    /// `V`, the size of the vocabulary.
    #[must_use]
    pub const fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// `S`, the number of steps.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.consumed.len()
    }

    /// The token that each step consumes, `[S]`.
    #[must_use]
    pub fn consumed(&self) -> &[TokenId] {
        &self.consumed
    }

    /// The token chosen after each step, `[S]`.
    #[must_use]
    pub fn chosen(&self) -> &[TokenId] {
        &self.chosen
    }
}
