//! The metadata, entry by entry.

use std::collections::BTreeMap;

use super::container::Header;
use super::value::{form, Value};
use crate::import::{ImportError, GGUF};

/// The metadata that was not taken yet.
pub(super) struct Entries<'a>(BTreeMap<&'a str, Value<'a>>);

impl<'a> Entries<'a> {
    pub(super) fn new(header: &Header<'a>) -> Self {
        Self(header.metadata.clone())
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Value<'a>> {
        self.0.remove(key)
    }

    pub(super) fn size(&mut self, key: &'static str) -> Result<u32, ImportError> {
        self.optional_size(key)?.ok_or(missing(key))
    }

    pub(super) fn optional_size(&mut self, key: &str) -> Result<Option<u32>, ImportError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::Unsigned(number) => Some(number),
            Value::Signed(number) => u64::try_from(number).ok(),
            Value::Float(_)
            | Value::Double(_)
            | Value::Flag(_)
            | Value::Text(_)
            | Value::Texts(_)
            | Value::Numbers(_) => None,
        };
        let size = number.and_then(|number| u32::try_from(number).ok());
        let size = size.ok_or_else(|| form(key, "a number of 0 to 2^32 - 1", value))?;
        Ok(Some(size))
    }

    /// A number that is written with 32 bits is taken for the shortest decimal that is written so: 1e-5 and not
    /// 9.999999747378752e-6.
    pub(super) fn positive(&mut self, key: &str) -> Result<Option<f64>, ImportError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let number = match value {
            Value::Float(number) => number.to_string().parse().ok(),
            Value::Double(number) => Some(number),
            Value::Unsigned(_)
            | Value::Signed(_)
            | Value::Flag(_)
            | Value::Text(_)
            | Value::Texts(_)
            | Value::Numbers(_) => None,
        };
        match number {
            Some(number) if number.is_finite() && number > 0.0 => Ok(Some(number)),
            _ => Err(form(key, "a finite number above zero", value).into()),
        }
    }

    pub(super) fn flag_or(&mut self, key: &str, default: bool) -> Result<bool, ImportError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Flag(flag)) => Ok(flag),
            Some(other) => Err(form(key, "true or false", other).into()),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<&'a str>, ImportError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(form(key, "a text", other).into()),
        }
    }

    /// What must have one value, or not be there.
    pub(super) fn only(&mut self, key: &str, supported: &str) -> Result<(), ImportError> {
        match self.take(key) {
            Some(value) if value.to_string() != supported => {
                Err(unsupported(format!("{key} = {value}")))
            }
            None | Some(_) => Ok(()),
        }
    }

    /// Keys that were passed over. What llama.cpp computes follows from keys that begin with the architecture,
    /// `general.`, `tokenizer.` or `split.`: of the first and the third those that are not known are refused.
    pub(super) fn finish(
        self,
        architecture: &str,
        is_neutral: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, ImportError> {
        let mut ignored = Vec::new();
        for key in self.0.into_keys() {
            let of = key.split_once('.').map(|(of, _)| of);
            let counts = of == Some(architecture) || of == Some("tokenizer");
            if counts && !is_neutral(key) {
                return Err(ImportError::UnknownEntry {
                    file: GGUF,
                    entry: key.to_owned(),
                });
            }
            ignored.push(key.to_owned());
        }
        Ok(ignored)
    }
}

pub(super) fn missing(entry: &'static str) -> ImportError {
    ImportError::MissingEntry { file: GGUF, entry }
}

pub(super) fn unsupported(feature: impl Into<String>) -> ImportError {
    ImportError::Unsupported {
        file: GGUF,
        feature: feature.into(),
    }
}
