//! Import of GGUF files: a model in one file, as llama.cpp keeps them. Metadata and tokenizer become what those
//! of a folder become, and tensors become floats one after the other.

mod config;
mod container;
mod dequantize;
mod entries;
mod source;
mod tokenizer;
mod value;

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_graph::ModelShape;

use self::container::{Header, Tensor};
use self::entries::Entries;
use self::source::Source;
use super::config::Config;
use super::gguf_error::GgufError;
use super::{ImportError, ImportOptions, Tensors};
use crate::families::{Family, TensorNames};
use crate::Tokenizer;

/// A GGUF file whose header was read.
pub(super) struct Gguf {
    source: Source,
    header: Vec<u8>,
}

impl Gguf {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        Self::of(Source::open(path)?)
    }

    /// Takes the bytes of a file.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, ImportError> {
        Self::of(Source::Memory(bytes))
    }

    fn of(source: Source) -> Result<Self, ImportError> {
        let header = source.header()?;
        Ok(Self { source, header })
    }

    /// Configuration and tokenizer, and the tensors, which are those that the configuration says.
    pub(super) fn head(
        self,
        families: &[&'static Family],
        options: ImportOptions,
    ) -> Result<(Config, Tokenizer, Weights), ImportError> {
        let Self { source, header } = self;
        let header = Header::parse(&header, source.length())?;
        let mut entries = Entries::new(&header);
        let names = config::family(families, &mut entries)?;
        let (tokenizer, named) = tokenizer::tokenizer(&mut entries)?;
        let tokens = (tokenizer.len(), named);
        let config = config::config(names, &header, entries, tokens, options.positions)?;
        super::agree(&config, &tokenizer)?;
        let weights = Weights {
            names: &names.tensors,
            is_interleaved: names.is_interleaved,
            head_dim: config.shape.attention().head_dim(),
            tensors: header
                .tensors
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), tensor))
                .collect(),
            source,
        };
        weights.check(&config.shape)?;
        Ok((config, tokenizer, weights))
    }
}

/// All tensors that were not taken yet.
pub(super) struct Weights {
    source: Source,
    names: &'static TensorNames,
    /// Whether what is rotated together stands side by side.
    is_interleaved: bool,
    head_dim: usize,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// That there are the tensors of this shape and no others, before any is read.
    fn check(&self, shape: &ModelShape) -> Result<(), ImportError> {
        let mut known = 0;
        let all = self.names.all(shape);
        for (name, dimensions) in &all {
            let (name, dimensions) = (name.clone(), dimensions);
            if let Some(tensor) = self.tensors.get(&name) {
                known += 1;
                check_shape(&name, tensor, dimensions)?;
            } else if name != self.names.head {
                return Err(ImportError::MissingTensor { tensor: name });
            }
        }
        if known == self.tensors.len() {
            return Ok(());
        }
        let is_known = |name: &String| all.iter().any(|(other, _)| other == name);
        let unknown = self.tensors.keys().find(|name| !is_known(name));
        Err(super::weights::unknown(
            super::GGUF,
            unknown.cloned().unwrap_or_default(),
        ))
    }
}

fn check_shape(name: &str, tensor: &Tensor, expected: &[usize]) -> Result<(), ImportError> {
    if tensor.shape == expected {
        return Ok(());
    }
    Err(ImportError::WrongShape {
        tensor: name.to_owned(),
        expected: expected.to_vec(),
        got: tensor.shape.clone(),
    })
}

impl Tensors for Weights {
    fn take(&mut self, name: &str, dimensions: &[usize]) -> Result<Vec<f32>, ImportError> {
        let tensor = self.tensors.remove(name);
        let tensor = tensor.ok_or_else(|| ImportError::MissingTensor {
            tensor: name.to_owned(),
        })?;
        check_shape(name, &tensor, dimensions)?;
        let bytes = self.source.read(tensor.begin, tensor.length)?;
        let floats = tensor.kind.floats(&bytes);
        matchmark_runtime::check_floats(&floats).map_err(|reason| ImportError::Floats {
            tensor: name.to_owned(),
            reason,
        })?;
        if !self.is_interleaved || !self.names.is_rotated(name) {
            return Ok(floats);
        }
        // A matrix has its inputs for each output, and biases one number.
        let inputs = dimensions.get(1).copied().unwrap_or(1);
        Ok(halves(&floats, self.head_dim, inputs))
    }

    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    fn finish(self, _: &[&str]) -> Result<(), ImportError> {
        // They were compared with those of the shape before any was read.
        Ok(())
    }
}

/// Rows of queries or keys in the order of a folder: what is rotated together stands half a head apart there,
/// and side by side in a GGUF file.
fn halves(floats: &[f32], head_dim: usize, inputs: usize) -> Vec<f32> {
    let mut ordered = Vec::with_capacity(floats.len());
    for head in floats.chunks_exact(head_dim * inputs) {
        let rows = || head.chunks_exact(inputs);
        for row in rows().step_by(2).chain(rows().skip(1).step_by(2)) {
            ordered.extend_from_slice(row);
        }
    }
    ordered
}
