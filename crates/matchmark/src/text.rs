//! The text of a chain, as its segments become known.

use std::collections::BTreeMap;

use matchmark_composer::SegmentTokens;
use matchmark_models::{take_text, Tokenizer};
use serde_json::{json, Value};

use crate::error::Error;
use crate::policy::numbers;

/// Puts the tokens of segments, which may come in any order, together in the order of the chain.
///
/// As text, special tokens are shown by their names, but for the one that every text begins with, where it
/// stands first. The text of the decoded tokens ends with the token that ends a text; what a chain decodes
/// behind that is no text any more.
#[derive(Clone, Debug)]
pub struct ChainText {
    tokenizer: Option<Tokenizer>,
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
    /// Nothing yet, of a chain that begins with so many given tokens.
    #[must_use]
    pub fn new(tokenizer: Option<Tokenizer>, prompt: usize) -> Self {
        Self {
            tokenizer,
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
        match self.after_end_note() {
            None => format!("{open}\n\n"),
            Some(note) => format!("{open}\n\n{note}\n\n"),
        }
    }

    /// Tokens that segments have consumed so far: all that are known, but for a choice after the last.
    fn consumed(&self) -> usize {
        let chosen = self.next > 0 && self.tokens.len() > self.prompt;
        self.tokens.len() - usize::from(chosen)
    }

    /// Where the text ends: behind the first decoded token that ends a text, or else behind all.
    fn end(&self) -> usize {
        let mut decoded = self.tokens.iter().skip(self.prompt);
        let position = decoded.position(|token| self.ends().contains(token));
        position.map_or(self.tokens.len(), |at| self.prompt + at + 1)
    }

    /// The tokens that end a text.
    fn ends(&self) -> &[u32] {
        self.tokenizer.as_ref().map_or(&[], Tokenizer::ends)
    }

    /// Decoded tokens behind the one that ends the text.
    fn after_end(&self) -> usize {
        self.tokens.len() - self.end()
    }

    /// What there is to say of the tokens behind the end of the text, if there are any.
    #[must_use]
    pub fn after_end_note(&self) -> Option<String> {
        let count = self.after_end();
        let end = self.end().checked_sub(1).and_then(|at| self.tokens.get(at));
        let name = end.and_then(|token| self.tokenizer.as_ref()?.special_name(*token));
        (count > 0).then(|| {
            format!(
                "The text ends with the token {}; {count} tokens that the chain decodes behind it are not \
                 shown as text.",
                name.unwrap_or("that ends a text"),
            )
        })
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

    /// Prompt and decoded tokens, with their texts where there is a tokenizer: that of the decoded ones up to
    /// the token that ends it, and how many follow that one.
    ///
    /// # Errors
    ///
    /// [`Error::Tokens`] for a token that the tokenizer does not have.
    pub fn object(&self) -> Result<Value, Error> {
        let (prompt, decoded) = self.tokens.split_at(self.prompt.min(self.tokens.len()));
        let mut object = json!({ "prompt": prompt, "decoded": decoded });
        if self.tokenizer.is_some() {
            let text = &self.tokens[prompt.len()..self.end()];
            object["prompt_text"] = json!(self.plain(prompt)?);
            object["decoded_text"] = json!(self.plain(text)?);
            object["ended"] = json!(text.last().is_some_and(|token| self.ends().contains(token)));
            object["tokens_after_end"] = json!(self.after_end());
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
            let (prompt, decoded) = self.tokens.split_at(self.prompt.min(self.tokens.len()));
            return Ok(format!("{} -> {}", numbers(prompt), numbers(decoded)));
        }
        let mut shown = Shown::default();
        let mut text = self.show(&mut shown, self.tokens.len())?;
        text.push_str(&String::from_utf8_lossy(&shown.open));
        if let Some(note) = self.after_end_note() {
            text.push_str("\n\n");
            text.push_str(&note);
        }
        Ok(text)
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
            let mut text = ChainText::new(None, 4);
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
        let mut text = ChainText::new(None, 2);
        text.push(0, &tokens(&[1, 2, 3], &[9, 3, 4])).unwrap();
        text.push(1, &tokens(&[4], &[5])).unwrap();
        assert_eq!(text.whole().unwrap(), "1 2 -> 3 4 5");
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
            individual_digits: false,
        })
        .unwrap()
    }

    /// The text of a chain that is given two tokens, told segment by segment, and as a whole.
    fn shown(segments: &[SegmentTokens]) -> (String, String, Value) {
        let mut text = ChainText::new(Some(tokenizer()), 2);
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
            (&object["ended"], &object["tokens_after_end"]),
            (&json!(false), &json!(0))
        );
        // No character at all: a mark for each.
        let (_, whole, _) = shown(&[tokens(&[0, 5], &[9, 5])]);
        assert_eq!(whole, "\u{fffd}\u{fffd}");
    }

    #[test]
    fn the_text_ends_with_the_token_that_ends_it() {
        let (told, whole, object) =
            shown(&[tokens(&[0, 3], &[9, 3]), tokens(&[3, 1, 6], &[1, 6, 6])]);
        let note = "The text ends with the token <eos>; 2 tokens that the chain decodes behind it";
        assert!(whole.starts_with(&format!("aa<eos>\n\n{note}")), "{whole}");
        assert_eq!(told, format!("{whole}\n\n"));
        assert_eq!(object["decoded"], json!([3, 1, 6, 6]));
        assert_eq!(object["decoded_text"], "a");
        assert_eq!(
            (&object["ended"], &object["tokens_after_end"]),
            (&json!(true), &json!(2))
        );
        // Within the prompt it ends nothing; as the last token it leaves nothing behind.
        let (_, whole, object) = shown(&[tokens(&[1, 3, 3], &[3, 3, 1])]);
        assert_eq!(whole, "<eos>aa<eos>");
        assert_eq!(
            (&object["ended"], &object["tokens_after_end"]),
            (&json!(true), &json!(0))
        );
    }

    #[test]
    fn each_of_several_tokens_ends_the_text() {
        let mut parts = tokenizer().parts().clone();
        parts.ends.push(2);
        let several = Tokenizer::new(parts).unwrap();
        for (end, name) in [(1, "<eos>"), (2, "<pad>")] {
            let mut text = ChainText::new(Some(several.clone()), 2);
            let segment = tokens(&[0, 3, end], &[9, end, 3]);
            text.push(0, &segment).unwrap();
            let object = text.object().unwrap();
            assert_eq!(
                (&object["ended"], &object["tokens_after_end"]),
                (&json!(true), &json!(1))
            );
            assert!(text.whole().unwrap().starts_with(&format!("a{name}\n\n")));
        }
    }
}
