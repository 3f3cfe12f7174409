//! Candle's models on the same files: float logits by code that this project did not write.

use std::collections::HashMap;

use camino::Utf8Path;
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Error, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::{llama, qwen2};
use matchmark::Error as LibraryError;
use matchmark_files::MAX_FILE_BYTES;
use matchmark_graph::{MatrixName, Projection};
use matchmark_models::{FloatMatrix, FloatModel, RopeScaling};
use matchmark_tables::activations::SILU;

use crate::error::CliError;

/// A model of the crate `candle-transformers`, in 32-bit floats on the processor.
pub(crate) struct CandleModel {
    family: Family,
    vocabulary: usize,
}

/// Which of its models.
enum Family {
    Llama(Box<(llama::Llama, llama::Config)>),
    /// With biases of queries, keys and values.
    Qwen2(Box<qwen2::ModelForCausalLM>),
}

impl CandleModel {
    /// Reads the weights of a folder, of which `float` was made.
    pub(crate) fn load(folder: &Utf8Path, float: &FloatModel) -> Result<Self, CliError> {
        let read = |name: &str| {
            let path = folder.join(name);
            let read = matchmark_files::read(path.as_std_path(), MAX_FILE_BYTES);
            read.map_err(|error| LibraryError::Read {
                path,
                source: error.into(),
            })
        };
        let files = FloatModel::weight_files(folder.as_std_path())
            .map_err(|error| LibraryError::from(error).in_file(folder))?;
        let mut tensors = HashMap::new();
        for file in files {
            tensors.extend(load_buffer(&read(&file)?, &Device::Cpu).map_err(refuse)?);
        }
        // A head that is not there is the embedding.
        if let Some(embedding) = tensors.get(EMBEDDING).cloned() {
            tensors.entry(HEAD.to_owned()).or_insert(embedding);
        }
        Self::of_tensors(float, tensors)
    }

    /// Takes floats that were read already.
    pub(crate) fn of_floats(float: &FloatModel) -> Result<Self, CliError> {
        let shape = &float.shape;
        let (hidden, vocabulary) = (shape.hidden(), shape.vocabulary());
        let mut tensors = HashMap::new();
        let mut add = |name: String, values: &[f32], sizes: &[usize]| -> Result<(), CliError> {
            let tensor = Tensor::from_slice(values, sizes, &Device::Cpu).map_err(refuse)?;
            tensors.insert(name, tensor);
            Ok(())
        };
        add(
            EMBEDDING.to_owned(),
            &float.embedding,
            &[vocabulary, hidden],
        )?;
        for (stage, weights) in float.norms.iter().enumerate() {
            let layer = stage / 2;
            let name = match stage % 2 {
                _ if layer == shape.layers() => "model.norm.weight".to_owned(),
                0 => format!("model.layers.{layer}.input_layernorm.weight"),
                _ => format!("model.layers.{layer}.post_attention_layernorm.weight"),
            };
            add(name, weights, &[hidden])?;
        }
        let graph = float.graph();
        for (&(name, node, place), matrix) in graph.matrices().iter().zip(&float.matrices) {
            let linear = graph.linear(node);
            let outputs = linear.matrices()[place].outputs;
            let FloatMatrix { weights, biases } = matrix;
            let name = tensor_name(name);
            add(
                format!("{name}.weight"),
                weights,
                &[outputs, linear.inputs()],
            )?;
            if !biases.is_empty() {
                add(format!("{name}.bias"), biases, &[outputs])?;
            }
        }
        Self::of_tensors(float, tensors)
    }

