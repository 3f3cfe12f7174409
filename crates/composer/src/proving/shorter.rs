//! The shorter chain that an answer is proven in which an end token ends early.
//!
//! A chain's circuits follow from its length, whatever the length of the answer within it. So the model is executed
//! before anything is committed or written: from where its answer ends follows the length of the chain, and the
//! manifest says that of the chain that is proven.

use matchmark_models::{execute_model, IntegerModel, ModelError, ModelState};
use matchmark_statement::TokenId;
use matchmark_verifier::key::ModelOptions;

use crate::proving::end_tokens::end_tokens;
use crate::proving::error::PlanError;
use crate::proving::model_plan::behind_prefix;

/// How many tokens of a prompt are executed at once: what happens to each is held until then.
const AT_ONCE: usize = 64;

/// Executes a model behind a prompt until an end token ends its answer; gives the shortest of these lengths, in steps,
/// that a chain can have which holds it. `None` where the answer is longer than all of them, or has no end: it is
/// proven in the chain that the longest answer takes.
///
/// The lengths are those of [`ModelOptions::shorter_steps`], ascending, or some of them.
///
/// # Errors
///
/// [`PlanError::Options`] if there is no such chain, [`PlanError::Execute`] if the model does not execute its tokens.
pub fn shorter_chain(
    model: &IntegerModel,
    prompt: &[u32],
    options: &ModelOptions,
    lengths: &[u32],
) -> Result<Option<u32>, PlanError> {
    let prefix = model.prefix().tokens.len();
    let given: Vec<TokenId> = behind_prefix(model, prompt)
        .into_iter()
        .map(TokenId::new)
        .collect();
    let (chain, _) = options.chain(model.shape(), prefix, &given)?;
    let ends = end_tokens(&options.stop, model)?;
    let Some(most) = lengths.last().filter(|_| !ends.is_empty()) else {
        return Ok(None);
    };
    let mut tokens = prompt.to_vec();
    let mut state = ModelState::initial(model);
    let mut steps = 0;
    while !tokens.is_empty() && steps < *most {
        let mut choice = None;
        for some in tokens.chunks(AT_ONCE) {
            let (execution, after) = execute_model(model, &state, some)?;
            let chosen: Vec<TokenId> = execution
                .choices
                .iter()
                .copied()
                .map(TokenId::new)
                .collect();
            if let Some(end) = ends.first_in(execution.steps, chain.prompt, &chosen) {
                // It is chosen by the step before its position, which is the last that is needed.
                let needed = end.position.saturating_sub(prefix);
                let holds = |it: &&u32| **it as usize >= needed;
                return Ok(lengths.iter().find(holds).copied());
            }
            steps += u32::try_from(some.len()).unwrap_or(u32::MAX);
            choice = execution.choices.last().copied();
            state = after;
        }
        tokens = choice.into_iter().collect();
    }
    Ok(None)
}

impl From<ModelError> for PlanError {
    fn from(source: ModelError) -> Self {
        Self::Execute(Box::new(source))
    }
}
