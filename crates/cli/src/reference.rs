//! Candle's Llama on the same files: float logits by code that this project did not write.

use std::collections::HashMap;

use camino::Utf8Path;
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Error, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};
use matchmark::Error as LibraryError;
use matchmark_files::MAX_FILE_BYTES;
use matchmark_graph::ModelShape;
use matchmark_models::FloatModel;
use matchmark_tables::activations::SILU;

use crate::error::CliError;

/// A model of the crate `candle-transformers`, in 32-bit floats on the processor.
pub(crate) struct CandleLlama {
    llama: Llama,
    config: Config,
    vocabulary: usize,
}

impl CandleLlama {
    /// Reads `config.json` and the weights of a folder.
    pub(crate) fn load(folder: &Utf8Path, shape: &ModelShape) -> Result<Self, CliError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let read = matchmark_files::read(path.as_std_path(), MAX_FILE_BYTES);
            read.map_err(|error| LibraryError::Read {
                path,
                source: error.into(),
            })
        };
        let config: LlamaConfig = serde_json::from_slice(&read("config.json")?).map_err(refuse)?;
        let config = config.into_config(false);
        let files = FloatModel::weight_files(folder.as_std_path())
            .map_err(|error| LibraryError::from(error).in_file(folder))?;
        let mut tensors = HashMap::new();
        for file in files {
            tensors.extend(load_buffer(&read(&file)?, &Device::Cpu).map_err(refuse)?);
        }
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Ok(Self {
            llama: Llama::load(variables, &config).map_err(refuse)?,
            config,
            vocabulary: shape.vocabulary(),
        })
    }

    /// Takes floats that were read already. Weights that candle does not know are refused by it.
    pub(crate) fn of_floats(float: &FloatModel) -> Result<Self, CliError> {
        let shape = &float.shape;
        let (hidden, mlp) = (shape.hidden(), shape.mlp());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        let expected = SILU.names.first().copied().unwrap_or_default();
        let got = float.activation.names.first().copied().unwrap_or_default();
        if (query, expected) != (hidden, got) {
            return Err(refuse(
                "candle has the activation silu alone, and heads as wide as the stream together",
            ));
        }
        let config = Config {
            hidden_size: hidden,
            intermediate_size: mlp,
            vocab_size: shape.vocabulary(),
            num_hidden_layers: shape.layers(),
            num_attention_heads: shape.attention().query_heads(),
            num_key_value_heads: shape.attention().kv_heads(),
            use_flash_attn: false,
            rms_norm_eps: float.norm_epsilon,
            #[allow(clippy::cast_possible_truncation, reason = "candle has 32 bits for it")]
            rope_theta: float.rope_theta as f32,
            bos_token_id: None,
            eos_token_id: None,
            rope_scaling: None,
            max_position_embeddings: shape.positions(),
            tie_word_embeddings: false,
        };
        let mut tensors = HashMap::new();
        let mut add = |name: String, values: &[f32], sizes: &[usize]| -> Result<(), CliError> {
            let tensor = Tensor::from_slice(values, sizes, &Device::Cpu).map_err(refuse)?;
            tensors.insert(name, tensor);
            Ok(())
        };
        let vocabulary = shape.vocabulary();
        let embedding = "model.embed_tokens.weight".to_owned();
        add(embedding, &float.embedding, &[vocabulary, hidden])?;
        add(
            "lm_head.weight".to_owned(),
            &float.head,
            &[vocabulary, hidden],
        )?;
        add("model.norm.weight".to_owned(), &float.final_norm, &[hidden])?;
        for (layer, weights) in float.layers.iter().enumerate() {
            for (name, values, sizes) in [
                ("input_layernorm", &weights.attention_norm, vec![hidden]),
                ("self_attn.q_proj", &weights.query, vec![query, hidden]),
                ("self_attn.k_proj", &weights.key, vec![kv, hidden]),
                ("self_attn.v_proj", &weights.value, vec![kv, hidden]),
                ("self_attn.o_proj", &weights.output, vec![hidden, query]),
                ("post_attention_layernorm", &weights.mlp_norm, vec![hidden]),
                ("mlp.gate_proj", &weights.gate, vec![mlp, hidden]),
                ("mlp.up_proj", &weights.up, vec![mlp, hidden]),
                ("mlp.down_proj", &weights.down, vec![hidden, mlp]),
            ] {
                add(
                    format!("model.layers.{layer}.{name}.weight"),
                    values,
                    &sizes,
                )?;
            }
        }
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Ok(Self {
            llama: Llama::load(variables, &config).map_err(refuse)?,
            config,
            vocabulary,
        })
    }

    /// The logits `[S, V]` of a sequence from position 0 on, one token after another, as this model gives
    /// those of the last token alone.
    pub(crate) fn logits(&self, tokens: &[u32]) -> Result<Vec<f32>, CliError> {
        let logits = || -> Result<Vec<f32>, Error> {
            let mut cache = Cache::new(true, DType::F32, &self.config, &Device::Cpu)?;
            let mut logits = Vec::with_capacity(tokens.len() * self.vocabulary);
            for (position, token) in tokens.iter().enumerate() {
                let input = Tensor::new(&[[*token]], &Device::Cpu)?;
                let output = self.llama.forward(&input, position, &mut cache)?;
                logits.extend(output.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(logits)
        };
        logits().map_err(refuse)
    }
}

fn refuse(error: impl ToString) -> CliError {
    CliError::Reference {
        reason: error.to_string(),
    }
}
