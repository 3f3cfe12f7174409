//! `config.json`.

use matchmark_graph::ModelShape;
use matchmark_quant::CacheCapacity;
use matchmark_tables::activations::Activation;
use serde_json::{Map, Value};

use super::generation::token_list;
use super::sizes::Sizes;
use super::{json, ImportError, CONFIG};
use crate::families::{Family, TensorNames};
use crate::{Rope, RopeScaling};

/// Entries that do not change what a model computes when it is run: how it was made and stored, how it was
/// trained, what programs that sample from it do by default, and what a program returns beside logits.
const NEUTRAL: [&str; 52] = [
    "_attn_implementation",
    "_attn_implementation_autoset",
    "_commit_hash",
    "_name_or_path",
    "attention_dropout",
    "bad_words_ids",
    "begin_suppress_tokens",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "id2label",
    "initializer_range",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unsloth_version",
    "use_cache",
];

/// Entries that every family has from the library, and that change what is computed, each with the one value
/// that is supported, as JSON. `null` and an absent entry are supported too.
const ONLY: [(&str, &str); 9] = [
    ("add_cross_attention", "false"),
    ("chunk_size_feed_forward", "0"),
    ("cross_attention_hidden_size", "null"),
    ("is_decoder", "false"),
    ("is_encoder_decoder", "false"),
    ("pruned_heads", "{}"),
    ("quantization_config", "null"),
    ("tie_encoder_decoder", "false"),
    ("use_bfloat16", "false"),
];

/// What a configuration says.
#[derive(Debug)]
pub(super) struct Config {
    /// Names of the tensors.
    pub(super) tensors: &'static TensorNames,
    pub(super) activation: Activation,
    pub(super) shape: ModelShape,
    pub(super) norm_epsilon: f64,
    pub(super) rope: Rope,
    /// Whether the output head is the embedding.
    pub(super) tied: bool,
    pub(super) begin: Option<u32>,
    pub(super) ends: Vec<u32>,
    /// Entries that were passed over, in alphabetical order.
    pub(super) ignored: Vec<String>,
}

impl Config {
    /// Reads the configuration of a model of one of these families, for so many positions where that is said.
    pub(super) fn parse(
        families: &[&'static Family],
        bytes: &[u8],
        positions: Option<CacheCapacity>,
    ) -> Result<Self, ImportError> {
        let Value::Object(entries) = json::parse(CONFIG, bytes)? else {
            return Err(ImportError::Json {
                file: CONFIG,
                reason: "expected an object".to_owned(),
            });
        };
        let mut entries = Entries(entries);
        let family = entries.family(families)?;
        let names = &family.entries;
        let activation = entries.activation(names.activation)?;
        entries.refuse_what_is_not_supported(family)?;
        let heads = entries.size(names.query_heads)?;
        let hidden = entries.size(names.hidden)?;
        let kv_heads = entries.optional_size(names.kv_heads)?;
        let head_dim = entries.optional_size(names.head_dim)?;
        let head_dim = match head_dim {
            Some(dim) => dim,
            None if heads > 0 && hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(ImportError::MissingEntry {
                    file: CONFIG,
                    entry: names.head_dim,
                })
            }
        };
        let sizes = Sizes {
            layers: entries.size(names.layers)?,
            hidden,
            heads,
            kv_heads,
            head_dim,
            mlp: entries.size(names.mlp)?,
            vocabulary: entries.size(names.vocabulary)?,
            positions: entries.size(names.positions)?,
        };
        let shape = sizes.shape(positions)?;
        let shape = shape.with_attention_bias(family.attention_bias);
        Ok(Self {
            tensors: &family.tensors,
            activation,
            shape,
            norm_epsilon: entries.positive(names.norm_epsilon)?,
            rope: entries.rope(family.rope_theta)?,
            tied: entries.flag("tie_word_embeddings")?,
            begin: entries.optional_size("bos_token_id")?,
            ends: entries.tokens("eos_token_id")?,
            ignored: entries.finish(family)?,
        })
    }
}

