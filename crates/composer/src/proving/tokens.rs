//! How many tokens a chain of a model gives and decodes, and in which segments.

use matchmark_prover::{ModelChain, ProveError};
use matchmark_quant::{CacheCapacity, ModelShape, SegmentSteps, StepRange};
use matchmark_statement::{PromptLength, Security, VerifierDomain};

use crate::proving::error::PlanError;
use crate::proving::plan::to_u32;

/// What is decided about a chain of a model, beside the model and the tokens that are given: by its
/// prover, and by a verifier who writes a policy.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    /// Application and nonce of the verifier.
    pub domain: VerifierDomain,
    /// Security level and profile.
    pub security: Security,
    /// Steps of a segment, or all steps if they are fewer; `None` takes [`ModelOptions::SEGMENT_STEPS`].
    pub segment_steps: Option<SegmentSteps>,
    /// Tokens that are decoded.
    pub tokens: u32,
}

impl ModelOptions {
    /// Steps of a segment where nothing is said of them.
    pub const SEGMENT_STEPS: u32 = 16;

    /// The chain of a model of this shape after a prompt of so many tokens, and its steps. A step consumes
    /// a token and chooses the next; the last token that is decoded is consumed by none.
    ///
    /// # Errors
    ///
    /// [`PlanError::EmptyPrompt`], [`PlanError::NoTokens`], [`PlanError::PromptAbovePositions`] or
    /// [`PlanError::CacheFull`].
    pub fn chain(
        &self,
        shape: &ModelShape,
        prompt: usize,
    ) -> Result<(ModelChain, StepRange), PlanError> {
        let Self {
            domain,
            security,
            segment_steps,
            tokens,
        } = self;
        let (positions, tokens) = (shape.positions(), *tokens);
        for (got, empty) in [(to_u32(prompt), true), (tokens, false)] {
            if got == 0 {
                let expected = 1;
                return Err(if empty {
                    PlanError::EmptyPrompt { expected, got }
                } else {
                    PlanError::NoTokens { expected, got }
                });
            }
        }
        if prompt > positions {
            return Err(PlanError::PromptAbovePositions {
                expected: positions,
                got: prompt,
            });
        }
        let got = prompt + tokens as usize - 1;
        let prompt = to_u32(prompt);
        if got > positions {
            return Err(PlanError::CacheFull {
                prompt,
                tokens,
                expected: positions,
                got,
            });
        }
        let steps = StepRange::new(0, to_u32(got))?;
        let segment_steps = match segment_steps {
            Some(steps) => *steps,
            None => SegmentSteps::new(Self::SEGMENT_STEPS)?,
        };
        let segment_steps = segment_steps.min(SegmentSteps::new(to_u32(got))?);
        let chain = ModelChain {
            domain: domain.clone(),
            security: *security,
            capacity: CacheCapacity::new(to_u32(got))?,
            segment_steps,
            prompt: PromptLength::new(prompt).map_err(ProveError::from)?,
        };
        Ok((chain, steps))
    }
}
