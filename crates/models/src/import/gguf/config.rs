//! The configuration, out of the metadata.

use std::collections::BTreeMap;

use matchmark_quant::CacheCapacity;
use matchmark_tables::activations::Activation;

use super::container::Header;
use super::value::{form, Value};
use super::GgufError;
use crate::families::{Family, GgufNames};
use crate::import::config::Config;
use crate::import::sizes::Sizes;
use crate::import::{ImportError, GGUF};

const ARCHITECTURE: &str = "general.architecture";
/// What all models say that changes what is computed, each with the one value that is supported.
const ONLY: [(&str, &str); 3] = [
    ("general.quantization_version", "2"),
    ("general.type", "\"model\""),
    ("split.count", "1"),
];

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
    fn positive(&mut self, key: &str) -> Result<Option<f64>, ImportError> {
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

    pub(super) fn flag(&mut self, key: &str) -> Result<bool, ImportError> {
        match self.take(key) {
            None => Ok(false),
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
    fn finish(self, names: &GgufNames) -> Result<Vec<String>, ImportError> {
        let mut left = self.0.into_keys();
        let known =
            |key: &&str| names.neutral.contains(key) || super::tokenizer::NEUTRAL.contains(key);
        let counts = |key: &&str| {
            let of = key.split_once('.').map(|(of, _)| of);
            (of == Some(names.architecture) || of == Some("tokenizer")) && !known(key)
        };
        let mut ignored = Vec::new();
        match left.find(|key| {
            let found = counts(key);
            if !found {
                ignored.push((*key).to_owned());
            }
            found
        }) {
            None => Ok(ignored),
            Some(entry) => Err(ImportError::UnknownEntry {
                file: GGUF,
                entry: entry.to_owned(),
            }),
        }
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

/// The names of the one family that a file says it is of.
pub(super) fn family(
    families: &[&'static Family],
    entries: &mut Entries<'_>,
) -> Result<&'static GgufNames, ImportError> {
    let got = entries.text(ARCHITECTURE)?.ok_or(missing(ARCHITECTURE))?;
    let mut names = families.iter().filter_map(|family| family.gguf.as_ref());
    names
        .find(|names| names.architecture == got)
        .ok_or_else(|| unsupported(format!("{ARCHITECTURE} = {got:?}")))
}

/// Tokens that a file names for the tokenizer.
#[derive(Clone, Debug, Default)]
pub(super) struct NamedTokens {
    pub(super) begin: Option<u32>,
    pub(super) ends: Vec<u32>,
}

/// Reads what is left when the tokenizer has taken its keys.
pub(super) fn config(
    names: &'static GgufNames,
    header: &Header<'_>,
    mut entries: Entries<'_>,
    tokens: (usize, NamedTokens),
    positions: Option<CacheCapacity>,
) -> Result<Config, ImportError> {
    for (key, supported) in names.only.iter().chain(&ONLY) {
        entries.only(key, supported)?;
    }
    let (tokens, NamedTokens { begin, ends }) = tokens;
    let hidden = entries.size(names.hidden)?;
    let heads = entries.size(names.query_heads)?;
    let head_dim = match entries.optional_size(names.key_length)? {
        Some(dim) => dim,
        None if heads > 0 && hidden.is_multiple_of(heads) => hidden / heads,
        None => return Err(missing(names.key_length)),
    };
    for key in [names.value_length, names.rotary_dimensions] {
        match entries.optional_size(key)? {
            Some(got) if got != head_dim => {
                return Err(unsupported(format!(
                    "{key} = {got} with heads of dimension {head_dim}"
                )));
            }
            None | Some(_) => {}
        }
    }
    let vocabulary = match entries.optional_size(names.vocabulary)? {
        Some(vocabulary) => vocabulary,
        None => u32::try_from(tokens).unwrap_or(u32::MAX),
    };
    let sizes = Sizes {
        layers: entries.size(names.layers)?,
        hidden,
        heads,
        kv_heads: entries.optional_size(names.kv_heads)?,
        head_dim,
        mlp: entries.size(names.mlp)?,
        vocabulary,
        positions: entries.size(names.positions)?,
    };
    let activation = Activation::by_name(names.activation)
        .ok_or_else(|| unsupported(names.activation.to_owned()))?;
    let norm_epsilon = entries.positive(names.norm_epsilon)?;
    let rope_theta = entries.positive(names.rope_theta)?;
    Ok(Config {
        tensors: &names.tensors,
        activation,
        shape: sizes.shape(positions)?,
        norm_epsilon: norm_epsilon.ok_or(missing(names.norm_epsilon))?,
        rope_theta: rope_theta.unwrap_or(names.default_rope_theta),
        // A file without a head has the embedding in its place.
        tied: !header.tensors.contains_key(names.tensors.head),
        begin,
        ends,
        ignored: entries.finish(names)?,
    })
}

impl From<GgufError> for ImportError {
    fn from(error: GgufError) -> Self {
        Self::Gguf(error)
    }
}
