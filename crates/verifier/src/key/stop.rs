//! Which tokens end an answer: the model's, others, or none.
use matchmark_statement::EndTokens;

/// Which tokens end the answer of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Those of the model, as its key lists them.
    #[default]
    Model,
    /// These in the place of the model's. [`EndTokens::NONE`] lets every answer run to its limit.
    Tokens(EndTokens),
}

impl Stop {
    /// The tokens, for a model that has these.
    #[must_use]
    pub fn of_model<'a>(&'a self, model: &'a EndTokens) -> &'a EndTokens {
        match self {
            Self::Model => model,
            Self::Tokens(tokens) => tokens,
        }
    }
}
