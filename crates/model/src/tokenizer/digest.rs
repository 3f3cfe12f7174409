//! The identity of a tokenizer.

use matchmark_quant::{digest_newtype, TaggedSha256};

use super::Tokenizer;
use crate::file::encode::encode_tokenizer;

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
        encode_tokenizer(&mut encoding, self);
        let mut hasher = TaggedSha256::new(Self::TAG);
        hasher.update_u64(self.len() as u64);
        TokenizerId::from_bytes(hasher.chain(&encoding).finish())
    }
}
