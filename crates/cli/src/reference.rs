//! Candle's Llama on the same files: float logits by code that this project did not write.

use std::collections::HashMap;

use camino::Utf8Path;
use candle_core::safetensors::load_buffer;
use candle_core::{DType, Device, Error, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::llama::{Cache, Config, Llama, LlamaConfig};
use matchmark::Error as LibraryError;
use matchmark_files::MAX_FILE_BYTES;
use matchmark_models::FloatModel;
use matchmark_quant::ModelShape;

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
