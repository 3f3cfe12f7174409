//! Greedy answers, beside what floats would answer.

use crate::conversation::Run;
use crate::{IntegerModel, ModelError};

/// What a model answers, always with the token of the largest logit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreedyAnswer {
    /// The tokens that it answers to, behind the model's prefix.
    pub prompt: Vec<u32>,
    /// The answer; the token that ends it, where one does, is the last.
    pub tokens: Vec<u32>,
    /// Whether it ends with a token that ends a text.
    pub ended: bool,
    /// Tokens that it may have.
    pub limit: usize,
    prefix: usize,
}

/// Runs a model on tokens that follow its prefix, and takes its answer of at most so many tokens.
///
/// # Errors
/// As [`execute_model`](crate::execute_model): [`ModelError::PositionLimit`] where a whole answer does not fit.
pub fn greedy_answer(
    model: &IntegerModel,
    prompt: &[u32],
    limit: usize,
) -> Result<GreedyAnswer, ModelError> {
    let mut run = Run::empty(model);
    let prefix = run.position();
    // The last token of an answer is chosen, and not run.
    let tokens = prompt.len().saturating_add(limit.saturating_sub(1));
    let positions = model.shape().positions();
    if prefix.saturating_add(tokens) > positions {
        return Err(ModelError::PositionLimit {
            limit: positions,
            position: prefix,
            tokens,
        });
    }
    let mut answer = GreedyAnswer {
        prompt: prompt.to_vec(),
        tokens: Vec::new(),
        ended: false,
        limit,
        prefix,
    };
    let ends = model.tokenizer().ends();
    let mut choice = run.extend(model, prompt)?;
    while answer.tokens.len() < limit {
        answer.tokens.push(choice);
        answer.ended = ends.contains(&choice);
        if answer.ended || answer.tokens.len() == limit {
            break;
        }
        choice = run.extend(model, &[choice])?;
    }
    Ok(answer)
}

impl GreedyAnswer {
    /// The tokens with whose logits it is compared: prefix, prompt, and the answer but for its last token.
    #[must_use]
    pub fn context(&self, model: &IntegerModel) -> Vec<u32> {
        let said = self.tokens.split_last().map_or(&[][..], |(_, said)| said);
        [&model.prefix().tokens, self.prompt.as_slice(), said].concat()
    }

    /// How many of its tokens another model would answer, too, before the first that it would not, by that model's
    /// logits `[S, V]` for [`Self::context`]. Up to that token both have read the same, so that it need not be
    /// asked for an answer of its own. An answer that both end at one place counts as one of as many tokens as it
    /// may have: there is nothing behind it in which they could differ.
    ///
    /// # Errors
    /// [`ModelError::WrongLength`] for logits of another number of tokens.
    pub fn equal_tokens<T: Copy + PartialOrd>(
        &self,
        model: &IntegerModel,
        logits: &[T],
    ) -> Result<usize, ModelError> {
        let vocabulary = model.shape().vocabulary();
        let expected = self.context(model).len() * vocabulary;
        if logits.len() != expected {
            return Err(ModelError::WrongLength {
                part: "logits of an answer".to_owned(),
                expected,
                got: logits.len(),
            });
        }
        let ends = model.tokenizer().ends();
        let behind = (self.prefix + self.prompt.len()).saturating_sub(1);
        let rows = logits.chunks_exact(vocabulary).skip(behind);
        let same = |(token, row): (&u32, &[T])| {
            let choice = u32::try_from(largest(row)).unwrap_or(u32::MAX);
            choice == *token || ends.contains(token) && ends.contains(&choice)
        };
        let different = self.tokens.iter().zip(rows).position(|pair| !same(pair));
        Ok(match different {
            Some(equal) => equal,
            None if self.ended => self.limit,
            None => self.tokens.len(),
        })
    }
}

/// The lowest index of the largest number.
pub(super) fn largest<T: Copy + PartialOrd>(row: &[T]) -> usize {
    let mut best = 0;
    for (index, logit) in row.iter().enumerate() {
        if *logit > row[best] {
            best = index;
        }
    }
    best
}
