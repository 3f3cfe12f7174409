//! The tokenizer, out of the metadata.

use std::collections::BTreeMap;

use super::entries::{missing, unsupported, Entries};
use super::value::{form, Value};
use super::GgufError;
use crate::import::generation::once;
use crate::import::tokenizer_json::{bytes_of, merge_of};
use crate::import::{ImportError, GGUF};
use crate::{ChatTemplate, Tokenizer, TokenizerParts, Words};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const BEGIN: &str = "tokenizer.ggml.bos_token_id";
const END: &str = "tokenizer.ggml.eos_token_id";
const CHAT: &str = "tokenizer.chat_template";
/// Further tokens behind which nothing comes: the end of a turn, and that of a message.
const MORE_ENDS: [&str; 2] = ["tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
/// Ways to cut texts into words, by llama.cpp's names. Its other names stand for other patterns.
const CUTS: [(&str, Words); 4] = [
    ("smollm", Words::Gpt2Digits),
    ("gpt-2", Words::Gpt2),
    ("llama-bpe", Words::Llama3),
    ("qwen2", Words::Qwen2),
];
/// What would change the tokens of a text.
const ONLY: [(&str, &str); 3] = [
    ("tokenizer.ggml.add_eos_token", "false"),
    ("tokenizer.ggml.add_space_prefix", "false"),
    ("tokenizer.ggml.remove_extra_whitespaces", "false"),
];
/// Keys that do not: tokens that other programs use, ranks of merges, what the file was converted from.
pub(super) const NEUTRAL: [&str; 9] = [
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.scores",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.token_type_count",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.huggingface.json",
    "tokenizer.ggml.add_sep_token",
];

/// An ordinary token by the format's numbers.
const NORMAL: i64 = 1;
/// A special one.
const CONTROL: i64 = 3;
/// One that stands for itself, too, and is shown as text.
const USER_DEFINED: i64 = 4;

/// Tokens that a file names for the tokenizer.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedTokens {
    pub(super) begin: Option<u32>,
    pub(super) ends: Vec<u32>,
}

/// The tokenizer, and the tokens that the file names.
pub(super) fn tokenizer(
    entries: &mut Entries<'_>,
) -> Result<(Tokenizer, NamedTokens), ImportError> {
    match entries.text(MODEL)?.ok_or(missing(MODEL))? {
        "gpt2" => {}
        got => return Err(unsupported(format!("{MODEL} = {got:?}"))),
    }
    let pre = entries.text(PRE)?.ok_or(missing(PRE))?;
    let cut = CUTS.iter().find(|(name, _)| *name == pre);
    let Some(&(_, words)) = cut else {
        return Err(unsupported(format!("{PRE} = {pre:?}")));
    };
    for (key, supported) in ONLY {
        entries.only(key, supported)?;
    }
    let texts = texts(entries, TOKENS)?;
    let special = special(entries, texts.len())?;
    let mut pieces = Vec::with_capacity(texts.len());
    for (&text, &special) in texts.iter().zip(&special) {
        pieces.push(if special {
            text.as_bytes().to_vec()
        } else {
            bytes_of(GGUF, text)?
        });
    }
    let ids: BTreeMap<&str, u32> = texts.iter().copied().zip(0..).collect();
    let mut merges = Vec::new();
    for (index, text) in self::texts(entries, MERGES)?.into_iter().enumerate() {
        merges.push(merge_of(GGUF, index, text.split_once(' '), |word| {
            ids.get(word).copied()
        })?);
    }
    let (begin, end) = (entries.optional_size(BEGIN)?, entries.optional_size(END)?);
    let name = |token: Option<u32>| Some((*texts.get(token? as usize)?).to_owned());
    let chat = entries.text(CHAT)?;
    let chat = chat.map(|source| ChatTemplate::new(source, name(begin), name(end)));
    let mut ends: Vec<u32> = end.into_iter().collect();
    for key in MORE_ENDS {
        ends.extend(entries.optional_size(key)?);
    }
    let ends = once(ends);
    // Without the flag the token is only named, but for Llama 3.
    let add_begin = entries.flag_or("tokenizer.ggml.add_bos_token", words == Words::Llama3)?;
    let begin = match (add_begin, begin) {
        (false, _) => None,
        (true, None) => return Err(missing(BEGIN)),
        (true, begin) => begin,
    };
    let tokenizer = Tokenizer::new(TokenizerParts {
        pieces,
        special,
        merges,
        words,
        // The rest of what these names stand for, and what folders of the same models say.
        ignore_merges: words == Words::Llama3,
        nfc: words == Words::Qwen2,
        begin,
        ends: ends.clone(),
        chat: chat.transpose()?,
    })?;
    Ok((tokenizer, NamedTokens { begin, ends }))
}

fn texts<'a>(entries: &mut Entries<'a>, key: &'static str) -> Result<Vec<&'a str>, ImportError> {
    match entries.take(key) {
        Some(Value::Texts(texts)) => Ok(texts),
        Some(other) => Err(form(key, "a list of texts", other).into()),
        None => Err(missing(key)),
    }
}

/// Which tokens are special.
fn special(entries: &mut Entries<'_>, tokens: usize) -> Result<Vec<bool>, ImportError> {
    let types = match entries.take(TYPES) {
        Some(Value::Numbers(numbers)) if numbers.len() == tokens => numbers,
        Some(other) => return Err(form(TYPES, format!("a list of {tokens} numbers"), other).into()),
        None => return Err(missing(TYPES)),
    };
    let mut special = Vec::with_capacity(tokens);
    for (token, kind) in types.iter().enumerate() {
        special.push(match kind {
            Some(Value::Signed(NORMAL)) => false,
            Some(Value::Signed(CONTROL | USER_DEFINED)) => true,
            Some(Value::Signed(got)) => {
                return Err(unsupported(format!("token {token} of type {got}")))
            }
            other => {
                let got = other.map_or_else(|| "something else".to_owned(), |it| it.to_string());
                let error: GgufError = form(TYPES, "a list of signed numbers", got);
                return Err(error.into());
            }
        });
    }
    Ok(special)
}
