//! The text of a chain, as its segments become known.

use std::collections::BTreeMap;

use matchmark_composer::SegmentTokens;
use matchmark_models::{take_text, Tokenizer};
use matchmark_statement::{EndTokens, TokenId};
use serde_json::{json, Value};

use crate::error::Error;
use crate::policy::numbers;

/// Puts the tokens of segments, which may come in any order, together in the order of the chain.
///
/// As text, special tokens are shown by their names, but for the one that every text begins with, where it
/// stands first. What a chain decodes ends with the first end token, as its policy lists them, or with the most
/// tokens that the answer has; what the last segment decodes behind that is surplus, and is neither shown as text
/// nor counted as decoded.
#[derive(Clone, Debug)]
pub struct ChainText {
    tokenizer: Option<Tokenizer>,
    end_tokens: EndTokens,
    /// Most tokens of the answer.
    limit: u32,
    /// Number of tokens that are given.
    prompt: usize,
    tokens: Vec<u32>,
    waiting: BTreeMap<u64, SegmentTokens>,
    /// The segment that comes next.
    next: u64,
    /// What was told.
    told: Shown,
}

/// How far a text is shown.
#[derive(Clone, Debug, Default)]
struct Shown {
    /// Tokens that were looked at.
    tokens: usize,
    /// The bytes of a character that is not whole yet.
    open: Vec<u8>,
}

impl ChainText {
    /// Nothing yet, of a chain that begins with so many given tokens, and whose answer these tokens end, or the limit
    /// of its number of tokens.
    #[must_use]
    pub fn new(
        tokenizer: Option<Tokenizer>,
        prompt: usize,
        end_tokens: &EndTokens,
        limit: u32,
    ) -> Self {
        Self {
            tokenizer,
            end_tokens: end_tokens.clone(),
            limit,
            prompt,
            tokens: Vec::new(),
            waiting: BTreeMap::new(),
            next: 0,
            told: Shown::default(),
        }
    }

    /// Adds a segment. Gives the text that is known now and was not before; a character that is not whole
    /// waits for the rest of it.
    ///
    /// # Errors
    ///
    /// [`Error::Tokens`] for a token that the tokenizer does not have.
    pub fn push(&mut self, segment: u64, tokens: &SegmentTokens) -> Result<String, Error> {
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
        let mut told = std::mem::take(&mut self.told);
        let new = self.show(&mut told, self.tokens.len());
        self.told = told;
        new
    }

    /// Ends what [`Self::push`] has told: the end of the line, and what is not shown as text.
    #[must_use]
    pub fn rest(&self) -> String {
        let open = String::from_utf8_lossy(&self.told.open);
        match self.surplus_note() {
            None => format!("{open}\n\n"),
            Some(note) => format!("{open}\n\n{note}\n\n"),
        }
    }

    /// Tokens that segments have consumed so far: all that are known, but for a choice after the last.
    fn consumed(&self) -> usize {
        let chosen = self.next > 0 && self.tokens.len() > self.prompt;
        self.tokens.len() - usize::from(chosen)
    }

    /// Where the answer ends that no token ends.
    fn limit(&self) -> usize {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        self.prompt.saturating_add(limit).min(self.tokens.len())
    }

    /// Position of the first decoded token that ends the answer.
    fn end_position(&self) -> Option<usize> {
        let mut decoded = self.tokens[..self.limit()].iter().skip(self.prompt);
        let is_end = |token: &u32| self.end_tokens.contains(TokenId::new(*token));
        decoded.position(is_end).map(|at| self.prompt + at)
    }

    /// Where the answer ends: behind the first decoded token that ends it, or else at its limit.
    fn end(&self) -> usize {
        self.end_position().map_or(self.limit(), |at| at + 1)
    }

    /// What there is to say of the tokens behind the end of the answer, if there are any.
    #[must_use]
    pub fn surplus_note(&self) -> Option<String> {
        let ends = match self.end_position() {
            None => format!("has {} tokens, the most", self.limit),
            Some(at) => {
                let end = self.tokens[at];
                let name = self.tokenizer.as_ref().and_then(|it| it.special_name(end));
                let name = name.map_or_else(|| end.to_string(), str::to_owned);
                format!("ends with the token {name}")
            }
        };
        match self.tokens.len() - self.end() {
            0 => None,
            1 => Some(format!(
                "The answer {ends}; 1 token that the last segment decodes behind it is surplus, and not part of it."
            )),
            count => Some(format!(
                "The answer {ends}; {count} tokens that the last segment decodes behind it are surplus, and not \
                 part of it."
            )),
        }
    }

