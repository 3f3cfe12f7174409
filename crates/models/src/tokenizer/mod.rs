//! From text to tokens and back: byte-level byte-pair encoding.

mod digest;
mod encode;
mod merge;
mod words;

use std::collections::HashMap;

pub use digest::TokenizerId;
pub(crate) use digest::INDIVIDUAL_DIGITS;

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
    /// Whether every digit is a word by itself. Otherwise digits that follow each other are one, with a
    /// space before them.
    pub individual_digits: bool,
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
    /// A byte of a text is not a token of its own.
    #[error(
        "byte {got:#04x} has no token in the vocabulary, expected one for every byte of the text"
    )]
    UnknownByte {
        /// The byte.
        got: u8,
    },
    /// A special token has a name that is not text.
    #[error("special token {token} has a name that is not UTF-8")]
    SpecialNotText {
        /// The token.
        token: usize,
    },
    /// A text has more tokens than it may have.
    #[error("the text has more than {limit} tokens, expected at most {limit}")]
    TooManyTokens {
        /// The largest number.
        limit: usize,
    },
    /// A merge comes twice.
    #[error("merge {merge} appears twice, expected it once")]
    DuplicateMerge {
        /// The later of both.
        merge: usize,
    },
}

/// A byte-level byte-pair encoding, checked: tokens differ, and every merge gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenizer {
    parts: TokenizerParts,
    /// The token of each single byte.
    bytes: Vec<Option<u32>>,
    /// Position of each merge, and the token that it gives.
    ranks: HashMap<[u32; 2], (u32, u32)>,
    /// The special tokens.
    specials: Vec<u32>,
    /// Bytes of the longest token, at least 1.
    longest: usize,
}

impl Tokenizer {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`TokenizerError`], naming the token or merge.
    pub fn new(parts: TokenizerParts) -> Result<Self, TokenizerError> {
        let tokens = parts.pieces.len();
        if parts.special.len() != tokens {
            return Err(TokenizerError::MarksMismatch {
                expected: tokens,
                got: parts.special.len(),
            });
        }
        let mut made = Self {
            longest: parts.pieces.iter().map(Vec::len).max().unwrap_or(0).max(1),
            parts,
            bytes: vec![None; 256],
            ranks: HashMap::new(),
            specials: Vec::new(),
        };
        made.index_merges()?;
        let ends = [
            ("the begin of a text", made.begin()),
            ("the end of a text", made.end()),
        ];
        for (user, token) in ends {
            if let Some(token) = token {
                made.check(user, token)?;
            }
        }
        Ok(made)
    }

    /// Checks pieces and merges, and fills what is looked up.
    fn index_merges(&mut self) -> Result<(), TokenizerError> {
        let TokenizerParts {
            pieces,
            special,
            merges,
            ..
        } = &self.parts;
        let mut ids = HashMap::new();
        let numbered = (0u32..).zip(pieces.iter().zip(special)).enumerate();
        for (token, (id, (piece, &special))) in numbered {
            if piece.is_empty() {
                return Err(TokenizerError::EmptyPiece { token });
            }
            if ids.insert(piece.as_slice(), id).is_some() {
                return Err(TokenizerError::DuplicatePiece { token });
            }
            if special {
                if std::str::from_utf8(piece).is_err() {
                    return Err(TokenizerError::SpecialNotText { token });
                }
                self.specials.push(id);
            } else if let [byte] = piece[..] {
                self.bytes[usize::from(byte)] = Some(id);
            }
        }
        let mut ranks = HashMap::new();
        for (merge, (rank, pair)) in (0u32..).zip(merges).enumerate() {
            let user = format!("merge {merge}");
            let left = self.check(&user, pair[0])?;
            let right = self.check(&user, pair[1])?;
            let both = [pieces[left].as_slice(), pieces[right].as_slice()].concat();
            let made = ids.get(both.as_slice()).copied();
            let ordinary = |token: usize| !special[token];
            match made {
                Some(made) if ordinary(left) && ordinary(right) && ordinary(made as usize) => {
                    if ranks.insert(*pair, (rank, made)).is_some() {
                        return Err(TokenizerError::DuplicateMerge { merge });
                    }
                }
                _ => return Err(TokenizerError::MergeWithoutToken { merge }),
            }
        }
        self.ranks = ranks;
        Ok(())
    }

    fn check(&self, user: &str, got: u32) -> Result<usize, TokenizerError> {
        let tokens = self.parts.pieces.len();
        match usize::try_from(got) {
            Ok(token) if token < tokens => Ok(token),
            _ => Err(TokenizerError::UnknownToken {
                user: user.to_owned(),
                tokens,
                got,
            }),
        }
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
