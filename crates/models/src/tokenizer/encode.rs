//! Text to tokens and back.

use super::merge::merge;
use super::words::words;
use super::{Tokenizer, TokenizerError};

impl Tokenizer {
    /// The tokens of a text, the begin token (where there is one) before them.
    ///
    /// The name of a special token in the text stands for that token; where several fit, the longest.
    /// The rest is cut into words, each of which is merged from its bytes: of all neighbours that have a
    /// merge, those whose merge comes first, leftmost first.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownByte`] for a byte that is not a token of its own.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_at_most(text, usize::MAX)
    }

    /// [`Self::encode`] of a text that may have so many tokens, the begin token included. A longer text is
    /// refused before it is read to its end: the work is bounded by the limit, not by the text.
    ///
    /// # Errors
    /// [`TokenizerError::TooManyTokens`], and as [`Self::encode`].
    pub fn encode_at_most(&self, text: &str, limit: usize) -> Result<Vec<u32>, TokenizerError> {
        let check = |tokens: usize| {
            if tokens > limit {
                Err(TokenizerError::TooManyTokens { limit })
            } else {
                Ok(())
            }
        };
        // No token stands for more bytes than the longest.
        check(usize::from(self.begin().is_some()) + text.len().div_ceil(self.longest))?;
        let mut tokens: Vec<u32> = self.begin().into_iter().collect();
        let mut rest = text;
        while !rest.is_empty() {
            let (at, special) = self.next_special(rest);
            for word in words(&rest[..at], self.parts.individual_digits) {
                self.encode_word(word.as_bytes(), &mut tokens)?;
                check(tokens.len())?;
            }
            rest = &rest[at..];
            if let Some((token, length)) = special {
                tokens.push(token);
                check(tokens.len())?;
                rest = &rest[length..];
            }
        }
        Ok(tokens)
    }

    /// The bytes of tokens; special ones have none.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownToken`].
    pub fn decode(&self, tokens: &[u32]) -> Result<Vec<u8>, TokenizerError> {
        let mut bytes = Vec::new();
        for &token in tokens {
            bytes.extend_from_slice(self.piece(token)?);
        }
        Ok(bytes)
    }

    /// The bytes of one token; a special one has none.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownToken`].
    pub fn piece(&self, token: u32) -> Result<&[u8], TokenizerError> {
        let index = self.check("the caller", token)?;
        if self.parts.special[index] {
            return Ok(&[]);
        }
        Ok(&self.parts.pieces[index])
    }

    /// The name of a special token; an ordinary one, or one that there is not, has none.
    #[must_use]
    pub fn special_name(&self, token: u32) -> Option<&str> {
        let index = usize::try_from(token).ok()?;
        if !*self.parts.special.get(index)? {
            return None;
        }
        // Names of special tokens were checked to be texts.
        std::str::from_utf8(self.parts.pieces.get(index)?).ok()
    }

    /// Where the next special token stands in a text and which it is; the end of the text if there is
    /// none.
    fn next_special(&self, text: &str) -> (usize, Option<(u32, usize)>) {
        for (at, _) in text.char_indices() {
            let found = self
                .specials
                .iter()
                .map(|&token| (token, &self.parts.pieces[token as usize]))
                .filter(|(_, name)| text.as_bytes()[at..].starts_with(name))
                .max_by_key(|(_, name)| name.len());
            if let Some((token, name)) = found {
                return (at, Some((token, name.len())));
            }
        }
        (text.len(), None)
    }

    fn encode_word(&self, bytes: &[u8], tokens: &mut Vec<u32>) -> Result<(), TokenizerError> {
        let mut word = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            let token = self.bytes[usize::from(byte)];
            word.push(token.ok_or(TokenizerError::UnknownByte { got: byte })?);
        }
        tokens.extend(merge(self, &word));
        Ok(())
    }
}