/// The entries that were not taken yet.
struct Entries(Map<String, Value>);

impl Entries {
    /// The family of the one architecture that is named.
    fn family(&mut self, families: &[&'static Family]) -> Result<&'static Family, ImportError> {
        let architectures = self.0.remove("architectures");
        let mut families = families.iter();
        let named = |family: &Family| {
            architectures.as_ref() == Some(&Value::from(vec![family.architecture]))
        };
        let Some(family) = families.find(|family| named(family)) else {
            return Err(unsupported("architectures", architectures.as_ref()));
        };
        match self.0.remove("model_type") {
            Some(value) if value != family.model_type => {
                Err(unsupported("model_type", Some(&value)))
            }
            None | Some(_) => Ok(family),
        }
    }

    /// The activation, which has to be named.
    fn activation(&mut self, entry: &str) -> Result<Activation, ImportError> {
        let value = self.0.remove(entry);
        let name = value.as_ref().and_then(Value::as_str);
        name.and_then(Activation::by_name)
            .ok_or_else(|| unsupported(entry, value.as_ref()))
    }

    /// What the family computes only in some of its models, and what is computed in none of ours.
    fn refuse_what_is_not_supported(&mut self, family: &Family) -> Result<(), ImportError> {
        for &entry in family.required {
            if !self.0.contains_key(entry) {
                return Err(ImportError::MissingEntry {
                    file: CONFIG,
                    entry,
                });
            }
        }
        self.take_layer_types();
        for (entry, supported) in family.only.iter().chain(&ONLY) {
            let value = self.0.remove(*entry).unwrap_or_default();
            let text = value.to_string();
            if !value.is_null() && text != *supported {
                return Err(unsupported(entry, Some(&value)));
            }
        }
        Ok(())
    }

    /// A list of what the attention of each layer sees says nothing where all of them see everything.
    fn take_layer_types(&mut self) {
        let all_full = |types: &Vec<Value>| types.iter().all(|it| it == "full_attention");
        let types = self.0.get("layer_types").and_then(Value::as_array);
        if types.is_some_and(all_full) {
            self.0.remove("layer_types");
        }
    }

    fn take(&mut self, entry: &'static str) -> Result<Value, ImportError> {
        self.0.remove(entry).ok_or(ImportError::MissingEntry {
            file: CONFIG,
            entry,
        })
    }

    fn size(&mut self, entry: &'static str) -> Result<u32, ImportError> {
        to_size(entry, &self.take(entry)?)
    }

    fn optional_size(&mut self, entry: &'static str) -> Result<Option<u32>, ImportError> {
        match self.0.remove(entry) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => to_size(entry, &value).map(Some),
        }
    }

    /// A token or a list of tokens, or none.
    fn tokens(&mut self, entry: &'static str) -> Result<Vec<u32>, ImportError> {
        match self.0.remove(entry) {
            None | Some(Value::Null) => Ok(vec![]),
            Some(value) => token_list(CONFIG, entry, &value),
        }
    }

    fn positive(&mut self, entry: &'static str) -> Result<f64, ImportError> {
        to_positive(entry, &self.take(entry)?)
    }

    fn flag(&mut self, entry: &'static str) -> Result<bool, ImportError> {
        match self.0.remove(entry) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(wrong_form(entry, "true or false", &other)),
        }
    }

    /// The rotary embedding. Its base stands by itself, or among the rotary parameters of later versions of the
    /// format, or as both; and so does its scaling.
    fn rope(&mut self, default_base: f64) -> Result<Rope, ImportError> {
        let mut base = self.0.remove("rope_theta");
        let mut scaling = RopeScaling::None;
        for entry in ["rope_scaling", "rope_parameters"] {
            let mut parameters = match self.0.remove(entry) {
                None | Some(Value::Null) => continue,
                Some(Value::Object(parameters)) => parameters,
                Some(other) => return Err(wrong_form(entry, "an object", &other)),
            };
            if let Some(value) = parameters.remove("rope_theta") {
                if base.as_ref().is_some_and(|base| *base != value) {
                    return Err(unsupported(&format!("{entry}.rope_theta"), Some(&value)));
                }
                base = Some(value);
            }
            let found = Self::rope_scaling(entry, parameters)?;
            if scaling == RopeScaling::None {
                scaling = found;
            } else if found != RopeScaling::None && found != scaling {
                let feature = format!("{entry} that is not rope_scaling");
                return Err(ImportError::Unsupported {
                    file: CONFIG,
                    feature,
                });
            }
        }
        let base = base.map(|value| to_positive("rope_theta", &value));
        Ok(Rope {
            base: base.transpose()?.unwrap_or(default_base),
            scaling,
        })
    }

