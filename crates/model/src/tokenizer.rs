//! From text to tokens and back: byte-level byte-pair encoding.

use std::collections::{HashMap, HashSet};

/// What a [`Tokenizer`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerParts {
    /// The bytes of each token; those of a special token are its name.
    pub pieces: Vec<Vec<u8>>,
    /// Which tokens are special: they stand for themselves and are part of no word.
    pub special: Vec<bool>,
    /// Pairs of tokens that become one, the first to be merged first. What a pair becomes is the token
    /// whose bytes are those of both.
    pub merges: Vec<[u32; 2]>,
    /// The token before every text, where there is one.
    pub begin: Option<u32>,
    /// The token that ends a text, where there is one.
    pub end: Option<u32>,
}

/// Why a tokenizer, or a text, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// There are not as many marks of special tokens as tokens.
    #[error("{got} tokens are marked as special or not, expected {expected}")]
    MarksMismatch {
        /// The number of tokens.
        expected: usize,
        /// The number of marks.
        got: usize,
    },
    /// A token has no bytes.
    #[error("token {token} is empty")]
    EmptyPiece {
        /// The token.
        token: usize,
    },
    /// Two tokens have the same bytes.
    #[error("token {token} has the same bytes as another one")]
    DuplicatePiece {
        /// The later of both.
        token: usize,
    },
    /// A merge, or the first or last token of a text, names a token that does not exist.
    #[error("{user} names token {got}, expected less than {tokens}")]
    UnknownToken {
        /// What names it.
        user: String,
        /// The number of tokens.
        tokens: usize,
        /// The token named.
        got: u32,
    },
    /// A merge is of a special token, or gives no token of the vocabulary.
    #[error("merge {merge} gives no ordinary token of the vocabulary")]
    MergeWithoutToken {
        /// Its position among the merges.
        merge: usize,
    },
    /// A merge comes twice.
    #[error("merge {merge} is there twice")]
    DuplicateMerge {
        /// The later of both.
        merge: usize,
    },
}

/// A byte-level byte-pair encoding, checked: tokens differ, and every merge gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenizer {
    parts: TokenizerParts,
}

impl Tokenizer {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`TokenizerError`], naming the token or merge.
    pub fn new(parts: TokenizerParts) -> Result<Self, TokenizerError> {
        let TokenizerParts {
            pieces,
            special,
            merges,
            begin,
            end,
        } = &parts;
        let tokens = pieces.len();
        if special.len() != tokens {
            return Err(TokenizerError::MarksMismatch {
                expected: tokens,
                got: special.len(),
            });
        }
        let mut ids = HashMap::new();
        for (token, piece) in pieces.iter().enumerate() {
            if piece.is_empty() {
                return Err(TokenizerError::EmptyPiece { token });
            }
            if ids.insert(piece.as_slice(), token).is_some() {
                return Err(TokenizerError::DuplicatePiece { token });
            }
        }
        let check = |user: String, got: u32| match usize::try_from(got) {
            Ok(token) if token < tokens => Ok(token),
            _ => Err(TokenizerError::UnknownToken { user, tokens, got }),
        };
        let mut seen = HashSet::new();
        for (merge, pair) in merges.iter().enumerate() {
            let [left, right] = *pair;
            let left = check(format!("merge {merge}"), left)?;
            let right = check(format!("merge {merge}"), right)?;
            let both = [pieces[left].as_slice(), pieces[right].as_slice()].concat();
            let ordinary = |token: usize| !special[token];
            let made = ids.get(both.as_slice()).copied();
            if !(ordinary(left) && ordinary(right) && made.is_some_and(ordinary)) {
                return Err(TokenizerError::MergeWithoutToken { merge });
            }
            if !seen.insert(*pair) {
                return Err(TokenizerError::DuplicateMerge { merge });
            }
        }
        for (user, token) in [("the begin of a text", begin), ("the end of a text", end)] {
            if let Some(token) = token {
                check(user.to_owned(), *token)?;
            }
        }
        Ok(Self { parts })
    }

    /// Number of tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.pieces.len()
    }

    /// Whether there is no token at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.pieces.is_empty()
    }

    /// The token before every text, where there is one.
    #[must_use]
    pub const fn begin(&self) -> Option<u32> {
        self.parts.begin
    }

    /// The token that ends a text, where there is one.
    #[must_use]
    pub const fn end(&self) -> Option<u32> {
        self.parts.end
    }

    /// The parts.
    #[must_use]
    pub const fn parts(&self) -> &TokenizerParts {
        &self.parts
    }
}
