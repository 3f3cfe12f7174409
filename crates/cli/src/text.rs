//! The text of a chain, as its segments become known.

use std::collections::BTreeMap;

use matchmark_composer::SegmentTokens;
use matchmark_model::Tokenizer;
use serde_json::{json, Value};

use crate::error::CliError;

/// Puts the tokens of segments, which may come in any order, together in the order of the chain.
pub(crate) struct TokenText {
    tokenizer: Option<Tokenizer>,
    /// Number of tokens that are given.
    prompt: usize,
    tokens: Vec<u32>,
    waiting: BTreeMap<u64, SegmentTokens>,
    /// The segment that comes next.
    next: u64,
    /// Tokens that were told.
    told: usize,
}

impl TokenText {
    /// Nothing yet, of a chain that begins with so many given tokens.
    pub(crate) fn new(tokenizer: Option<Tokenizer>, prompt: usize) -> Self {
        Self {
            tokenizer,
            prompt,
            tokens: Vec::new(),
            waiting: BTreeMap::new(),
            next: 0,
            told: 0,
        }
    }

    /// Adds a segment. Gives the text that is known now and was not before, as bytes: a token may end
    /// within a character.
    pub(crate) fn push(
        &mut self,
        segment: u64,
        tokens: &SegmentTokens,
    ) -> Result<Vec<u8>, CliError> {
        self.waiting.insert(segment, tokens.clone());
        while let Some(SegmentTokens { consumed, chosen }) = self.waiting.remove(&self.next) {
            // Behind the prompt the first token is the choice that is there already.
            let known = self.tokens.len().min(self.consumed());
            self.tokens.truncate(known);
            self.tokens.extend(consumed.iter().map(|token| token.get()));
            if self.tokens.len() >= self.prompt {
                self.tokens.extend(chosen.last().map(|token| token.get()));
            }
            self.next += 1;
        }
        let new = self.decode(&self.tokens[self.told.min(self.tokens.len())..])?;
        self.told = self.tokens.len();
        Ok(new)
    }

    /// Tokens that segments have consumed so far: all that are known, but for a choice after the last.
    fn consumed(&self) -> usize {
        let chosen = self.next > 0 && self.tokens.len() > self.prompt;
        self.tokens.len() - usize::from(chosen)
    }

    fn decode(&self, tokens: &[u32]) -> Result<Vec<u8>, CliError> {
        let Some(tokenizer) = &self.tokenizer else {
            return Ok(Vec::new());
        };
        tokenizer.decode(tokens).map_err(|source| CliError::Tokens {
            what: "tokens of the chain",
            source,
        })
    }

    /// Prompt and decoded tokens, with their texts where there is a tokenizer.
    pub(crate) fn object(&self) -> Result<Value, CliError> {
        let (prompt, decoded) = self.tokens.split_at(self.prompt.min(self.tokens.len()));
        let mut object = json!({ "prompt": prompt, "decoded": decoded });
        if self.tokenizer.is_some() {
            let text = |tokens| -> Result<String, CliError> {
                Ok(String::from_utf8_lossy(&self.decode(tokens)?).into_owned())
            };
            object["prompt_text"] = json!(text(prompt)?);
            object["decoded_text"] = json!(text(decoded)?);
        }
        Ok(object)
    }

    /// The whole text so far; where there is no tokenizer, the numbers of the tokens.
    pub(crate) fn whole(&self) -> Result<String, CliError> {
        if self.tokenizer.is_some() {
            return Ok(String::from_utf8_lossy(&self.decode(&self.tokens)?).into_owned());
        }
        let (prompt, decoded) = self.tokens.split_at(self.prompt.min(self.tokens.len()));
        Ok(format!("{} -> {}", numbers(prompt), numbers(decoded)))
    }
}

/// Tokens as numbers, one after the other.
pub(crate) fn numbers(tokens: &[u32]) -> String {
    let words: Vec<String> = tokens.iter().map(u32::to_string).collect();
    words.join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_statement::TokenId;

    use super::*;

    fn tokens(consumed: &[u32], chosen: &[u32]) -> SegmentTokens {
        let ids = |tokens: &[u32]| tokens.iter().copied().map(TokenId::new).collect();
        SegmentTokens {
            consumed: ids(consumed),
            chosen: ids(chosen),
        }
    }

    #[test]
    fn segments_in_any_order_give_one_text() {
        // Four tokens are given; the choices 90 and 91 within the prompt are not taken.
        let segments = [
            tokens(&[1, 2], &[90, 91]),
            tokens(&[3, 4], &[92, 5]),
            tokens(&[5, 6], &[6, 7]),
            tokens(&[7], &[8]),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let mut text = TokenText::new(None, 4);
            for segment in order {
                let index = usize::try_from(segment).unwrap();
                assert!(text.push(segment, &segments[index]).unwrap().is_empty());
            }
            assert_eq!(text.whole().unwrap(), "1 2 3 4 -> 5 6 7 8");
            let expected = json!({ "prompt": [1, 2, 3, 4], "decoded": [5, 6, 7, 8] });
            assert_eq!(text.object().unwrap(), expected);
        }
    }

    #[test]
    fn a_segment_may_hold_prompt_and_choices() {
        let mut text = TokenText::new(None, 2);
        text.push(0, &tokens(&[1, 2, 3], &[9, 3, 4])).unwrap();
        text.push(1, &tokens(&[4], &[5])).unwrap();
        assert_eq!(text.whole().unwrap(), "1 2 -> 3 4 5");
    }
}