    /// A scaling, all of whose parameters are known.
    fn rope_scaling(
        entry: &'static str,
        mut parameters: Map<String, Value>,
    ) -> Result<RopeScaling, ImportError> {
        // Older versions of the format call it `type`.
        let kinds = ["rope_type", "type"].map(|name| parameters.remove(name));
        let [kind, older] = &kinds;
        if let (Some(kind), Some(older)) = (kind, older) {
            if kind != older {
                return Err(unsupported(&format!("{entry}.type"), Some(older)));
            }
        }
        let kind = kind.as_ref().or(older.as_ref());
        let mut number = |name: &'static str| -> Result<f64, ImportError> {
            let value = parameters.remove(name);
            let value = value.ok_or(ImportError::MissingEntry {
                file: CONFIG,
                entry: name,
            })?;
            to_positive(name, &value)
        };
        let scaling = match kind.and_then(Value::as_str) {
            None if kind.is_none() => RopeScaling::None,
            Some("default") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear {
                factor: number("factor")?,
            },
            Some("llama3") => RopeScaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                context: number("original_max_position_embeddings")?,
            },
            None | Some(_) => return Err(unsupported(&format!("{entry}.rope_type"), kind)),
        };
        let is_ordered = match scaling {
            RopeScaling::None => true,
            RopeScaling::Linear { factor } => factor >= 1.0,
            RopeScaling::Llama3 {
                factor, low, high, ..
            } => factor >= 1.0 && low < high,
        };
        if !is_ordered {
            let feature = format!("{entry} with a factor below 1, or factors out of order,");
            return Err(ImportError::Unsupported {
                file: CONFIG,
                feature,
            });
        }
        match parameters.into_iter().next() {
            None => Ok(scaling),
            Some((key, value)) => Err(unsupported(&format!("{entry}.{key}"), Some(&value))),
        }
    }

    /// The entries that were passed over; refuses those of which nothing is known.
    fn finish(self, family: &Family) -> Result<Vec<String>, ImportError> {
        let neutral = |entry: &str| NEUTRAL.contains(&entry) || family.neutral.contains(&entry);
        let left: Vec<String> = self.0.into_iter().map(|(entry, _)| entry).collect();
        let mut unknown = left.iter();
        match unknown.find(|entry| !neutral(entry.as_str())) {
            None => Ok(left),
            Some(entry) => Err(ImportError::UnknownEntry {
                file: CONFIG,
                entry: entry.clone(),
            }),
        }
    }
}

fn unsupported(entry: &str, value: Option<&Value>) -> ImportError {
    let feature = match value {
        Some(value) => format!("{entry} = {value}"),
        None => format!("a model without {entry}"),
    };
    ImportError::Unsupported {
        file: CONFIG,
        feature,
    }
}

fn wrong_form(entry: &str, expected: &str, got: &Value) -> ImportError {
    ImportError::Json {
        file: CONFIG,
        reason: format!("{entry} is {got}, expected {expected}"),
    }
}

fn to_size(entry: &str, value: &Value) -> Result<u32, ImportError> {
    value
        .as_u64()
        .and_then(|size| u32::try_from(size).ok())
        .ok_or_else(|| wrong_form(entry, "a number of 0 to 2^32 - 1", value))
}

fn to_positive(entry: &str, value: &Value) -> Result<f64, ImportError> {
    match value.as_f64() {
        Some(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err(wrong_form(entry, "a finite number above zero", value)),
    }
}
