//! Tokens: which a segment begins with, and which it ends with.

use core::fmt;

use serde::{Deserialize, Serialize};

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
    #[must_use]
    pub fn is_below(self, vocabulary: usize) -> bool {
        usize::try_from(self.0).is_ok_and(|token| token < vocabulary)
    }
}

impl fmt::Display for TokenId {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_from_0() {
        assert!(TokenId::new(31).is_below(32));
        assert!(!TokenId::new(32).is_below(32));
        assert!(!TokenId::new(u32::MAX).is_below(1 << 20));
    }
}
