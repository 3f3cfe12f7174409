//! The public values of a decode as a file.

use std::collections::BTreeMap;
use std::path::Path;

use matchmark_quant::{AttentionShape, ValueBits};

use crate::container::{self, TensorToWrite};
use crate::TraceError;

/// Writes the file of [`encode_public_values`], wholly or not at all.
///
/// # Errors
/// As [`encode_public_values`], and [`TraceError::Io`] if the file cannot be written.
pub fn write_public_values(
    path: impl AsRef<Path>,
    shape: &AttentionShape,
    bits: ValueBits,
    q: &[i16],
    k: &[i16],
    v: &[i16],
    out: &[i16],
) -> Result<(), TraceError> {
    let bytes = encode_public_values(shape, bits, q, k, v, out)?;
    container::write(path.as_ref(), &bytes)
}

/// The safetensors file of `q [H,S,d]`, `k [G,S,d]`, `v [G,S,d]` and `out [H,S,d]`. Elements are I8 up to
/// 8 bits and I16 above; the number of steps follows from the length of `q`.
///
/// # Errors
/// [`TraceError::NoSteps`], [`TraceError::WrongLength`] and [`TraceError::ValueOutOfRange`] for
/// tensors that do not fit.
pub fn encode_public_values(
    shape: &AttentionShape,
    bits: ValueBits,
    q: &[i16],
    k: &[i16],
    v: &[i16],
    out: &[i16],
) -> Result<Vec<u8>, TraceError> {
    let (h, g, d) = (shape.query_heads(), shape.kv_heads(), shape.head_dim());
    let s = q.len() / (h * d);
    if s == 0 {
        return Err(TraceError::NoSteps);
    }
    let tensors =
        [("q", h, q), ("k", g, k), ("v", g, v), ("out", h, out)].map(|(name, heads, values)| {
            TensorToWrite {
                name,
                shape: [heads, s, d],
                values,
            }
        });
    for &TensorToWrite {
        name: tensor,
        shape: [heads, ..],
        values,
    } in &tensors
    {
        let expected = heads * s * d;
        if values.len() != expected {
            return Err(TraceError::WrongLength {
                tensor,
                expected,
                got: values.len(),
            });
        }
        for (index, &value) in values.iter().enumerate() {
            let value = i32::from(value);
            if let Err(reason) = bits.check(value) {
                return Err(TraceError::ValueOutOfRange {
                    tensor,
                    index,
                    value,
                    reason,
                });
            }
        }
    }
    let metadata = BTreeMap::from([("matchmark.value_bits".to_owned(), bits.to_string())]);
    container::encode(&tensors, bits.bytes_per_value(), &metadata)
}
