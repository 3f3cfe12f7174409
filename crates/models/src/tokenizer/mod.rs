//! From text to tokens and back: byte-level byte-pair encoding.

mod chat;
mod digest;
mod encode;
mod library;
mod template;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;
mod words;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};

use library::Library;

pub use chat::behind_prefix;
pub use digest::TokenizerId;
pub(crate) use digest::{cut_of, CHAT_TEMPLATE, CUT, MORE_ENDS};
pub use template::{ChatError, ChatTemplate, Message, Role};
pub use text::take_text;
pub use words::Words;

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
    /// How a text is cut into words.
    pub words: Words,
    /// Whether a word that is a token is that token, whatever merges would make of it.
    pub ignore_merges: bool,
    /// Whether a text is put into the normalization form C of Unicode before it is cut; names of special tokens are
    /// looked for before that.
    pub nfc: bool,
    /// The token before every text, where there is one.
    pub begin: Option<u32>,
    /// The tokens that end a text, each once: the one that texts are written with before those that do too.
    pub ends: Vec<u32>,
    /// How conversations are written, where the model was made for them.
    pub chat: Option<ChatTemplate>,
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
    /// A token ends a text twice.
    #[error("token {token} is named twice as one that ends a text, expected it once")]
    DuplicateEnd {
        /// The token.
        token: u32,
    },
    /// The library that cuts and merges refuses what was checked before.
    #[error("the tokenizer's library does not take what was checked: {reason}")]
    Library {
        /// What it says.
        reason: String,
    },
}

impl TokenizerParts {
    /// That tokens differ, and that every merge gives one.
    fn check(&self) -> Result<(), TokenizerError> {
        let Self {
            pieces,
            special,
            merges,
            words: _,
            ignore_merges: _,
            nfc: _,
            begin,
            ends,
            chat: _,
        } = self;
        if special.len() != pieces.len() {
            return Err(TokenizerError::MarksMismatch {
                expected: pieces.len(),
                got: special.len(),
            });
        }
        let mut tokens = HashMap::new();
        for (token, (piece, &special)) in pieces.iter().zip(special).enumerate() {
            if piece.is_empty() {
                return Err(TokenizerError::EmptyPiece { token });
            }
            if tokens.insert(piece.as_slice(), token).is_some() {
                return Err(TokenizerError::DuplicatePiece { token });
            }
            if special && std::str::from_utf8(piece).is_err() {
                return Err(TokenizerError::SpecialNotText { token });
            }
        }
        let mut known = HashSet::new();
        for (merge, pair) in merges.iter().enumerate() {
            let user = format!("merge {merge}");
            let left = self.index(&user, pair[0])?;
            let right = self.index(&user, pair[1])?;
            let both = [pieces[left].as_slice(), pieces[right].as_slice()].concat();
            let ordinary = |token: usize| !special[token];
            match tokens.get(both.as_slice()) {
                Some(&made) if ordinary(left) && ordinary(right) && ordinary(made) => {
                    if !known.insert(pair) {
                        return Err(TokenizerError::DuplicateMerge { merge });
                    }
                }
                _ => return Err(TokenizerError::MergeWithoutToken { merge }),
            }
        }
        if let Some(token) = begin {
            self.index("the begin of a text", *token)?;
        }
        for (position, token) in ends.iter().enumerate() {
            self.index("the end of a text", *token)?;
            if ends[..position].contains(token) {
                return Err(TokenizerError::DuplicateEnd { token: *token });
            }
        }
        Ok(())
    }

    /// The position of a token among the pieces.
    fn index(&self, user: &str, got: u32) -> Result<usize, TokenizerError> {
        let tokens = self.pieces.len();
        match usize::try_from(got) {
            Ok(token) if token < tokens => Ok(token),
            _ => Err(TokenizerError::UnknownToken {
                user: user.to_owned(),
                tokens,
                got,
            }),
        }
    }
}

/// A byte-level byte-pair encoding, checked: tokens differ, and every merge gives one.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    parts: TokenizerParts,
    /// What cuts and merges.
    library: Arc<Library>,
    /// Which bytes are tokens by themselves.
    bytes: [bool; 256],
    /// The special tokens.
    specials: Vec<u32>,
    /// Finds their names in a text, in the same order.
    names: AhoCorasick,
    /// Bytes of the longest token, at least 1.
    longest: usize,
}

/// Everything follows from the parts.
impl PartialEq for Tokenizer {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Tokenizer {}

impl Tokenizer {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`TokenizerError`], naming the token or merge.
    pub fn new(parts: TokenizerParts) -> Result<Self, TokenizerError> {
        parts.check()?;
        let TokenizerParts {
            pieces, special, ..
        } = &parts;
        let mut bytes = [false; 256];
        let mut specials = Vec::new();
        for (token, (piece, &special)) in (0u32..).zip(pieces.iter().zip(special)) {
            if special {
                specials.push(token);
            } else if let [byte] = piece[..] {
                bytes[usize::from(byte)] = true;
            }
        }
        let names = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(specials.iter().map(|&token| &pieces[token as usize]))
            .map_err(library::failed)?;
        Ok(Self {
            library: Arc::new(Library::new(&parts)?),
            bytes,
            specials,
            names,
            longest: pieces.iter().map(Vec::len).max().unwrap_or(0).max(1),
            parts,
        })
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

    /// The token that texts are written with at their end, where there is one: the first of [`Self::ends`].
    #[must_use]
    pub fn end(&self) -> Option<u32> {
        self.ends().first().copied()
    }

    /// All tokens that end a text.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.parts.ends
    }

    /// The parts.
    #[must_use]
    pub const fn parts(&self) -> &TokenizerParts {
        &self.parts
    }
}
