//! The chat template of a folder: `chat_template.jinja`, or `chat_template` in `tokenizer_config.json`.

use serde_json::Value;

use super::folder::Folder;
use super::{json, ImportError, CHAT_TEMPLATE, TOKENIZER_CONFIG};
use crate::ChatTemplate;

/// In a list of templates, the one for plain conversations.
const DEFAULT: &str = "default";

/// The template, where the folder has one. A file of its own counts for more than the other, which has the names
/// of the tokens in any case.
pub(super) fn template(folder: Folder<'_>) -> Result<Option<ChatTemplate>, ImportError> {
    let config = if folder.has(TOKENIZER_CONFIG) {
        json::parse(TOKENIZER_CONFIG, &folder.read(TOKENIZER_CONFIG)?)?
    } else {
        Value::Null
    };
    let source = if folder.has(CHAT_TEMPLATE) {
        let text = String::from_utf8(folder.read(CHAT_TEMPLATE)?);
        Some(text.map_err(|error| ImportError::Json {
            file: CHAT_TEMPLATE,
            reason: error.to_string(),
        })?)
    } else {
        source(config.get("chat_template").unwrap_or(&Value::Null))?
    };
    let Some(source) = source else {
        return Ok(None);
    };
    let [begin, end] = ["bos_token", "eos_token"].map(|entry| name(config.get(entry)));
    Ok(Some(ChatTemplate::new(source, begin, end)?))
}

/// A template, or one of a list with names.
fn source(value: &Value) -> Result<Option<String>, ImportError> {
    match value {
        Value::Null => Ok(None),
        Value::String(source) => Ok(Some(source.clone())),
        Value::Array(list) => {
            let default = |entry: &&Value| entry.get("name") == Some(&Value::from(DEFAULT));
            match list.iter().find(default).map(|entry| entry.get("template")) {
                None => Ok(None),
                Some(Some(Value::String(source))) => Ok(Some(source.clone())),
                Some(_) => Err(refuse()),
            }
        }
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Err(refuse()),
    }
}

fn refuse() -> ImportError {
    ImportError::Json {
        file: TOKENIZER_CONFIG,
        reason: "chat_template is neither a text nor a list of texts with names".to_owned(),
    }
}

/// The name of a token, which stands by itself or in the description of the token.
fn name(value: Option<&Value>) -> Option<String> {
    let value = value?;
    let name = value.as_str().or_else(|| value.get("content")?.as_str());
    name.map(str::to_owned)
}
