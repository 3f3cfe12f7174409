//! Cutting and merging by the crate `tokenizers`, set up from what a tokenizer is made of.
//!
//! The words are those of [`Words`]; GPT-2's, as byte-level pre-tokenizers cut them, are
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, alternatives in order, each
//! as long as it can be. Where digits stand by themselves, the text is cut around each of them first.
//!
//! No pattern is given to the library as it stands: the engine that looks ahead keeps a place to go back
//! to for every character of white space, gives up at a million of them, and the library then takes the rest
//! of the text for one word without saying so. Two patterns, one after the other, cut the same
//! words without looking ahead, in linear time: the first leaves of white space what `\s+(?!\S)` takes. Nor is the
//! library's own step for digits used, whose digits are those of the compiler's version of Unicode.

use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{
    Model as _, NormalizedString, Normalizer as _, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer as _, SplitDelimiterBehavior,
};

use super::{TokenizerError, TokenizerParts};

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
            words,
            ignore_merges,
            nfc: _,
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
            .ignore_merges(*ignore_merges)
            .build()
            .map_err(failed)?;
        let patterns = words.steps().iter();
        let mut cut: Vec<PreTokenizerWrapper> = patterns
            .map(|&pattern| {
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

/// How many times as long as its normalization form C a text can be, in bytes.
pub(super) const FORM_C_SHRINKS: usize = 4;

/// A text in the normalization form C of Unicode.
pub(super) fn nfc(text: &str) -> Result<String, TokenizerError> {
    let mut normalized = NormalizedString::from(text);
    NFC.normalize(&mut normalized).map_err(failed)?;
    Ok(normalized.get().to_owned())
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
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::Words;
    use super::*;

    fn library(words: Words) -> Library {
        Library::new(&TokenizerParts {
            pieces: vec![],
            special: vec![],
            merges: vec![],
            words,
            ignore_merges: false,
            nfc: false,
            begin: None,
            ends: vec![],
            chat: None,
        })
        .unwrap()
    }

    fn cut(text: &str, words: Words) -> Vec<&str> {
        let cut = library(words).cut(text).unwrap();
        let all = super::words(&cut).map(|(_, (start, end))| &text[start..end]);
        all.collect()
    }

    #[test]
    fn digits_by_themselves() {
        assert_eq!(
            cut("in 1984's  20\n it", Words::Gpt2Digits),
            ["in", " ", "1", "9", "8", "4", "'s", "  ", "2", "0", "\n", " it"]
        );
        // Numbers of all kinds; letters that look like them are not numbers.
        for words in [Words::Gpt2Digits, Words::Qwen2] {
            assert_eq!(cut("x²½Ⅷ٣", words), ["x", "²", "½", "Ⅷ", "٣"]);
            assert_eq!(cut("7", words), ["7"]);
        }
    }

    #[test]
    fn words_as_the_pattern_cuts_them() {
        let cut = |text| cut(text, Words::Gpt2);
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
        for words in Words::ALL {
            assert_eq!(cut(&text, words), ["a", spaces.as_str(), " b", "\n", "c"]);
        }
        let lines = format!("a{spaces}\n  b{spaces}");
        let cut = cut(&lines, Words::Qwen2);
        assert_eq!(cut, ["a", &format!("{spaces}\n"), " ", " b", &spaces]);
    }

    #[test]
    fn words_of_llama_and_qwen() {
        for (text, expected) in [
            (
                "I'LL say\u{a0}it!\n\n  No",
                "I|'LL| say|\u{a0}it|!\n\n| | No",
            ),
            ("a \n b\t!c", "a| \n| b|\t|!c"),
            ("  \r\n \n x", "  \r\n \n| x"),
            ("(hello)\n(x)", "(hello|)\n|(x|)"),
            ("é\u{301}x", "é|\u{301}x"),
            ("!\n \n.", "!\n| \n|."),
        ] {
            let expected: Vec<&str> = expected.split('|').collect();
            for words in [Words::Llama3, Words::Qwen2] {
                assert_eq!(cut(text, words), expected, "{text:?}");
            }
        }
        let text = "in 12345 1";
        let of_llama = ["in", " ", "123", "45", " ", "1"];
        assert_eq!(cut(text, Words::Llama3), of_llama);
        let of_qwen = ["in", " ", "1", "2", "3", "4", "5", " ", "1"];
        assert_eq!(cut(text, Words::Qwen2), of_qwen);
    }

    /// A text in form C has a quarter of the bytes that it had, or more: limits on tokens count on it. What becomes one
    /// character is longest as signs of their own (as the one for Kelvin) with marks behind them, or as all of its
    /// parts.
    #[test]
    fn normalization_leaves_a_quarter_at_least() {
        let parts = |c: char| -> Vec<char> {
            let mut apart = NormalizedString::from(c.to_string());
            tokenizers::normalizers::NFD.normalize(&mut apart).unwrap();
            apart.get().chars().collect()
        };
        // All others are in form C, and made of nothing.
        let changed: Vec<(char, Vec<char>)> = ('\0'..=char::MAX)
            .map(|c| (c, parts(c)))
            .filter(|(c, parts)| parts != &[*c])
            .collect();
        assert!(changed.len() > 12_000);
        let mut longest = HashMap::new();
        for (c, _) in &changed {
            let bytes = longest.entry(nfc(&c.to_string()).unwrap()).or_insert(0);
            *bytes = c.len_utf8().max(*bytes);
        }
        let bytes = |text: &[char]| {
            let text = nfc(&String::from_iter(text)).unwrap();
            longest.get(&text).copied().unwrap_or(0).max(text.len())
        };
        let mut most = 0.0f64;
        for (c, parts) in &changed {
            let whole = nfc(&c.to_string()).unwrap().len();
            for cut in 0..=parts.len() {
                let (first, marks) = parts.split_at(cut);
                let marks = marks.chunks(1).map(bytes).sum::<usize>();
                let before = if first.is_empty() { 0 } else { bytes(first) } + marks;
                assert!(
                    before <= FORM_C_SHRINKS * whole,
                    "{c:?}: {before} bytes become {whole}"
                );
                most = most.max(before as f64 / whole as f64);
            }
        }
        // An iota that is a sign of its own with two marks: seven bytes become two. No smaller number holds.
        assert_eq!(most, 3.5);
        assert_eq!(nfc("\u{1fbe}\u{308}\u{301}").unwrap(), "\u{390}");
        let composed = nfc("e\u{301}\u{212b}\u{2126}\u{313}\u{301}\u{345}ﬁ");
        assert_eq!(composed.unwrap(), "é\u{c5}\u{1fac}ﬁ");
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
            let got = library(Words::Gpt2).cut(&text).unwrap();
            prop_assert!(words(&got).eq(words(&expected)));
        }

        /// And so are the two for each of those that files have as one.
        #[test]
        fn the_same_as_patterns_of_files_cut(
            text in "([a-zA-Z0-9 !'\\n\\r\\t.é½\u{a0}\u{2028}\u{17f}]|'(s|RE|ll)| {1,3}|[\\r\\n]{1,3}|\\PC|[\\x00-\\x1f\\x7f-\\x9f]){0,40}",
        ) {
            for words in [Words::Llama3, Words::Qwen2] {
                let pattern = SplitPattern::Regex(words.pattern().unwrap().to_owned());
                let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).unwrap();
                let mut expected = PreTokenizedString::from(text.as_str());
                split.pre_tokenize(&mut expected).unwrap();
                ByteLevel::new(false, false, false).pre_tokenize(&mut expected).unwrap();
                let got = library(words).cut(&text).unwrap();
                prop_assert!(super::words(&got).eq(super::words(&expected)));
            }
        }

        #[test]
        fn words_are_the_text(text in "[a-z0-9 '\\n\\t.é\u{a0}]{0,40}", words in 0..4usize) {
            let words = cut(&text, Words::ALL[words]);
            prop_assert!(words.iter().all(|word| !word.is_empty()));
            prop_assert_eq!(words.concat(), text);
        }
    }
}
