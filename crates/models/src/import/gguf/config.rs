//! The configuration, out of the metadata.

use matchmark_quant::CacheCapacity;
use matchmark_tables::activations::Activation;

use super::container::Header;
use super::entries::{missing, unsupported, Entries};
use super::tokenizer::{NamedTokens, NEUTRAL};
use crate::families::{Family, GgufNames};
use crate::import::config::Config;
use crate::import::sizes::Sizes;
use crate::import::ImportError;
use crate::Rope;

const ARCHITECTURE: &str = "general.architecture";
/// What all models say that changes what is computed, each with the one value that is supported.
const ONLY: [(&str, &str); 3] = [
    ("general.quantization_version", "2"),
    ("general.type", "\"model\""),
    ("split.count", "1"),
];

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
        shape: sizes
            .shape(positions)?
            .with_attention_bias(names.attention_bias),
        norm_epsilon: norm_epsilon.ok_or(missing(names.norm_epsilon))?,
        rope: Rope::plain(rope_theta.unwrap_or(names.default_rope_theta)),
        // A file without a head has the embedding in its place.
        tied: !header.tensors.contains_key(names.tensors.head),
        begin,
        ends,
        ignored: entries.finish(names.architecture, |key| {
            names.neutral.contains(&key) || NEUTRAL.contains(&key)
        })?,
    })
}
