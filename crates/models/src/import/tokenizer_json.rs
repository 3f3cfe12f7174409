//! `tokenizer.json`: byte-level byte-pair encodings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{json, ImportError, TOKENIZER};
use crate::{ChatTemplate, Tokenizer, TokenizerParts};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    truncation: Value,
    padding: Value,
    added_tokens: Vec<AddedToken>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    decoder: Value,
    model: Model,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddedToken {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    r#type: String,
    #[serde(default)]
    dropout: Value,
    #[serde(default)]
    unk_token: Value,
    #[serde(default)]
    continuing_subword_prefix: Value,
    #[serde(default)]
    end_of_word_suffix: Value,
    #[serde(default)]
    fuse_unk: bool,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
}

/// Older files write a merge as two words in one text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Text(String),
    Pair([String; 2]),
}

/// Reads a tokenizer. Of the tokens that end a text, and of a chat template, the file does not speak.
pub(super) fn parse(
    bytes: &[u8],
    ends: Vec<u32>,
    chat: Option<ChatTemplate>,
) -> Result<Tokenizer, ImportError> {
    let value = json::parse(TOKENIZER, bytes)?;
    let file: File = serde_json::from_value(value).map_err(|error| refuse(error.to_string()))?;
    let (begin, individual_digits) = check_features(&file)?;
    let (pieces, special) = pieces(&file)?;
    let ids = &file.model.vocab;
    let mut merges = Vec::with_capacity(file.model.merges.len());
    for (index, merge) in file.model.merges.iter().enumerate() {
        let words = match merge {
            Merge::Text(text) => text.split_once(' '),
            Merge::Pair([left, right]) => Some((left.as_str(), right.as_str())),
        };
        merges.push(merge_of(TOKENIZER, index, words, |word| {
            ids.get(word).copied()
        })?);
    }
    Ok(Tokenizer::new(TokenizerParts {
        pieces,
        special,
        merges,
        individual_digits,
        begin,
        ends,
        chat,
    })?)
}

/// The merge of two tokens by their texts, out of a file.
pub(super) fn merge_of(
    file: &'static str,
    index: usize,
    words: Option<(&str, &str)>,
    id: impl Fn(&str) -> Option<u32>,
) -> Result<[u32; 2], ImportError> {
    let pair = words.and_then(|(left, right)| Some([id(left)?, id(right)?]));
    pair.ok_or_else(|| ImportError::Json {
        file,
        reason: format!("merge {index} is not of two known tokens"),
    })
}

fn refuse(reason: String) -> ImportError {
    ImportError::Json {
        file: TOKENIZER,
        reason,
    }
}

fn unsupported(feature: impl Into<String>) -> ImportError {
    ImportError::Unsupported {
        file: TOKENIZER,
        feature: feature.into(),
    }
}

