//! Greedy answers of an integer model beside those of its floats.

use camino::Utf8Path;
use matchmark::files::{read_text, Form};
use matchmark::{encode_prompt, Message, Model, Role};
use matchmark_models::{float_logits, greedy_answer, FloatModel, GreedyAnswer};

use super::Reference;
use crate::error::CliError;
use crate::progress::SegmentBar;

/// The answers to all prompts.
pub(super) struct Answers {
    /// Tokens that an answer has at most.
    pub(super) limit: usize,
    pub(super) all: Vec<Answer>,
}

/// One of them.
pub(super) struct Answer {
    pub(super) prompt: String,
    pub(super) text: String,
    pub(super) tokens: usize,
    /// Tokens before the first that the floats answer otherwise.
    pub(super) float: usize,
    /// The same of the reference.
    pub(super) reference: Option<usize>,
}

impl Answers {
    /// Has the model answer each line of a file, as its chat template writes it where it has one.
    pub(super) fn measure(
        path: &Utf8Path,
        limit: usize,
        model: &Model,
        float: &FloatModel,
        reference: &mut Reference,
    ) -> Result<Self, CliError> {
        let text = read_text(path, Form::Text)?;
        let lines = text.lines().map(str::trim);
        let prompts: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if prompts.is_empty() {
            let path = path.to_owned();
            return Err(CliError::NoPrompts { path });
        }
        let integer = model.as_integer();
        let bar = SegmentBar::of("answering", "prompts");
        bar.set_segments(prompts.len() as u64);
        let mut all = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let tokens = match integer.tokenizer().chat_template() {
                Some(_) => model.encode_chat(&[Message::new(Role::User, prompt)])?,
                None => encode_prompt(integer.tokenizer(), prompt)?,
            };
            let answer = greedy_answer(integer, &tokens, limit)?;
            let context = answer.context(integer);
            let floats = float_logits(float, &context)?;
            let other = reference.logits(&context)?;
            let other = other.map(|logits| answer.equal_tokens(integer, &logits));
            all.push(Answer {
                prompt: prompt.to_owned(),
                text: text_of(&answer, model)?,
                tokens: answer.tokens.len(),
                float: answer.equal_tokens(integer, &floats)?,
                reference: other.transpose()?,
            });
            bar.advance();
        }
        Ok(Self { limit, all })
    }

    /// The median of what was counted, where all of it was.
    pub(super) fn median(&self, of: impl Fn(&Answer) -> Option<usize>) -> Option<f64> {
        let mut all: Vec<usize> = self.all.iter().map(of).collect::<Option<_>>()?;
        all.sort_unstable();
        let (low, high) = (
            all.get((all.len().max(1) - 1) / 2)?,
            all.get(all.len() / 2)?,
        );
        Some((low + high) as f64 / 2.0)
    }
}

/// The text of an answer, without special tokens.
fn text_of(answer: &GreedyAnswer, model: &Model) -> Result<String, CliError> {
    let bytes = model.as_integer().tokenizer().decode(&answer.tokens);
    let bytes = bytes.map_err(matchmark_models::ModelError::from)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let of = |counts: &[usize]| {
            let all = counts.iter().map(|&count| Answer {
                prompt: String::new(),
                text: String::new(),
                tokens: count,
                float: count,
                reference: (count > 0).then_some(count),
            });
            let (limit, all) = (48, all.collect());
            let answers = Answers { limit, all };
            let float = answers.median(|it| Some(it.float));
            (float, answers.median(|it| it.reference))
        };
        assert_eq!(of(&[48, 3, 7]), (Some(7.0), Some(7.0)));
        assert_eq!(of(&[48, 3, 7, 20]), (Some(13.5), Some(13.5)));
        assert_eq!(of(&[5]), (Some(5.0), Some(5.0)));
        // One without the count leaves nothing to be said of all.
        assert_eq!(of(&[5, 0, 9]), (Some(5.0), None));
        assert_eq!(of(&[]), (None, None));
    }
}