    /// The text of the tokens from where `shown` stands, up to token `to` or the end of the text.
    fn show(&self, shown: &mut Shown, to: usize) -> Result<String, Error> {
        let mut text = String::new();
        let Some(tokenizer) = &self.tokenizer else {
            return Ok(text);
        };
        let to = to.min(self.end());
        while shown.tokens < to {
            let (position, token) = (shown.tokens, self.tokens[shown.tokens]);
            shown.tokens += 1;
            match tokenizer.special_name(token) {
                Some(name) => {
                    // The name stands for itself, whatever was open before it.
                    text.push_str(&String::from_utf8_lossy(&std::mem::take(&mut shown.open)));
                    if position > 0 || tokenizer.begin() != Some(token) {
                        text.push_str(name);
                    }
                }
                None => {
                    let piece = tokenizer.piece(token).map_err(refused)?;
                    shown.open.extend_from_slice(piece);
                    take_text(&mut shown.open, &mut text);
                }
            }
        }
        Ok(text)
    }

    /// The text of some of the tokens without the names of special ones, as JSON has it.
    fn plain(&self, tokens: &[u32]) -> Result<String, Error> {
        let Some(tokenizer) = &self.tokenizer else {
            return Ok(String::new());
        };
        let bytes = tokenizer.decode(tokens).map_err(refused)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Prompt, decoded tokens up to the one that ends the answer, and the surplus behind it, with texts where
    /// there is a tokenizer.
    ///
    /// # Errors
    ///
    /// [`Error::Tokens`] for a token that the tokenizer does not have.
    pub fn object(&self) -> Result<Value, Error> {
        let [prompt, decoded, surplus] = self.parts();
        let mut object = json!({
            "prompt": prompt,
            "decoded": decoded,
            "ended": self.end_position().is_some(),
            "surplus": surplus,
        });
        if self.tokenizer.is_some() {
            object["prompt_text"] = json!(self.plain(prompt)?);
            object["decoded_text"] = json!(self.plain(decoded)?);
        }
        Ok(object)
    }

    /// The whole text so far; where there is no tokenizer, the numbers of the tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Tokens`] for a token that the tokenizer does not have.
    pub fn whole(&self) -> Result<String, Error> {
        if self.tokenizer.is_none() {
            let [prompt, decoded, _] = self.parts();
            let text = format!("{} -> {}", numbers(prompt), numbers(decoded));
            return Ok(self.with_note(text));
        }
        let mut shown = Shown::default();
        let mut text = self.show(&mut shown, self.tokens.len())?;
        text.push_str(&String::from_utf8_lossy(&shown.open));
        Ok(self.with_note(text))
    }

    /// A text with what there is to say of the surplus.
    fn with_note(&self, text: String) -> String {
        match self.surplus_note() {
            None => text,
            Some(note) => format!("{text}\n\n{note}"),
        }
    }

    /// Prompt, answer and surplus.
    fn parts(&self) -> [&[u32]; 3] {
        let (prompt, decoded) = self.tokens.split_at(self.prompt.min(self.tokens.len()));
        let (answer, surplus) = decoded.split_at(self.end().max(prompt.len()) - prompt.len());
        [prompt, answer, surplus]
    }
}

fn refused(source: matchmark_models::TokenizerError) -> Error {
    Error::Tokens {
        what: "tokens of the chain",
        source,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use matchmark_models::TokenizerParts;

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
            let mut text = ChainText::new(None, 4, &EndTokens::NONE, 4);
            for segment in order {
                let index = usize::try_from(segment).unwrap();
                assert!(text.push(segment, &segments[index]).unwrap().is_empty());
            }
            assert_eq!(text.whole().unwrap(), "1 2 3 4 -> 5 6 7 8");
            let expected = json!({
                "prompt": [1, 2, 3, 4], "decoded": [5, 6, 7, 8], "ended": false, "surplus": [],
            });
            assert_eq!(text.object().unwrap(), expected);
        }
    }

    #[test]
    fn a_segment_may_hold_prompt_and_choices() {
        let mut text = ChainText::new(None, 2, &EndTokens::NONE, 9);
        text.push(0, &tokens(&[1, 2, 3], &[9, 3, 4])).unwrap();
        text.push(1, &tokens(&[4], &[5])).unwrap();
        assert_eq!(text.whole().unwrap(), "1 2 -> 3 4 5");
    }

    #[test]
    fn the_limit_ends_an_answer() {
        let ends = EndTokens::new([TokenId::new(5)]).unwrap();
        let shown = |limit| {
            let mut text = ChainText::new(None, 2, &ends, limit);
            text.push(0, &tokens(&[1, 2, 3, 4], &[9, 3, 4, 5])).unwrap();
            (text.whole().unwrap(), text.object().unwrap())
        };
        // An end token among the surplus ends nothing.
        let (text, object) = shown(2);
        let note = "The answer has 2 tokens, the most; 1 token that the last segment decodes behind it is surplus";
        assert!(text.starts_with(&format!("1 2 -> 3 4\n\n{note}")), "{text}");
        assert_eq!(object["ended"], json!(false));
        assert_eq!(object["surplus"], json!([5]));
        let (text, object) = shown(3);
        assert_eq!(text, "1 2 -> 3 4 5");
        assert_eq!(object["ended"], json!(true));
    }

