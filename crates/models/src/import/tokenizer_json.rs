//! `tokenizer.json`: byte-level byte-pair encodings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{json, ImportError, TOKENIZER};
use crate::{ChatTemplate, Tokenizer, TokenizerParts, Words};

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
    /// Only a decoder that leaves out special tokens asks for it. All added tokens are found in a text before it is
    /// cut, and here all of them are special.
    #[serde(rename = "special")]
    _special: bool,
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
    let Features { begin, words, nfc } = check_features(&file)?;
    let (pieces, special) = pieces(&file)?;
    let ids = &file.model.vocab;
    let mut merges = Vec::with_capacity(file.model.merges.len());
    for (index, merge) in file.model.merges.iter().enumerate() {
        let pair = match merge {
            Merge::Text(text) => text.split_once(' '),
            Merge::Pair([left, right]) => Some((left.as_str(), right.as_str())),
        };
        merges.push(merge_of(TOKENIZER, index, pair, |word| {
            ids.get(word).copied()
        })?);
    }
    Ok(Tokenizer::new(TokenizerParts {
        pieces,
        special,
        merges,
        words,
        ignore_merges: file.model.ignore_merges,
        nfc,
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

/// In what byte-level byte-pair encodings differ.
struct Features {
    /// The token that begins a text.
    begin: Option<u32>,
    words: Words,
    nfc: bool,
}

/// Refuses everything but a byte-level byte-pair encoding.
fn check_features(file: &File) -> Result<Features, ImportError> {
    if file.version != "1.0" {
        return Err(unsupported(format!("version {:?}", file.version)));
    }
    for (name, value) in [("truncation", &file.truncation), ("padding", &file.padding)] {
        if !value.is_null() {
            return Err(unsupported(format!("{name} = {value}")));
        }
    }
    let nfc = file.normalizer == serde_json::json!({ "type": "NFC" });
    if !(nfc || file.normalizer.is_null()) {
        return Err(unsupported(format!("normalizer = {}", file.normalizer)));
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
    ] {
        if flag {
            return Err(unsupported(format!("{name} = true")));
        }
    }
    let words = words(&file.pre_tokenizer)?;
    check_byte_level(DECODER, &file.decoder, true)?;
    Ok(Features {
        begin: begin_token(&file.post_processor)?,
        words,
        nfc,
    })
}

const PRE_TOKENIZER: &str = "pre_tokenizer";
const DECODER: &str = "decoder";

/// Byte level by itself, after every digit was made a word, or after one of the known patterns.
fn words(value: &Value) -> Result<Words, ImportError> {
    if value.get("type") != Some(&Value::from("Sequence")) {
        return check_byte_level(PRE_TOKENIZER, value, true).map(|()| Words::Gpt2);
    }
    let steps = value.get("pretokenizers").and_then(Value::as_array);
    let steps = steps.filter(|_| value.as_object().map(Map::len) == Some(2));
    match steps.map(Vec::as_slice) {
        Some([level]) => check_byte_level(PRE_TOKENIZER, level, true).map(|()| Words::Gpt2),
        Some([first, level]) => {
            let known = Words::ALL.into_iter();
            let known = known.filter_map(|words| Some((words, step_of(words)?)));
            let mut same = known.filter(|(_, step)| step == first);
            let Some((words, _)) = same.next() else {
                return Err(unsupported(format!("{PRE_TOKENIZER} = {value}")));
            };
            // A pattern of the file is in the place of the level's own.
            check_byte_level(PRE_TOKENIZER, level, words.pattern().is_none())?;
            Ok(words)
        }
        _ => Err(unsupported(format!("{PRE_TOKENIZER} = {value}"))),
    }
}

/// The step before the byte level that says which words these are; GPT-2's need none.
fn step_of(words: Words) -> Option<Value> {
    if words == Words::Gpt2Digits {
        return Some(serde_json::json!({ "type": "Digits", "individual_digits": true }));
    }
    let pattern = words.pattern()?;
    Some(serde_json::json!({
        "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false,
    }))
}

/// Byte level, cut into words by the pattern of GPT-2 or not, without a space put before the text.
fn check_byte_level(name: &str, value: &Value, pattern: bool) -> Result<(), ImportError> {
    let refused = || Err(unsupported(format!("{name} = {value}")));
    let Some(fields) = value.as_object() else {
        return refused();
    };
    for (key, field) in fields {
        let fits = match key.as_str() {
            "type" => field == "ByteLevel",
            // What a decoder says of these has no effect.
            "add_prefix_space" => name == DECODER || field == false,
            "use_regex" => name == DECODER || *field == pattern,
            "trim_offsets" => true,
            _ => false,
        };
        if !fits {
            return refused();
        }
    }
    // A pre-tokenizer without the first would put a space before the text, and without the second have GPT-2's.
    let complete = fields.contains_key("type")
        && (name == DECODER
            || fields.contains_key("add_prefix_space")
                && (pattern || fields.contains_key("use_regex")));
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
    let is = |value: &Value, name: &str| value.get("type").and_then(Value::as_str) == Some(name);
    // It only moves offsets.
    if is(post_processor, "ByteLevel") {
        return Ok(None);
    }
    if is(post_processor, "Sequence") {
        let steps = post_processor.get("processors").and_then(Value::as_array);
        return match steps.map(Vec::as_slice) {
            Some([level, template])
                if is(level, "ByteLevel") && is(template, "TemplateProcessing") =>
            {
                begin_token(template)
            }
            _ => Err(refused()),
        };
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
            _special,
        } = token;
        if *single_word || *lstrip || *rstrip || *normalized {
            return Err(unsupported(format!(
                "an added token {content:?} that takes more, or is found elsewhere, than its own text"
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
