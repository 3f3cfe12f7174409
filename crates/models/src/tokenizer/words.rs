//! How a text is cut into words, before these are merged.

/// The ways to cut a text into words that there are. Each is that of the tokenizers of a family of models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Words {
    /// GPT-2's pattern: digits that follow each other are one word, with a space before them.
    #[default]
    Gpt2,
    /// Every digit is a word by itself; the rest is cut by GPT-2's pattern (SmolLM2).
    Gpt2Digits,
    /// Llama 3's pattern: up to three digits are a word, one character that is no letter goes with the letters
    /// behind it, and line breaks with the signs before them.
    Llama3,
    /// Qwen2's pattern: that of Llama 3, but every digit is a word by itself.
    Qwen2,
}

impl Words {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Gpt2, Self::Gpt2Digits, Self::Llama3, Self::Qwen2];

    /// The pattern as files of the library `tokenizers` have it, of those that are written there as one.
    #[must_use]
    pub const fn pattern(self) -> Option<&'static str> {
        match self {
            Self::Gpt2 | Self::Gpt2Digits => None,
            Self::Llama3 => Some(concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            )),
            Self::Qwen2 => Some(concat!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"|\s*[\r\n]+|\s+(?!\S)|\s+"
            )),
        }
    }

    /// Patterns that cut the same words, one after the other, each without looking ahead.
    pub(super) const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::Gpt2 => &[SPACED, GPT2],
            Self::Gpt2Digits => &[DIGIT, SPACED, GPT2],
            Self::Llama3 => &[SPACED_LINES, LLAMA3],
            Self::Qwen2 => &[SPACED_LINES, QWEN2],
        }
    }
}

/// A digit of any kind, where each is a word.
const DIGIT: &str = r"\p{N}";
/// What is not white space, with the one character of it that stands before. Of white space this leaves what
/// `\s+(?!\S)` takes.
const SPACED: &str = r"\s?\S+";
/// GPT-2's pattern within such a piece, or within white space alone.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
/// The same for patterns in which line breaks go with the signs before them, and with white space before them, but
/// never with what stands behind.
const SPACED_LINES: &str = r"[^\S\r\n]?\S*(?:[^\s\p{L}\p{N}][\r\n]*|[\p{L}\p{N}])";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
