//! The canonical encoding of a tokenizer, and its identity.

use matchmark_quant::{digest_newtype, TaggedSha256};

use super::{Tokenizer, TokenizerParts};
use crate::bytes::{encode_bytes, encode_u32};

/// In the byte that says whether there is a begin token: every digit is a word by itself.
pub(crate) const INDIVIDUAL_DIGITS: u8 = 2;
/// In the byte that says whether there is an end token: more of them follow. A tokenizer with at most one has
/// the encoding, and the identity, that it had when there could be no more.
pub(crate) const MORE_ENDS: u8 = 2;
/// In the same byte: a chat template follows.
pub(crate) const CHAT_TEMPLATE: u8 = 4;

digest_newtype! {
    /// Identity of a [`Tokenizer`]: SHA-256 over its canonical encoding.
    pub struct TokenizerId;
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
            individual_digits,
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
        let words = if *individual_digits {
            INDIVIDUAL_DIGITS
        } else {
            0
        };
        let (end, more_ends) = match ends.split_first() {
            None => (None, [].as_slice()),
            Some((end, more)) => (Some(*end), more),
        };
        let more = if more_ends.is_empty() { 0 } else { MORE_ENDS };
        let more = more | if chat.is_some() { CHAT_TEMPLATE } else { 0 };
        for (token, flags) in [(*begin, words), (end, more)] {
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
