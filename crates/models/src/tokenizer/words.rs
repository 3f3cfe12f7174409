//! Where a text is cut before pairs of bytes are merged.
//!
//! The pattern is that of GPT-2, as byte-level pre-tokenizers use it:
//! `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, alternatives in order,
//! each as long as it can be. Where digits stand by themselves, the text is cut around each of them first,
//! and each part is then cut by the pattern as if it were a text of its own.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Endings of English words that are cut off, the first that fits.
const ENDINGS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// Sorted ranges of characters of one Unicode class.
struct CharClass(Vec<(char, char)>);

impl CharClass {
    fn new(pattern: &str) -> Self {
        let kind = regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind);
        match kind {
            Ok(HirKind::Class(Class::Unicode(class))) => {
                let ranges = class.ranges().iter();
                Self(ranges.map(|range| (range.start(), range.end())).collect())
            }
            // The patterns below are constants; a test reads them.
            _ => unreachable!("{pattern} is a class of characters"),
        }
    }

    fn contains(&self, c: char) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= c);
        after > 0 && c <= self.0[after - 1].1
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

fn kind(c: char) -> Kind {
    static LETTERS: LazyLock<CharClass> = LazyLock::new(|| CharClass::new(r"\p{L}"));
    static NUMBERS: LazyLock<CharClass> = LazyLock::new(|| CharClass::new(r"\p{N}"));
    static SPACES: LazyLock<CharClass> = LazyLock::new(|| CharClass::new(r"\s"));
    if LETTERS.contains(c) {
        Kind::Letter
    } else if NUMBERS.contains(c) {
        Kind::Number
    } else if SPACES.contains(c) {
        Kind::Space
    } else {
        Kind::Other
    }
}

/// Cuts a text into words; together they are the text. With `individual_digits`, every character of the
/// class `\p{N}` is a word, and what stands between two of them is cut by itself.
pub(super) fn words(text: &str, individual_digits: bool) -> impl Iterator<Item = &str> {
    // What is cut by the pattern now, and what comes after it.
    let (mut part, mut rest) = ("", text);
    std::iter::from_fn(move || {
        if part.is_empty() {
            let first = rest.chars().next()?;
            if individual_digits && kind(first) == Kind::Number {
                let digit;
                (digit, rest) = rest.split_at(first.len_utf8());
                return Some(digit);
            }
            let end = if individual_digits {
                rest.find(|c| kind(c) == Kind::Number)
            } else {
                None
            };
            (part, rest) = rest.split_at(end.unwrap_or(rest.len()));
        }
        let word;
        (word, part) = part.split_at(word_length(part));
        Some(word)
    })
}

/// Length in bytes of the first word of a text that is not empty.
fn word_length(text: &str) -> usize {
    if let Some(ending) = ENDINGS.iter().find(|ending| text.starts_with(**ending)) {
        return ending.len();
    }
    // ` ?` takes a space only if something of the class follows.
    let after_space = text.strip_prefix(' ').unwrap_or(text);
    if let Some(first) = after_space.chars().next().map(kind) {
        if first != Kind::Space {
            let run = run_length(after_space, first);
            return text.len() - after_space.len() + run;
        }
    }
    // White space: all of it at the end of the text, else all but the last character, which a word
    // may begin with; a single one stands alone.
    let run = run_length(text, Kind::Space);
    let last = text[..run].chars().next_back().map_or(0, char::len_utf8);
    if run == text.len() || run == last {
        run
    } else {
        run - last
    }
}

/// Length in bytes of the characters of one kind at the beginning.
fn run_length(text: &str, wanted: Kind) -> usize {
    text.find(|c| kind(c) != wanted).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        words(text, false).collect()
    }

    #[test]
    fn digits_by_themselves() {
        let cut = |text| words(text, true).collect::<Vec<_>>();
        assert_eq!(
            cut("in 1984's  20\n it"),
            ["in", " ", "1", "9", "8", "4", "'s", "  ", "2", "0", "\n", " it"]
        );
        // Numbers of all kinds; letters that look like them are not numbers.
        assert_eq!(cut("x²½Ⅷ٣"), ["x", "²", "½", "Ⅷ", "٣"]);
        assert_eq!(cut("7"), ["7"]);
    }

    #[test]
    fn words_as_the_pattern_cuts_them() {
        assert_eq!(
            cut("I'll say  \"no\"! 12 times\n\n"),
            ["I", "'ll", " say", " ", " \"", "no", "\"!", " 12", " times", "\n\n"]
        );
        assert_eq!(cut("a \n b"), ["a", " \n", " b"]);
        assert_eq!(cut("a\tb"), ["a", "\t", "b"]);
        assert_eq!(cut("x'sy 'st 's"), ["x", "'s", "y", " '", "st", " '", "s"]);
        assert_eq!(
            cut("été ½ 中文 \u{301}x"),
            ["été", " ½", " 中文", " \u{301}", "x"]
        );
        assert_eq!(cut("  "), ["  "]);
        assert_eq!(cut(""), [""; 0]);
    }

    proptest! {
        #[test]
        fn words_are_the_text(text in "[a-z0-9 '\\n\\t.é\u{a0}]{0,40}", digits in any::<bool>()) {
            let words: Vec<&str> = words(&text, digits).collect();
            prop_assert!(words.iter().all(|word| !word.is_empty()));
            prop_assert_eq!(words.concat(), text);
        }
    }
}