    /// What `candle` makes of tensors. Weights that it does not know are refused by it.
    fn of_tensors(float: &FloatModel, tensors: HashMap<String, Tensor>) -> Result<Self, CliError> {
        let shape = &float.shape;
        let expected = SILU.names.first().copied().unwrap_or_default();
        let got = float.activation.names.first().copied().unwrap_or_default();
        let is_scaled = float.rope.scaling != RopeScaling::None;
        if (shape.query_width(), expected, is_scaled) != (shape.hidden(), got, false) {
            return Err(refuse(
                "candle is asked for the activation silu alone, heads as wide as the stream together, and a rotary \
                 embedding that is not scaled",
            ));
        }
        let variables = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        let family = if shape.attention_bias() {
            let config = qwen2::Config {
                vocab_size: shape.vocabulary(),
                hidden_size: shape.hidden(),
                intermediate_size: shape.mlp(),
                num_hidden_layers: shape.layers(),
                num_attention_heads: shape.attention().query_heads(),
                num_key_value_heads: shape.attention().kv_heads(),
                max_position_embeddings: shape.positions(),
                sliding_window: shape.positions(),
                max_window_layers: shape.layers(),
                tie_word_embeddings: false,
                rope_theta: float.rope.base,
                rms_norm_eps: float.norm_epsilon,
                use_sliding_window: false,
                hidden_act: Activation::Silu,
            };
            let model = qwen2::ModelForCausalLM::new(&config, variables).map_err(refuse)?;
            Family::Qwen2(Box::new(model))
        } else {
            let config = llama::Config {
                hidden_size: shape.hidden(),
                intermediate_size: shape.mlp(),
                vocab_size: shape.vocabulary(),
                num_hidden_layers: shape.layers(),
                num_attention_heads: shape.attention().query_heads(),
                num_key_value_heads: shape.attention().kv_heads(),
                use_flash_attn: false,
                rms_norm_eps: float.norm_epsilon,
                #[allow(clippy::cast_possible_truncation, reason = "candle has 32 bits for it")]
                rope_theta: float.rope.base as f32,
                bos_token_id: None,
                eos_token_id: None,
                rope_scaling: None,
                max_position_embeddings: shape.positions(),
                tie_word_embeddings: false,
            };
            let model = llama::Llama::load(variables, &config).map_err(refuse)?;
            Family::Llama(Box::new((model, config)))
        };
        Ok(Self {
            family,
            vocabulary: shape.vocabulary(),
        })
    }

    /// The logits `[S, V]` of a sequence from position 0 on, one token after another, as these models give
    /// those of the last token alone.
    pub(crate) fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, CliError> {
        let capacity = tokens.len() * self.vocabulary;
        let mut logits = || -> Result<Vec<f32>, Error> {
            let mut logits = Vec::with_capacity(capacity);
            let mut cache = match &mut self.family {
                Family::Llama(of) => {
                    Some(llama::Cache::new(true, DType::F32, &of.1, &Device::Cpu)?)
                }
                Family::Qwen2(model) => {
                    model.clear_kv_cache();
                    None
                }
            };
            for (position, token) in tokens.iter().enumerate() {
                let input = Tensor::new(&[[*token]], &Device::Cpu)?;
                let output = match (&mut self.family, &mut cache) {
                    (Family::Llama(of), Some(cache)) => of.0.forward(&input, position, cache)?,
                    (Family::Qwen2(model), _) => model.forward(&input, position)?,
                    (Family::Llama(_), None) => unreachable!("it has a cache"),
                };
                logits.extend(output.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(logits)
        };
        logits().map_err(refuse)
    }
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";

/// What candle calls a matrix.
fn tensor_name(MatrixName { projection, layer }: MatrixName) -> String {
    let name = match projection {
        Projection::Embedding => return "model.embed_tokens".to_owned(),
        Projection::Head => return "lm_head".to_owned(),
        Projection::Query => "self_attn.q_proj",
        Projection::Key => "self_attn.k_proj",
        Projection::Value => "self_attn.v_proj",
        Projection::Output => "self_attn.o_proj",
        Projection::Gate => "mlp.gate_proj",
        Projection::Up => "mlp.up_proj",
        Projection::Down => "mlp.down_proj",
    };
    format!("model.layers.{}.{name}", layer.unwrap_or_default())
}

fn refuse(error: impl ToString) -> CliError {
    CliError::Reference {
        reason: error.to_string(),
    }
}
