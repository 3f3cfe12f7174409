//! How fast an integer model decodes.

use matchmark_composer::processor_time_ms;
use matchmark_models::{execute_model, IntegerModel, ModelError, ModelState};

use crate::error::CliError;
use crate::progress::Step;

/// Decode steps that are measured.
const STEPS: usize = 32;
/// Tokens that are run at once before these.
const AT_ONCE: usize = 16;

/// What decode steps take, one token at a time, on one core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speed {
    /// Entries of the cache in the middle of the steps.
    pub(super) entries: usize,
    pub(super) steps: usize,
    /// Processor time of all steps; `None` where the system does not say.
    pub(super) milliseconds: Option<u64>,
}

impl Speed {
    /// Runs a model over these tokens, again and again, up to half of the steps behind so many entries.
    pub(super) fn measure(
        model: &IntegerModel,
        tokens: &[u32],
        entries: usize,
    ) -> Result<Self, CliError> {
        let _step = Step::new(format!("decoding at {entries} entries of the cache"));
        if tokens.is_empty() {
            return Err(ModelError::NoTokens.into());
        }
        let mut tokens = tokens.iter().copied().cycle();
        let mut state = ModelState::initial(model);
        let first = entries.saturating_sub(STEPS / 2);
        while state.position() < first {
            let some = AT_ONCE.min(first - state.position());
            let some: Vec<u32> = tokens.by_ref().take(some).collect();
            (_, state) = execute_model(model, &state, &some)?;
        }
        let from = state.position();
        let before = processor_time_ms();
        for token in tokens.take(STEPS) {
            (_, state) = execute_model(model, &state, &[token])?;
        }
        let times = processor_time_ms().zip(before);
        Ok(Self {
            entries: from + STEPS / 2,
            steps: STEPS,
            milliseconds: times.map(|(after, before)| after.saturating_sub(before)),
        })
    }

    /// Tokens in a second of one core; `None` where that is not known, or the steps took no time at all.
    pub(super) fn tokens_per_second(&self) -> Option<f64> {
        let milliseconds = self.milliseconds.filter(|time| *time > 0)?;
        Some(self.steps as f64 * 1e3 / milliseconds as f64)
    }
}
