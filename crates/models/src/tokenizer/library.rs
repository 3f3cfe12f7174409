//! Cutting and merging by the crate `tokenizers`, set up from what a tokenizer is made of.
//!
//! The words are those of GPT-2, as byte-level pre-tokenizers cut them:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, alternatives in order, each
//! as long as it can be. Where digits stand by themselves, the text is cut around each of them first.
//!
//! The pattern is not given to the library as it stands: the engine that looks ahead keeps a place to go back
//! to for every character of white space, gives up at a million of them, and the library then takes the rest
//! of the text for one word without saying so. [`SPACED`] and [`WORDS`], one after the other, cut the same
//! words without looking ahead, in linear time. Nor is the library's own step for digits used, whose digits
//! are those of the compiler's version of Unicode.

use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{
    Model as _, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
    SplitDelimiterBehavior,
};

use super::{TokenizerError, TokenizerParts};

/// A digit of any kind, where each is a word.
const DIGIT: &str = r"\p{N}";
/// What is not white space, with the one character of it that stands before. Of white space this leaves what
/// `\s+(?!\S)` takes.
const SPACED: &str = r"\s?\S+";
/// The pattern within such a piece, or within white space alone.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

/// What the library needs for one tokenizer.
#[derive(Debug)]
pub(super) struct Library {
    cut: Sequence,
    merges: BPE,
}

impl Library {
    /// Sets up the library for parts that were checked.
    pub(super) fn new(parts: &TokenizerParts) -> Result<Self, TokenizerError> {
        let TokenizerParts {
            pieces,
            special,
            merges,
            individual_digits,
            begin: _,
            ends: _,
            chat: _,
        } = parts;
        let letters = letters();
        let written: Vec<String> = pieces.iter().map(|piece| write(&letters, piece)).collect();
        // Special tokens are part of no word.
        let vocabulary: Vocab = written
            .iter()
            .cloned()
            .zip(0u32..)
            .zip(special)
            .filter(|(_, special)| !**special)
            .map(|(entry, _)| entry)
            .collect();
        let merges = merges
            .iter()
            .map(|pair| pair.map(|token| written[token as usize].clone()).into())
            .collect();
        let merges = BPE::builder()
            .vocab_and_merges(vocabulary, merges)
            // The library's cache belongs to the thread and outlives the tokenizer.
            .cache_capacity(0)
            .build()
            .map_err(failed)?;
        let digits = individual_digits.then_some(DIGIT);
        let patterns = digits.into_iter().chain([SPACED, WORDS]);
        let mut cut: Vec<PreTokenizerWrapper> = patterns
            .map(|pattern| {
                let pattern = SplitPattern::Regex(pattern.to_owned());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
                split.map(Into::into).map_err(failed)
            })
            .collect::<Result<_, _>>()?;
        cut.push(ByteLevel::new(false, false, false).into());
        Ok(Self {
            cut: Sequence::new(cut),
            merges,
        })
    }

    /// Cuts a text into words, whose bytes are then written as characters.
    pub(super) fn cut(&self, text: &str) -> Result<PreTokenizedString, TokenizerError> {
        let mut cut = PreTokenizedString::from(text);
        self.cut.pre_tokenize(&mut cut).map_err(failed)?;
        Ok(cut)
    }

    /// The tokens of a word whose bytes are written as characters, each of which is a token.
    pub(super) fn merge(&self, written: &str) -> Result<impl Iterator<Item = u32>, TokenizerError> {
        let tokens = self.merges.tokenize(written).map_err(failed)?;
        Ok(tokens.into_iter().map(|token| token.id))
    }
}

/// The words of a text that was cut: each as it is written for [`Library::merge`], and where it stands.
pub(super) fn words(cut: &PreTokenizedString) -> impl Iterator<Item = (&str, (usize, usize))> {
    let words = cut.get_splits(OffsetReferential::Original, OffsetType::Byte);
    words.into_iter().map(|(written, at, _)| (written, at))
}

