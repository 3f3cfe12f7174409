//! Traces as safetensors files.
//!
//! Tensors `q [H,S,d]`, `k [G,S,d]`, `v [G,S,d]`, `prefix_k [G,P,d]`, `prefix_v [G,P,d]`, of type I8
//! up to 8 bits and I16 above. Metadata keys begin with `matchmark.`: `value_bits`, `scale_q`,
//! `scale_k`, `scale_v`, `score_step`, `table_delta`, `table_len` (256 if only the delta is given); all of them
//! may be absent.

use std::path::Path;

use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, StepRange, ValueBits};

use crate::container::{self, Container, TensorToWrite};
use crate::dimension::to_u32;
use crate::{metadata, AttentionTrace, AttentionTraceParts, TraceError};

impl AttentionTrace {
    /// Reads a trace.
    ///
    /// Where the file does not say the width of its values, it is 8 bits for I8 tensors and 12 bits
    /// for I16 tensors. Without `prefix_k` and `prefix_v`, or with both of shape `[G, 0, d]`, the
    /// cache is empty before the first step. Other tensors are passed over.
    ///
    /// # Errors
    /// [`TraceError`] for a file that cannot be read or is not a safetensors file, a missing tensor, a
    /// wrong type or shape, a value out of range, heads that do not divide, no steps, and metadata
    /// that cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        Self::from_container(&Container::read(path.as_ref())?)
    }

    /// Reads a trace from the bytes of a file, as [`Self::load`] does. The bytes may come from anywhere.
    ///
    /// # Errors
    /// As [`Self::load`], but for those of the file system.
    pub fn decode(bytes: Vec<u8>) -> Result<Self, TraceError> {
        Self::from_container(&Container::parse(bytes)?)
    }

    fn from_container(file: &Container) -> Result<Self, TraceError> {
        let (bits, metadata) = metadata::from_strings(file.metadata())?;
        let (q, k, v) = (file.tensor("q")?, file.tensor("k")?, file.tensor("v")?);
        let bits = match (bits, q.dtype) {
            (Some(bits), _) => bits,
            (None, "I8") => ValueBits::DEFAULT,
            (None, "I16") => ValueBits::MAX,
            (None, got) => {
                return Err(TraceError::WrongDtype {
                    tensor: "q",
                    expected: "I8 or I16",
                    got: got.to_owned(),
                })
            }
        };
        let dtype = if bits.bytes_per_value() == 1 {
            "I8"
        } else {
            "I16"
        };

        let [heads, steps, dim] = q.dimensions("[query heads, steps, head dimension]")?;
        let kv_words = format!("[key/value heads, {steps}, {dim}]");
        let [kv_heads, ..] = k.dimensions(&kv_words)?;
        if k.shape[1..] != [steps, dim] {
            return Err(k.wrong_shape(&kv_words));
        }
        v.expect_shape([kv_heads, steps, dim])?;
        if steps == 0 {
            return Err(TraceError::NoSteps);
        }

        let (prefix_k, prefix_v) = (file.optional("prefix_k"), file.optional("prefix_v"));
        let mut prefix = 0;
        for tensor in [&prefix_k, &prefix_v].into_iter().flatten() {
            let words = format!("[{kv_heads}, prefix, {dim}]");
            let [_, rows, _] = tensor.dimensions(&words)?;
            prefix = prefix.max(rows);
            tensor.expect_shape([kv_heads, rows, dim])?;
        }
        let prefix_values = |tensor: Option<container::Tensor<'_>>, name| match tensor {
            None if prefix == 0 => Ok(Vec::new()),
            None => Err(TraceError::MissingTensor { tensor: name }),
            Some(tensor) => {
                tensor.expect_shape([kv_heads, prefix, dim])?;
                tensor.integers(dtype)
            }
        };

        Self::new(AttentionTraceParts {
            shape: AttentionShape::new(
                QueryHeads::new(to_u32(heads))?,
                KvHeads::new(to_u32(kv_heads))?,
                HeadDim::new(to_u32(dim))?,
            )?,
            value_bits: bits,
            steps: StepRange::new(to_u32(prefix), to_u32(steps))?,
            q: q.integers(dtype)?,
            k: k.integers(dtype)?,
            v: v.integers(dtype)?,
            prefix_k: prefix_values(prefix_k, "prefix_k")?,
            prefix_v: prefix_values(prefix_v, "prefix_v")?,
            metadata,
        })
    }

    /// Writes a trace: wholly or not at all, by a temporary file that is synced and renamed. Equal
    /// traces give equal bytes. An empty prefix is left out.
    ///
    /// # Errors
    /// [`TraceError::Io`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TraceError> {
        container::write(path.as_ref(), &self.encode()?)
    }

    /// The bytes that [`Self::save`] writes. Equal traces give equal bytes.
    ///
    /// # Errors
    /// Those of the container's encoder, which no valid trace meets.
    pub fn encode(&self) -> Result<Vec<u8>, TraceError> {
        let (shape, steps) = (self.shape(), self.step_range());
        let (p, s, d) = (steps.entries_before(), steps.steps(), shape.head_dim());
        let (h, g) = (shape.query_heads(), shape.kv_heads());
        let mut tensors = vec![
            TensorToWrite {
                name: "q",
                shape: [h, s, d],
                values: self.q(),
            },
            TensorToWrite {
                name: "k",
                shape: [g, s, d],
                values: self.k(),
            },
            TensorToWrite {
                name: "v",
                shape: [g, s, d],
                values: self.v(),
            },
        ];
        if p > 0 {
            tensors.push(TensorToWrite {
                name: "prefix_k",
                shape: [g, p, d],
                values: self.prefix_k(),
            });
            tensors.push(TensorToWrite {
                name: "prefix_v",
                shape: [g, p, d],
                values: self.prefix_v(),
            });
        }
        let bits = self.value_bits();
        let strings = metadata::to_strings(bits, self.metadata());
        container::encode(&tensors, bits.bytes_per_value(), &strings)
    }
}
