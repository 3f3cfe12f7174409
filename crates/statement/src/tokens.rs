//! Tokens: which a segment begins with, which it ends with, and how many are given.

use core::fmt;

use matchmark_quant::CacheCapacity;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::error::StatementError;
use crate::public_values::FormError;

/// Number of a token in the vocabulary, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(u32);

impl TokenId {
    /// Names a token. Whether it is one of a vocabulary is for a statement to check.
    #[must_use]
    pub const fn new(token: u32) -> Self {
        Self(token)
    }

    /// The token's number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether a vocabulary of this size has such a token.
    pub(crate) fn is_below(self, vocabulary: usize) -> bool {
        usize::try_from(self.0).is_ok_and(|token| token < vocabulary)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of tokens at the beginning of a chain that are given and not chosen: at least 1, as there is
/// nothing to choose by before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PromptLength(u32);

impl PromptLength {
    /// Largest number of given tokens: that of cache entries.
    pub const MAX: u32 = CacheCapacity::MAX;

    /// Takes a number from 1 to [`Self::MAX`].
    ///
    /// # Errors
    ///
    /// [`StatementError::PromptLength`] outside of that range.
    pub const fn new(tokens: u32) -> Result<Self, StatementError> {
        if tokens == 0 || tokens > Self::MAX {
            return Err(StatementError::PromptLength {
                expected: Self::MAX,
                got: tokens,
            });
        }
        Ok(Self(tokens))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether the token consumed at this position, counted from 0, is a given one.
    #[must_use]
    pub const fn gives(self, position: usize) -> bool {
        position < self.0 as usize
    }
}

impl TryFrom<u32> for PromptLength {
    type Error = StatementError;

    fn try_from(tokens: u32) -> Result<Self, StatementError> {
        Self::new(tokens)
    }
}

impl From<PromptLength> for u32 {
    fn from(prompt: PromptLength) -> Self {
        prompt.0
    }
}

impl fmt::Display for PromptLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The tokens at both ends of a segment, where it meets its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenEnds {
    /// The token that the first step consumes.
    pub first: TokenId,
    /// The choice after the last step: what the next segment begins with, unless that token is given.
    pub next: TokenId,
}

impl fmt::Display for TokenEnds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "first {}, next {}", self.first, self.next)
    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn prompts_have_a_token_at_least() {
        for got in [0, PromptLength::MAX + 1, u32::MAX] {
            let refusal = StatementError::PromptLength {
                expected: PromptLength::MAX,
                got,
            };
            assert_eq!(PromptLength::new(got), Err(refusal));
            assert!(codec::decode::<PromptLength>(&got.to_le_bytes(), 4).is_err());
        }
        for tokens in [1, PromptLength::MAX] {
            let prompt = PromptLength::new(tokens).unwrap();
            assert_eq!(codec::encode(&prompt).unwrap(), tokens.to_le_bytes());
            let last = tokens as usize - 1;
            assert_eq!((prompt.gives(last), prompt.gives(last + 1)), (true, false));
        }
    }

    #[test]
    fn tokens_are_counted_from_0() {
        assert!(TokenId::new(31).is_below(32));
        assert!(!TokenId::new(32).is_below(32));
        assert!(!TokenId::new(u32::MAX).is_below(1 << 20));
    }
}
