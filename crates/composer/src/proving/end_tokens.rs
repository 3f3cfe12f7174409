//! By which tokens the answer of a model ends.

use matchmark_models::{IntegerModel, Tokenizer};
use matchmark_prover::ProveError;
use matchmark_statement::{EndTokens, StatementError, TokenId};
use matchmark_verifier::key::Stop;

use crate::proving::error::PlanError;

/// The tokens by which a model ends an answer, as its tokenizer has them: what its key lists.
///
/// # Errors
///
/// [`StatementError::TooManyEndTokens`] for more than a policy has.
pub fn end_tokens_of(tokenizer: &Tokenizer) -> Result<EndTokens, StatementError> {
    EndTokens::new(tokenizer.ends().iter().copied().map(TokenId::new))
}

/// The tokens that end the answer of a chain of a model.
pub(crate) fn end_tokens(stop: &Stop, model: &IntegerModel) -> Result<EndTokens, PlanError> {
    let own = end_tokens_of(model.tokenizer()).map_err(ProveError::from)?;
    Ok(stop.of_model(&own).clone())
}
