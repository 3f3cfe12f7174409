//! How many tokens are given at the beginning of a chain.

use core::fmt;

use matchmark_quant::CacheCapacity;
use serde::{Deserialize, Serialize};

use crate::error::StatementError;

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
}