/// An error of the library, which has none of its own types for it.
pub(super) fn failed(error: impl std::fmt::Display) -> TokenizerError {
    TokenizerError::Library {
        reason: error.to_string(),
    }
}

/// The character that stands for each byte: printable ones of Latin-1 for themselves, and for the others
/// those from U+0100 on, in order.
fn letters() -> [char; 256] {
    let mut others = '\u{100}'..;
    let mut letters = ['\0'; 256];
    for (byte, letter) in (0..=u8::MAX).zip(&mut letters) {
        let itself = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
        let other = if itself { None } else { others.next() };
        *letter = other.unwrap_or(char::from(byte));
    }
    letters
}

/// Bytes as characters.
fn write(letters: &[char; 256], bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| letters[usize::from(byte)])
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn library(individual_digits: bool) -> Library {
        Library::new(&TokenizerParts {
            pieces: vec![],
            special: vec![],
            merges: vec![],
            individual_digits,
            begin: None,
            ends: vec![],
            chat: None,
        })
        .unwrap()
    }

    fn cut(text: &str, individual_digits: bool) -> Vec<&str> {
        let cut = library(individual_digits).cut(text).unwrap();
        let words = words(&cut).map(|(_, (start, end))| &text[start..end]);
        words.collect()
    }

    #[test]
    fn digits_by_themselves() {
        assert_eq!(
            cut("in 1984's  20\n it", true),
            ["in", " ", "1", "9", "8", "4", "'s", "  ", "2", "0", "\n", " it"]
        );
        // Numbers of all kinds; letters that look like them are not numbers.
        assert_eq!(cut("x²½Ⅷ٣", true), ["x", "²", "½", "Ⅷ", "٣"]);
        assert_eq!(cut("7", true), ["7"]);
    }

    #[test]
    fn words_as_the_pattern_cuts_them() {
        let cut = |text| cut(text, false);
        assert_eq!(
            cut("I'll say  \"no\"! 12 times\n\n"),
            ["I", "'ll", " say", " ", " \"", "no", "\"!", " 12", " times", "\n\n"]
        );
        assert_eq!(cut("a \n b"), ["a", " \n", " b"]);
        assert_eq!(cut("a\n\nb"), ["a", "\n", "\n", "b"]);
        assert_eq!(cut("a\tb"), ["a", "\t", "b"]);
        assert_eq!(cut("x'sy 'st 's"), ["x", "'s", "y", " '", "st", " '", "s"]);
        assert_eq!(
            cut("été ½ 中文 \u{301}x"),
            ["été", " ½", " 中文", " \u{301}", "x"]
        );
        assert_eq!(cut("  "), ["  "]);
        assert_eq!(cut(""), [""; 0]);
    }

    /// The library's own step, with the pattern that looks ahead, gives up on this one.
    #[test]
    fn white_space_without_end() {
        let spaces = " ".repeat(1_000_100);
        let text = format!("a{spaces} b\nc");
        assert_eq!(cut(&text, false), ["a", spaces.as_str(), " b", "\n", "c"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// The two patterns are the library's one.
        #[test]
        fn the_same_as_the_library_cuts(
            text in "([a-z0-9 '\\n\\t.é½\u{a0}\u{2028}]|'(s|re|ll)|\\PC|[\\x00-\\x1f\\x7f-\\x9f]){0,40}",
        ) {
            let mut expected = PreTokenizedString::from(text.as_str());
            ByteLevel::new(false, false, true).pre_tokenize(&mut expected).unwrap();
            let got = library(false).cut(&text).unwrap();
            prop_assert!(words(&got).eq(words(&expected)));
        }

        #[test]
        fn words_are_the_text(text in "[a-z0-9 '\\n\\t.é\u{a0}]{0,40}", digits in any::<bool>()) {
            let words = cut(&text, digits);
            prop_assert!(words.iter().all(|word| !word.is_empty()));
            prop_assert_eq!(words.concat(), text);
        }
    }
}