    /// Of three special tokens, the bytes of a two-byte character, and one that acts on a terminal.
    fn tokenizer() -> Tokenizer {
        let pieces: [&[u8]; 7] = [
            b"<bos>", b"<eos>", b"<pad>", b"a", b"\xc3", b"\xa9", b"\x1b",
        ];
        Tokenizer::new(TokenizerParts {
            pieces: pieces.map(<[u8]>::to_vec).to_vec(),
            special: [true, true, true, false, false, false, false].to_vec(),
            merges: vec![],
            begin: Some(0),
            ends: vec![1],
            chat: None,
            words: matchmark_models::Words::Gpt2,
            ignore_merges: false,
            nfc: false,
        })
        .unwrap()
    }

    /// The text of a chain that is given two tokens, told segment by segment, and as a whole.
    fn shown(segments: &[SegmentTokens]) -> (String, String, Value) {
        let ends = EndTokens::new([TokenId::new(1)]).unwrap();
        let mut text = ChainText::new(Some(tokenizer()), 2, &ends, 9);
        let mut told = String::new();
        for (segment, tokens) in (0..).zip(segments) {
            told.push_str(&text.push(segment, tokens).unwrap());
        }
        told.push_str(&text.rest());
        (told, text.whole().unwrap(), text.object().unwrap())
    }

    #[test]
    fn special_tokens_are_shown_by_name_and_characters_whole() {
        // A character that is begun by one segment and ended by the next; one that never ends.
        let (told, whole, object) = shown(&[
            tokens(&[0, 3], &[9, 4]),
            tokens(&[4, 5], &[5, 2]),
            tokens(&[2, 0], &[0, 4]),
        ]);
        assert_eq!(whole, "a\u{e9}<pad><bos>\u{fffd}");
        assert_eq!(told, format!("{whole}\n\n"));
        assert_eq!(object["decoded"], json!([4, 5, 2, 0, 4]));
        assert_eq!(object["prompt_text"], "a");
        assert_eq!(object["decoded_text"], "\u{e9}\u{fffd}");
        assert_eq!(
            (&object["ended"], &object["surplus"]),
            (&json!(false), &json!([]))
        );
        // No character at all: a mark for each.
        let (_, whole, _) = shown(&[tokens(&[0, 5], &[9, 5])]);
        assert_eq!(whole, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_text_ends_with_the_token_that_ends_it() {
        let (told, whole, object) =
            shown(&[tokens(&[0, 3], &[9, 3]), tokens(&[3, 1, 6], &[1, 6, 6])]);
        let note = "The answer ends with the token <eos>; 2 tokens that the last segment decodes behind it";
        assert!(whole.starts_with(&format!("aa<eos>\n\n{note}")), "{whole}");
        assert_eq!(told, format!("{whole}\n\n"));
        assert_eq!(object["decoded"], json!([3, 1]));
        assert_eq!(object["decoded_text"], "a");
        assert_eq!(
            (&object["ended"], &object["surplus"]),
            (&json!(true), &json!([6, 6]))
        );
        // Within the prompt it ends nothing; as the last token it leaves nothing behind.
        let (_, whole, object) = shown(&[tokens(&[1, 3, 3], &[3, 3, 1])]);
        assert_eq!(whole, "<eos>aa<eos>");
        assert_eq!(
            (&object["ended"], &object["surplus"]),
            (&json!(true), &json!([]))
        );
    }

    #[test]
    fn only_the_rule_of_the_chain_ends_an_answer() {
        // Without a tokenizer, by the numbers alone; and the tokenizer's own end where no rule has it.
        let segment = tokens(&[1, 3, 6], &[3, 6, 5]);
        let ends = EndTokens::new([TokenId::new(6), TokenId::new(9)]).unwrap();
        let mut text = ChainText::new(None, 1, &ends, 9);
        text.push(0, &segment).unwrap();
        let whole = text.whole().unwrap();
        assert!(whole.starts_with("1 -> 3 6\n\nThe answer ends with the token 6; 1 token that"));
        assert_eq!(text.object().unwrap()["surplus"], json!([5]));
        let mut text = ChainText::new(Some(tokenizer()), 1, &EndTokens::NONE, 9);
        text.push(0, &tokens(&[0, 3, 1], &[3, 1, 3])).unwrap();
        assert_eq!(text.whole().unwrap(), "a<eos>a");
        assert_eq!(text.object().unwrap()["ended"], json!(false));
    }
}
