//! Errors in words.

use std::error::Error as StdError;
use std::io;

use matchmark_files::InputError;

/// The name of the reason for which the system, or our own check of a file, refuses.
#[must_use]
pub fn io_reason(error: &io::Error) -> Option<String> {
    InputError::within(error)
        .and_then(|error| variant_name(error))
        .or_else(|| Some(format!("{:?}", error.kind())))
}

/// The name of an error's variant; where that has nothing but another error in it, the name of that one's.
#[must_use]
pub fn variant_name(error: &dyn std::fmt::Debug) -> Option<String> {
    let text = format!("{error:?}");
    let mut rest = text.as_str();
    let mut name = None;
    loop {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric());
        let word = &rest[..end.unwrap_or(rest.len())];
        if !word.starts_with(|c: char| c.is_ascii_uppercase()) {
            return name;
        }
        name = Some(word.to_owned());
        match rest[word.len()..].strip_prefix('(') {
            Some(inner) => rest = inner,
            None => return name,
        }
    }
}

/// An error and what is behind it, in one line. Where an error's text names its source already, the
/// source is not named again.
#[must_use]
pub fn full_message(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}
