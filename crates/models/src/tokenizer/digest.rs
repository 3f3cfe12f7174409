//! The canonical encoding of a tokenizer, and its identity.

use matchmark_quant::{digest_newtype, TaggedSha256};

use super::{Tokenizer, TokenizerParts, Words};
use crate::bytes::{encode_bytes, encode_u32};

/// In the byte that says whether there is a begin token: how a text is cut. A tokenizer with GPT-2's words, no
/// normalization and merges of all words has the encoding, and the identity, that it had when there was nothing else.
pub(crate) const CUT: u8 = WORDS | IGNORE_MERGES | NFC;
/// Which words, as a number of two bits.
const WORDS: u8 = 0b110;
/// Words that are tokens are not merged.
const IGNORE_MERGES: u8 = 0b1000;
/// A text is normalized first.
const NFC: u8 = 0b1_0000;
/// In the byte that says whether there is an end token: more of them follow. A tokenizer with at most one has
/// the encoding, and the identity, that it had when there could be no more.
pub(crate) const MORE_ENDS: u8 = 2;
/// In the same byte: a chat template follows.
pub(crate) const CHAT_TEMPLATE: u8 = 4;

digest_newtype! {
    /// Identity of a [`Tokenizer`]: SHA-256 over its canonical encoding.
    pub struct TokenizerId;
}

/// The bits of [`WORDS`].
const fn words_bits(words: Words) -> u8 {
    match words {
        Words::Gpt2 => 0,
        Words::Gpt2Digits => 0b10,
        Words::Llama3 => 0b100,
        Words::Qwen2 => 0b110,
    }
}

/// What the bits of [`CUT`] say: the words, whether those that are tokens are not merged, and whether a text is
/// normalized.
pub(crate) fn cut_of(flags: u8) -> (Words, bool, bool) {
    let words = Words::ALL
        .into_iter()
        .find(|it| words_bits(*it) == flags & WORDS);
    // Two bits are one of four.
    let words = words.unwrap_or_default();
    (words, flags & IGNORE_MERGES != 0, flags & NFC != 0)
}

impl Tokenizer {
    /// Domain tag of [`Self::identity`].
    pub const TAG: &'static str = "matchmark/tokenizer/v1";

    /// SHA-256 under [`Self::TAG`] over the number of tokens (eight bytes, little-endian) and the
    /// tokenizer's part of a model's canonical encoding.
    #[must_use]
    pub fn identity(&self) -> TokenizerId {
        let mut encoding = Vec::new();
        self.append_encoding(&mut encoding);
        let mut hasher = TaggedSha256::new(Self::TAG);
        hasher.update_u64(self.len() as u64);
        TokenizerId::from_bytes(hasher.chain(&encoding).finish())
    }

    /// Appends the tokenizer's part of a model's canonical encoding.
    pub(crate) fn append_encoding(&self, out: &mut Vec<u8>) {
        let TokenizerParts {
            pieces,
            special,
            merges,
            words,
            ignore_merges,
            nfc,
            begin,
            ends,
            chat,
        } = self.parts();
        for (piece, special) in pieces.iter().zip(special) {
            out.push(u8::from(*special));
            encode_bytes(out, piece);
        }
        encode_u32(out, merges.len());
        for pair in merges {
            for token in pair {
                out.extend_from_slice(&token.to_le_bytes());
            }
        }
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let cut = words_bits(*words) | flag(*ignore_merges, IGNORE_MERGES) | flag(*nfc, NFC);
        let (end, more_ends) = match ends.split_first() {
            None => (None, [].as_slice()),
            Some((end, more)) => (Some(*end), more),
        };
        let more = if more_ends.is_empty() { 0 } else { MORE_ENDS };
        let more = more | if chat.is_some() { CHAT_TEMPLATE } else { 0 };
        for (token, flags) in [(*begin, cut), (end, more)] {
            out.push(u8::from(token.is_some()) | flags);
            out.extend_from_slice(&token.unwrap_or(0).to_le_bytes());
        }
        if !more_ends.is_empty() {
            encode_u32(out, more_ends.len());
            for token in more_ends {
                out.extend_from_slice(&token.to_le_bytes());
            }
        }
        if let Some(template) = chat {
            let names = [template.begin_name(), template.end_name()];
            let [begin_name, end_name] = names.map(Option::unwrap_or_default);
            for text in [template.source(), begin_name, end_name] {
                encode_bytes(out, text.as_bytes());
            }
        }
    }
}
