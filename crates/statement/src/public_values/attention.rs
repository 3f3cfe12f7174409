//! Queries, keys, values and outputs of attention.

use alloc::vec::Vec;

use matchmark_quant::{AttentionShape, TaggedSha256, ValueBits};

use super::{check_steps, PublicValuesError};
use crate::identity::PublicValuesDigest;

/// Queries, keys, values and outputs of a segment's steps: `q` and `out` `[H, S, d]`, `k` and `v`
/// `[G, S, d]`, row-major, every value in `[-M, M]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttentionValues {
    shape: AttentionShape,
    bits: ValueBits,
    steps: usize,
    q: Vec<i16>,
    k: Vec<i16>,
    v: Vec<i16>,
    out: Vec<i16>,
}

impl AttentionValues {
    /// Domain tag of the digest.
    pub const TAG: &'static str = "matchmark/public-values/v1";

    /// Checks lengths and ranges.
    ///
    /// # Errors
    ///
    /// - [`PublicValuesError::Steps`] for 0 steps or more than a segment can have;
    /// - [`PublicValuesError::TensorLength`] for a tensor that does not fit the shape;
    /// - [`PublicValuesError::Value`] for a value outside of `[-M, M]`.
    pub fn new(
        shape: AttentionShape,
        bits: ValueBits,
        steps: usize,
        q: Vec<i16>,
        k: Vec<i16>,
        v: Vec<i16>,
        out: Vec<i16>,
    ) -> Result<Self, PublicValuesError> {
        check_steps(steps)?;
        let (queries, keys) = tensor_lens(&shape, steps);
        for (tensor, values, expected) in [
            ("q", &q, queries),
            ("k", &k, keys),
            ("v", &v, keys),
            ("out", &out, queries),
        ] {
            if values.len() != expected {
                return Err(PublicValuesError::TensorLength {
                    tensor,
                    expected,
                    got: values.len(),
                });
            }
            for (index, value) in values.iter().enumerate() {
                bits.check(i32::from(*value))
                    .map_err(|source| PublicValuesError::Value {
                        tensor,
                        index,
                        source,
                    })?;
            }
        }
        Ok(Self {
            shape,
            bits,
            steps,
            q,
            k,
            v,
            out,
        })
    }

    /// Length of the encoding in bytes: `(2H + 2G) * S * d` values of one or two bytes.
    ///
    /// Where that does not fit a `usize` the result is `usize::MAX`, which no slice reaches.
    #[must_use]
    pub const fn encoded_len(shape: &AttentionShape, bits: ValueBits, steps: usize) -> usize {
        let (queries, keys) = tensor_lens(shape, steps);
        queries
            .saturating_add(keys)
            .saturating_mul(2 * bits.bytes_per_value())
    }

    /// `q`, `k`, `v`, `out` one after the other, each value as one signed byte up to 8 bits and as two,
    /// little-endian, above. There are no lengths: the statement fixes them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::encoded_len(&self.shape, self.bits, self.steps));
        let wide = self.bits.bytes_per_value() == 2;
        for value in [&self.q, &self.k, &self.v, &self.out].into_iter().flatten() {
            let [low, high] = value.to_le_bytes();
            // Up to 8 bits the high byte only repeats the sign of the low one.
            bytes.push(low);
            if wide {
                bytes.push(high);
            }
        }
        bytes
    }

    /// Reads the values from exactly `bytes`.
    ///
    /// # Errors
    ///
    /// - [`PublicValuesError::Steps`] for 0 steps or more than a segment can have;
    /// - [`PublicValuesError::EncodedLength`] unless there are [`Self::encoded_len`] bytes; nothing is
    ///   read or allocated then;
    /// - [`PublicValuesError::Value`] for a value outside of `[-M, M]`.
    pub fn decode(
        bytes: &[u8],
        shape: AttentionShape,
        bits: ValueBits,
        steps: usize,
    ) -> Result<Self, PublicValuesError> {
        check_steps(steps)?;
        let expected = Self::encoded_len(&shape, bits, steps);
        if bytes.len() != expected {
            return Err(PublicValuesError::EncodedLength {
                expected,
                got: bytes.len(),
            });
        }
        let width = bits.bytes_per_value();
        let (queries, keys) = tensor_lens(&shape, steps);
        let (q, rest) = bytes.split_at(queries * width);
        let (k, rest) = rest.split_at(keys * width);
        let (v, out) = rest.split_at(keys * width);
        let read = |bytes: &[u8]| -> Vec<i16> {
            if width == 1 {
                bytes
                    .iter()
                    .map(|byte| i16::from(i8::from_le_bytes([*byte])))
                    .collect()
            } else {
                bytes
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                    .collect()
            }
        };
        Self::new(shape, bits, steps, read(q), read(k), read(v), read(out))
    }

    /// SHA-256 under [`Self::TAG`] over `H`, `G`, `d`, value width, `S` (each eight bytes,
    /// little-endian) and the encoding.
    #[must_use]
    pub fn digest(&self) -> PublicValuesDigest {
        let mut hasher = TaggedSha256::new(Self::TAG);
        for size in [
            self.shape.query_heads(),
            self.shape.kv_heads(),
            self.shape.head_dim(),
            usize::from(self.bits.get()),
            self.steps,
        ] {
            hasher.update_u64(size as u64);
        }
        PublicValuesDigest::from_bytes(hasher.chain(&self.encode()).finish())
    }

    /// Heads and head dimension.
    #[must_use]
    pub const fn shape(&self) -> AttentionShape {
        self.shape
    }

    /// Value width.
    #[must_use]
    pub const fn bits(&self) -> ValueBits {
        self.bits
    }

    /// `S`, the number of steps.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.steps
    }

    /// Queries, `[H, S, d]`.
    #[must_use]
    pub fn q(&self) -> &[i16] {
        &self.q
    }

    /// Keys, `[G, S, d]`.
    #[must_use]
    pub fn k(&self) -> &[i16] {
        &self.k
    }

    /// Values, `[G, S, d]`.
    #[must_use]
    pub fn v(&self) -> &[i16] {
        &self.v
    }

    /// Outputs, `[H, S, d]`.
    #[must_use]
    pub fn out(&self) -> &[i16] {
        &self.out
    }
}

/// Lengths of `q` (and `out`) and of `k` (and `v`).
const fn tensor_lens(shape: &AttentionShape, steps: usize) -> (usize, usize) {
    let row = steps.saturating_mul(shape.head_dim());
    (
        row.saturating_mul(shape.query_heads()),
        row.saturating_mul(shape.kv_heads()),
    )
}
