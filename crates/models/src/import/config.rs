//! `config.json`.

use matchmark_quant::{
    AttentionShape, CacheCapacity, HeadDim, HiddenSize, KvHeads, Layers, MlpSize, ModelShape,
    QueryHeads, VocabularySize,
};
use serde_json::{Map, Value};

use super::{json, ImportError, CONFIG};

/// Entries that do not change what a model computes when it is run: how it was made and stored, how it was
/// trained, what programs that sample from it do by default, and what a program returns beside logits.
const NEUTRAL: [&str; 54] = [
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
    "is_llama_config",
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
    "pretraining_tp",
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

/// What a configuration says.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) shape: ModelShape,
    pub(super) norm_epsilon: f64,
    pub(super) rope_theta: f64,
    /// Whether the output head is the embedding.
    pub(super) tied: bool,
    pub(super) begin: Option<u32>,
    pub(super) end: Option<u32>,
    /// Entries that were passed over, in alphabetical order.
    pub(super) ignored: Vec<String>,
}

impl Config {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ImportError> {
        let Value::Object(entries) = json::parse(CONFIG, bytes)? else {
            return Err(ImportError::Json {
                file: CONFIG,
                reason: "expected an object".to_owned(),
            });
        };
        let mut entries = Entries(entries);
        entries.refuse_other_models()?;
        let heads = entries.size("num_attention_heads")?;
        let hidden = entries.size("hidden_size")?;
        let kv_heads = entries.optional_size("num_key_value_heads")?;
        let head_dim = entries.optional_size("head_dim")?;
        let head_dim = match head_dim {
            Some(dim) => dim,
            None if heads > 0 && hidden.is_multiple_of(heads) => hidden / heads,
            None => {
                return Err(ImportError::MissingEntry {
                    file: CONFIG,
                    entry: "head_dim",
                })
            }
        };
        let attention = AttentionShape::new(
            QueryHeads::new(heads)?,
            KvHeads::new(kv_heads.unwrap_or(heads))?,
            HeadDim::new(head_dim)?,
        )?;
        let shape = ModelShape::new(
            Layers::new(entries.size("num_hidden_layers")?)?,
            HiddenSize::new(hidden)?,
            attention,
            MlpSize::new(entries.size("intermediate_size")?)?,
            VocabularySize::new(entries.size("vocab_size")?)?,
            CacheCapacity::new(entries.size("max_position_embeddings")?)?,
        )?;
        Ok(Self {
            shape,
            norm_epsilon: entries.positive("rms_norm_eps")?,
            rope_theta: entries.rope_theta()?,
            tied: entries.flag("tie_word_embeddings")?,
            begin: entries.optional_size("bos_token_id")?,
            end: entries.optional_size("eos_token_id")?,
            ignored: entries.finish()?,
        })
    }
}

/// The entries that were not taken yet.
struct Entries(Map<String, Value>);

impl Entries {
    /// Another architecture, activation, norm or rotary embedding, biases and quantized weights.
    fn refuse_other_models(&mut self) -> Result<(), ImportError> {
        let architectures = self.0.remove("architectures");
        if architectures != Some(Value::from(vec!["LlamaForCausalLM"])) {
            return Err(unsupported("architectures", architectures.as_ref()));
        }
        for (entry, supported) in [
            ("model_type", Value::from("llama")),
            ("hidden_act", Value::from("silu")),
        ] {
            match self.0.remove(entry) {
                Some(value) if value == supported => {}
                None if entry == "model_type" => {}
                other => return Err(unsupported(entry, other.as_ref())),
            }
        }
        for (entry, neutral) in [
            ("add_cross_attention", Value::from(false)),
            ("attention_bias", Value::from(false)),
            ("chunk_size_feed_forward", Value::from(0)),
            ("cross_attention_hidden_size", Value::Null),
            ("is_decoder", Value::from(false)),
            ("is_encoder_decoder", Value::from(false)),
            ("mlp_bias", Value::from(false)),
            ("pruned_heads", Value::Object(Map::new())),
            ("rope_interleaved", Value::from(false)),
            ("rope_scaling", Value::Null),
            ("quantization_config", Value::Null),
            ("sliding_window", Value::Null),
            ("partial_rotary_factor", Value::from(1.0)),
            ("tie_encoder_decoder", Value::from(false)),
            ("use_bfloat16", Value::from(false)),
            ("use_sliding_window", Value::from(false)),
        ] {
            match self.0.remove(entry) {
                None | Some(Value::Null) => {}
                Some(value) if value == neutral => {}
                Some(value) => return Err(unsupported(entry, Some(&value))),
            }
        }
        Ok(())
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

    /// The base of the rotary angles stands by itself, or among the rotary parameters of later versions of
    /// the format. Where nothing is said, it is that of the format, 10,000.
    fn rope_theta(&mut self) -> Result<f64, ImportError> {
        const DEFAULT: f64 = 10_000.0;
        let parameters = match self.0.remove("rope_parameters") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(parameters)) => parameters,
            Some(other) => return Err(wrong_form("rope_parameters", "an object", &other)),
        };
        let mut theta = self.0.remove("rope_theta");
        for (key, value) in parameters {
            match key.as_str() {
                "rope_theta" if theta.is_none() || theta.as_ref() == Some(&value) => {
                    theta = Some(value);
                }
                "rope_type" if value == "default" => {}
                _ => return Err(unsupported(&format!("rope_parameters.{key}"), Some(&value))),
            }
        }
        match theta {
            None => Ok(DEFAULT),
            Some(value) => to_positive("rope_theta", &value),
        }
    }

    /// The entries that were passed over; refuses those of which nothing is known.
    fn finish(self) -> Result<Vec<String>, ImportError> {
        let left: Vec<String> = self.0.into_iter().map(|(entry, _)| entry).collect();
        let mut unknown = left.iter();
        match unknown.find(|entry| !NEUTRAL.contains(&entry.as_str())) {
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
