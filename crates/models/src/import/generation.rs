//! `generation_config.json`: how programs that sample from a model do it. Of interest is only where a text
//! ends; what was said of that in the configuration does not count where it is said here.

use serde_json::Value;

use super::{json, ImportError, GENERATION};

/// The tokens that end a text; `None` where the file says nothing of them.
pub(super) fn ends(bytes: &[u8]) -> Result<Option<Vec<u32>>, ImportError> {
    let value = json::parse(GENERATION, bytes)?;
    let Some(entries) = value.as_object() else {
        return Err(ImportError::Json {
            file: GENERATION,
            reason: "expected an object".to_owned(),
        });
    };
    match entries.get("eos_token_id") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => token_list(GENERATION, "eos_token_id", value).map(Some),
    }
}

/// A token, or a list of tokens; one that comes again is left out.
pub(super) fn token_list(
    file: &'static str,
    entry: &str,
    value: &Value,
) -> Result<Vec<u32>, ImportError> {
    let token = |value: &Value| value.as_u64().and_then(|token| u32::try_from(token).ok());
    let tokens: Option<Vec<u32>> = match value {
        Value::Array(list) => list.iter().map(token).collect(),
        single => token(single).map(|token| vec![token]),
    };
    let Some(tokens) = tokens else {
        return Err(ImportError::Json {
            file,
            reason: format!(
                "{entry} is {value}, expected a number of 0 to 2^32 - 1, or a list of such"
            ),
        });
    };
    Ok(once(tokens))
}

/// Each token once, where it comes first.
pub(super) fn once(tokens: impl IntoIterator<Item = u32>) -> Vec<u32> {
    let mut kept = Vec::new();
    for token in tokens {
        if !kept.contains(&token) {
            kept.push(token);
        }
    }
    kept
}