/// Refuses everything but a byte-level byte-pair encoding; returns the token that begins a text, and
/// whether every digit is a word by itself.
fn check_features(file: &File) -> Result<(Option<u32>, bool), ImportError> {
    if file.version != "1.0" {
        return Err(unsupported(format!("version {:?}", file.version)));
    }
    for (name, value) in [
        ("truncation", &file.truncation),
        ("padding", &file.padding),
        ("normalizer", &file.normalizer),
    ] {
        if !value.is_null() {
            return Err(unsupported(format!("{name} = {value}")));
        }
    }
    let model = &file.model;
    if model.r#type != "BPE" {
        return Err(unsupported(format!("model {:?}", model.r#type)));
    }
    for (name, value) in [
        ("dropout", &model.dropout),
        ("unk_token", &model.unk_token),
        (
            "continuing_subword_prefix",
            &model.continuing_subword_prefix,
        ),
        ("end_of_word_suffix", &model.end_of_word_suffix),
    ] {
        if !(value.is_null() || value == "") {
            return Err(unsupported(format!("{name} = {value}")));
        }
    }
    for (name, flag) in [
        ("fuse_unk", model.fuse_unk),
        ("byte_fallback", model.byte_fallback),
        ("ignore_merges", model.ignore_merges),
    ] {
        if flag {
            return Err(unsupported(format!("{name} = true")));
        }
    }
    let individual_digits = check_pre_tokenizer(&file.pre_tokenizer)?;
    check_byte_level("decoder", &file.decoder)?;
    Ok((begin_token(&file.post_processor)?, individual_digits))
}

/// Byte level by itself, or after every digit was made a word; returns whether it was.
fn check_pre_tokenizer(value: &Value) -> Result<bool, ImportError> {
    const NAME: &str = "pre_tokenizer";
    if value.get("type") != Some(&Value::from("Sequence")) {
        return check_byte_level(NAME, value).map(|()| false);
    }
    let steps = value.get("pretokenizers").and_then(Value::as_array);
    let digits = serde_json::json!({ "type": "Digits", "individual_digits": true });
    match (value.as_object().map(Map::len), steps.map(Vec::as_slice)) {
        (Some(2), Some([level])) => check_byte_level(NAME, level).map(|()| false),
        (Some(2), Some([first, level])) if *first == digits => {
            check_byte_level(NAME, level).map(|()| true)
        }
        _ => Err(unsupported(format!("{NAME} = {value}"))),
    }
}

/// Byte level, cut into words by the pattern of GPT-2, without a space put before the text.
fn check_byte_level(name: &str, value: &Value) -> Result<(), ImportError> {
    let refused = || Err(unsupported(format!("{name} = {value}")));
    let Some(fields) = value.as_object() else {
        return refused();
    };
    for (key, field) in fields {
        let fits = match key.as_str() {
            "type" => field == "ByteLevel",
            // What a decoder says of these has no effect.
            "add_prefix_space" => name == "decoder" || field == false,
            "use_regex" => name == "decoder" || field == true,
            "trim_offsets" => true,
            _ => false,
        };
        if !fits {
            return refused();
        }
    }
    // A pre-tokenizer without the first would put a space before the text.
    let complete = fields.contains_key("type")
        && (name == "decoder" || fields.contains_key("add_prefix_space"));
    if complete {
        Ok(())
    } else {
        refused()
    }
}

/// The token before a text: nothing, or one special token by a template.
fn begin_token(post_processor: &Value) -> Result<Option<u32>, ImportError> {
    if post_processor.is_null() {
        return Ok(None);
    }
    let refused = || unsupported(format!("post_processor = {post_processor}"));
    if post_processor.get("type").and_then(Value::as_str) == Some("ByteLevel") {
        // It only moves offsets.
        return Ok(None);
    }
    if post_processor.get("type").and_then(Value::as_str) != Some("TemplateProcessing") {
        return Err(refused());
    }
    let single = post_processor.get("single").and_then(Value::as_array);
    let name = match single.map(Vec::as_slice) {
        Some([text]) if is_text(text) => return Ok(None),
        Some([first, text]) if is_text(text) => first
            .get("SpecialToken")
            .and_then(|token| token.get("id"))
            .and_then(Value::as_str),
        _ => None,
    };
    let ids = name.and_then(|name| {
        let tokens = post_processor.get("special_tokens")?;
        tokens.get(name)?.get("ids")?.as_array()
    });
    match ids.map(Vec::as_slice) {
        Some([id]) => id
            .as_u64()
            .and_then(|id| u32::try_from(id).ok())
            .map(Some)
            .ok_or_else(refused),
        _ => Err(refused()),
    }
}

fn is_text(part: &Value) -> bool {
    part.get("Sequence").and_then(|text| text.get("id")) == Some(&Value::from("A"))
}

/// The bytes of every token, and which are special.
fn pieces(file: &File) -> Result<(Vec<Vec<u8>>, Vec<bool>), ImportError> {
    let mut added = BTreeMap::new();
    for token in &file.added_tokens {
        let AddedToken {
            id,
            content,
            single_word,
            lstrip,
            rstrip,
            normalized,
            special,
        } = token;
        if *single_word || *lstrip || *rstrip || *normalized || !special {
            return Err(unsupported(format!(
                "an added token {content:?} that is not plainly special"
            )));
        }
        if added.insert(*id, content).is_some() {
            return Err(refuse(format!(
                "added token {id} appears twice, expected it once"
            )));
        }
    }
    let mut all: BTreeMap<u32, (Vec<u8>, bool)> = BTreeMap::new();
    for (text, &id) in &file.model.vocab {
        let piece = match added.get(&id) {
            Some(content) if *content == text => (text.as_bytes().to_vec(), true),
            Some(content) => {
                return Err(refuse(format!("token {id} is {text:?} and {content:?}")));
            }
            None => (bytes_of(TOKENIZER, text)?, false),
        };
        if all.insert(id, piece).is_some() {
            return Err(refuse(format!(
                "token {id} appears twice, expected it once"
            )));
        }
    }
    for (id, content) in added {
        all.entry(id)
            .or_insert_with(|| (content.as_bytes().to_vec(), true));
    }
    let tokens = all.len();
    let gap = all
        .keys()
        .enumerate()
        .find(|(token, id)| *token != **id as usize);
    if let Some((token, _)) = gap {
        return Err(ImportError::VocabularyGap { token, tokens });
    }
    Ok(all.into_values().unzip())
}

/// The bytes that a token's text in a file stands for: every byte is written as a character, printable ones of
/// Latin-1 as themselves and the others as characters from U+0100 on, in order.
pub(super) fn bytes_of(file: &'static str, text: &str) -> Result<Vec<u8>, ImportError> {
    let refuse = || ImportError::Json {
        file,
        reason: format!("token {text:?} stands for no bytes"),
    };
    text.chars()
        .map(|c| byte_of(c).ok_or_else(refuse))
        .collect()
}

fn byte_of(c: char) -> Option<u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(c) {
        code @ 0..=0xff => u8::try_from(code).ok().filter(printable),
        code => {
            let index = usize::try_from(code - 0x100).ok()?;
            (0..=u8::MAX).filter(|byte| !printable(byte)).nth(index)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let mut bytes: Vec<u8> = (0..0x200)
            .filter_map(|code| byte_of(char::from_u32(code).unwrap()))
            .collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(
            (byte_of('Ġ'), byte_of('Ċ'), byte_of('a')),
            (Some(b' '), Some(b'\n'), Some(b'a'))
        );
        assert_eq!(
            (byte_of(' '), byte_of('\u{ad}'), byte_of('€')),
            (None, None, None)
        );
        assert_eq!(byte_of('\u{143}'), Some(0xad));
    }
}
