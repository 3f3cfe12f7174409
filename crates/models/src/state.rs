//! What a model carries from one token to the next.

use matchmark_runtime::KvCache;

use crate::{IntegerModel, ModelError};

/// The key/value cache of all layers; its number of entries is the position of the next token.
///
/// The heads of layer `l` are the cache's heads `l G .. (l + 1) G`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelState(KvCache);

impl ModelState {
    /// The state before the first token of a text: that after the model's prefix.
    #[must_use]
    pub fn initial(model: &IntegerModel) -> Self {
        Self(model.prefix().cache.clone())
    }

    /// Takes the cache of all layers.
    ///
    /// # Errors
    /// [`ModelError::WrongState`] for a cache of another shape, [`ModelError::PositionLimit`] for one
    /// of more entries than the model has positions, and [`ModelError::Attention`] for a value out of
    /// range.
    pub fn from_cache(model: &IntegerModel, cache: KvCache) -> Result<Self, ModelError> {
        let state = Self(cache);
        state.check(model, 0)?;
        state.0.check(model.arithmetic().value_bits())?;
        Ok(state)
    }

    /// The state after tokens that have been executed.
    pub(crate) fn after(cache: KvCache) -> Self {
        Self(cache)
    }

    /// The cache of all layers.
    #[must_use]
    pub fn cache(&self) -> &KvCache {
        &self.0
    }

    /// The position of the next token: the number of tokens consumed.
    #[must_use]
    pub fn position(&self) -> usize {
        self.0.entries()
    }

    /// Whether the state is one of this model and has room for so many tokens.
    pub(crate) fn check(&self, model: &IntegerModel, tokens: usize) -> Result<(), ModelError> {
        let expected = model.shape().all_layers_attention();
        if self.0.shape() != expected {
            return Err(ModelError::WrongState {
                expected,
                got: self.0.shape(),
            });
        }
        let (limit, position) = (model.shape().positions(), self.position());
        if position.saturating_add(tokens) > limit {
            return Err(ModelError::PositionLimit {
                limit,
                position,
                tokens,
            });
        }
        Ok(())
    }
}
