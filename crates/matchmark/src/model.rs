//! Integer models, as they are proven.

use std::sync::Arc;

use matchmark_models::{behind_prefix, IntegerModel, Message, ModelId, Tokenizer};
use matchmark_quant::CacheCapacity;
#[cfg(feature = "prover")]
use matchmark_statement::EndTokens;
use matchmark_statement::TokenId;

use crate::error::Error;

/// An integer model: weights, shape, arithmetic, tables and tokenizer. Its clones share the weights.
#[derive(Clone, Debug)]
pub struct Model(Arc<IntegerModel>);

impl From<IntegerModel> for Model {
    fn from(model: IntegerModel) -> Self {
        Self(Arc::new(model))
    }
}

impl From<Arc<IntegerModel>> for Model {
    fn from(model: Arc<IntegerModel>) -> Self {
        Self(model)
    }
}

impl Model {
    /// Reads a model out of the bytes of its file.
    ///
    /// # Errors
    ///
    /// [`Error::Model`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Ok(IntegerModel::from_bytes(bytes)?.into())
    }

    /// Digest of everything that the model is.
    #[must_use]
    pub fn identity(&self) -> ModelId {
        self.0.identity()
    }

    /// From text to tokens and back.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        self.0.tokenizer()
    }

    /// The tokens of a prompt.
    ///
    /// # Errors
    ///
    /// Those of [`encode_prompt`].
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, Error> {
        encode_prompt(self.tokenizer(), prompt)
    }

    /// The tokens by which the model ends an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Terms`] for more than a policy has.
    #[cfg(feature = "prover")]
    pub fn end_tokens(&self) -> Result<EndTokens, Error> {
        Ok(matchmark_composer::end_tokens_of(self.tokenizer())?)
    }

    /// The tokens of a conversation behind the model's prefix, with those that begin its answer.
    ///
    /// # Errors
    ///
    /// Those of [`encode_chat`].
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>, Error> {
        encode_chat(self.tokenizer(), &self.0.prefix().tokens, messages)
    }

    /// The model with all of its parts.
    #[must_use]
    pub fn as_integer(&self) -> &Arc<IntegerModel> {
        &self.0
    }
}

/// The tokens of a prompt. An empty one has none, not even where a tokenizer begins every text with a
/// token of its own. One of more tokens than any model has positions is refused before it is read.
///
/// # Errors
///
/// [`Error::Tokens`].
pub fn encode_prompt(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, Error> {
    if text.is_empty() {
        return Ok(vec![]);
    }
    let tokens = tokenizer.encode_at_most(text, CacheCapacity::MAX as usize);
    tokens.map_err(|source| Error::Tokens {
        what: "prompt",
        source,
    })
}

/// The token that a word names: its number, or else its text, where there is a tokenizer to look that up in.
///
/// # Errors
///
/// [`Error::NoSuchToken`] for a text that is not one token's.
pub fn token_named(word: &str, tokenizer: Option<&Tokenizer>) -> Result<TokenId, Error> {
    if let Ok(number) = word.parse() {
        return Ok(TokenId::new(number));
    }
    let refused = || Error::NoSuchToken {
        got: word.to_owned(),
        expected: match tokenizer {
            Some(_) => "its number, or the whole text of one token",
            None => "its number, where there is no tokenizer to find its text in",
        },
    };
    let pieces = &tokenizer.ok_or_else(refused)?.parts().pieces;
    let mut numbered = (0..).zip(pieces);
    let found = numbered.find(|(_, piece)| piece.as_slice() == word.as_bytes());
    found
        .map(|(token, _)| TokenId::new(token))
        .ok_or_else(refused)
}

/// The tokens of a conversation as the model's chat template writes it, behind those of the model's prefix, with
/// those that begin its answer. One of more tokens than any model has positions is refused. The names of special tokens in a message are text.
///
/// # Errors
///
/// [`Error::Chat`].
pub fn encode_chat(
    tokenizer: &Tokenizer,
    prefix: &[u32],
    messages: &[Message],
) -> Result<Vec<u32>, Error> {
    let tokens = tokenizer.encode_chat(messages, true, CacheCapacity::MAX as usize)?;
    Ok(behind_prefix(prefix, tokens)?)
}
