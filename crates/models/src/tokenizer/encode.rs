//! Text to tokens and back.

use super::library::{nfc, words, FORM_C_SHRINKS};
use super::{Tokenizer, TokenizerError};

impl Tokenizer {
    /// The tokens of a text, the begin token (where there is one) before them.
    ///
    /// The name of a special token in the text stands for that token; where several fit, the longest.
    /// The rest is normalized where the parts say so, and cut into words, each of which is merged from its bytes: of
    /// all neighbours that have a merge, those whose merge comes first, leftmost first.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownByte`] for a byte that is not a token of its own.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_at_most(text, usize::MAX)
    }

    /// [`Self::encode`] of a text that may have so many tokens, the begin token included. A longer text is
    /// refused before its words are merged to its end, and one that cannot fit before it is read: the work is
    /// bounded by the limit, not by the text.
    ///
    /// # Errors
    /// [`TokenizerError::TooManyTokens`], and as [`Self::encode`].
    pub fn encode_at_most(&self, text: &str, limit: usize) -> Result<Vec<u32>, TokenizerError> {
        let check = |tokens: usize| check_count(tokens, limit);
        check(usize::from(self.begin().is_some()) + self.fewest_tokens(text.len()))?;
        let mut tokens: Vec<u32> = self.begin().into_iter().collect();
        let mut at = 0;
        for name in self.names.find_iter(text) {
            self.encode_words(&text[at..name.start()], &mut tokens, check)?;
            tokens.push(self.specials[name.pattern().as_usize()]);
            check(tokens.len())?;
            at = name.end();
        }
        self.encode_words(&text[at..], &mut tokens, check)?;
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
        let index = self.parts.index("the caller", token)?;
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

    /// How many tokens a text of so many bytes has at least: none stands for more bytes than the longest, and a
    /// normalization leaves some of a text.
    pub(super) fn fewest_tokens(&self, bytes: usize) -> usize {
        let shrinks = if self.parts.nfc { FORM_C_SHRINKS } else { 1 };
        bytes.div_ceil(self.longest.saturating_mul(shrinks))
    }

    /// Appends the tokens of a text without special ones; `check` is told how many tokens there are after
    /// every word.
    pub(super) fn encode_words(
        &self,
        text: &str,
        tokens: &mut Vec<u32>,
        check: impl Fn(usize) -> Result<(), TokenizerError>,
    ) -> Result<(), TokenizerError> {
        if text.is_empty() {
            return Ok(());
        }
        let normalized = self.parts.nfc.then(|| nfc(text)).transpose()?;
        let text = normalized.as_deref().unwrap_or(text);
        let cut = self.library.cut(text)?;
        for (written, (start, end)) in words(&cut) {
            // The library passes over a byte without a token.
            let mut bytes = text.as_bytes()[start..end].iter();
            if let Some(&got) = bytes.find(|&&byte| !self.bytes[usize::from(byte)]) {
                return Err(TokenizerError::UnknownByte { got });
            }
            tokens.extend(self.library.merge(written)?);
            check(tokens.len())?;
        }
        Ok(())
    }
}

/// Whether a text may have so many tokens.
pub(super) fn check_count(tokens: usize, limit: usize) -> Result<(), TokenizerError> {
    if tokens > limit {
        return Err(TokenizerError::TooManyTokens { limit });
    }
    Ok(())
}
