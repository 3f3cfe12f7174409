//! The key/value cache.

use matchmark_quant::{AttentionShape, ValueBits};

use crate::segment::check_tensor;
use crate::{AttentionTrace, RuntimeError};

/// The keys and values of all earlier tokens, for every key/value head.
///
/// It only grows: an entry never changes once appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvCache {
    shape: AttentionShape,
    entries: usize,
    /// For each key/value head, its entries one after another, `d` elements each.
    k: Vec<Vec<i16>>,
    v: Vec<Vec<i16>>,
}

impl KvCache {
    /// A cache without entries.
    #[must_use]
    pub fn empty(shape: AttentionShape) -> Self {
        let heads = vec![Vec::new(); shape.kv_heads()];
        Self {
            shape,
            entries: 0,
            k: heads.clone(),
            v: heads,
        }
    }

    /// A cache of the given entries, `k` and `v` of shape `[G, entries, d]`.
    ///
    /// # Errors
    /// [`RuntimeError::WrongLength`], naming the tensor.
    pub fn from_tensors(
        shape: AttentionShape,
        entries: usize,
        k: &[i16],
        v: &[i16],
    ) -> Result<Self, RuntimeError> {
        let rows = entries.saturating_mul(shape.head_dim());
        let expected = rows.saturating_mul(shape.kv_heads());
        let split = |tensor, values: &[i16]| {
            if values.len() != expected {
                return Err(RuntimeError::WrongLength {
                    tensor,
                    expected,
                    got: values.len(),
                });
            }
            Ok((0..shape.kv_heads())
                .map(|g| values[g * rows..(g + 1) * rows].to_vec())
                .collect())
        };
        Ok(Self {
            shape,
            entries,
            k: split("prefix_k", k)?,
            v: split("prefix_v", v)?,
        })
    }

    /// The cache before the first step of a trace.
    #[must_use]
    pub fn from_prefix(trace: &AttentionTrace) -> Self {
        let (shape, entries) = (trace.shape(), trace.step_range().entries_before());
        let rows = entries * shape.head_dim();
        let split = |values: &[i16]| -> Vec<Vec<i16>> {
            (0..shape.kv_heads())
                .map(|g| values[g * rows..(g + 1) * rows].to_vec())
                .collect()
        };
        Self {
            shape,
            entries,
            k: split(trace.prefix_k()),
            v: split(trace.prefix_v()),
        }
    }

    /// Heads and head dimension.
    #[must_use]
    pub fn shape(&self) -> AttentionShape {
        self.shape
    }

    /// Number of entries.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Key `p` of key/value head `g`, `d` elements.
    ///
    /// # Panics
    /// If the cache has no such head or entry.
    #[must_use]
    pub fn k(&self, g: usize, p: usize) -> &[i16] {
        row(&self.k[g], p, self.shape.head_dim())
    }

    /// Value `p` of key/value head `g`, `d` elements.
    ///
    /// # Panics
    /// If the cache has no such head or entry.
    #[must_use]
    pub fn v(&self, g: usize, p: usize) -> &[i16] {
        row(&self.v[g], p, self.shape.head_dim())
    }

    /// All keys of key/value head `g`, `[entries, d]`.
    ///
    /// # Panics
    /// If the cache has no such head.
    #[must_use]
    pub fn keys(&self, g: usize) -> &[i16] {
        &self.k[g]
    }

    /// All values of key/value head `g`, `[entries, d]`.
    ///
    /// # Panics
    /// If the cache has no such head.
    #[must_use]
    pub fn values(&self, g: usize) -> &[i16] {
        &self.v[g]
    }

    /// The heads of several caches, one after the other, as a cache of this shape.
    ///
    /// # Errors
    /// [`RuntimeError::WrongLength`] unless they have its heads together, and one number of entries.
    pub fn joined(shape: AttentionShape, parts: &[&Self]) -> Result<Self, RuntimeError> {
        let entries = parts.first().map_or(0, |part| part.entries);
        let join = |of: fn(&Self) -> &[Vec<i16>]| -> Vec<i16> {
            let heads = parts.iter().flat_map(|part| of(part));
            heads.flatten().copied().collect()
        };
        Self::from_tensors(shape, entries, &join(|it| &it.k), &join(|it| &it.v))
    }

    /// The entries of these key/value heads, as a cache of this shape.
    ///
    /// # Errors
    /// [`RuntimeError::WrongLength`] unless the shape has as many key/value heads.
    ///
    /// # Panics
    /// If the cache has no such heads.
    pub fn of_heads(
        &self,
        shape: AttentionShape,
        heads: std::ops::Range<usize>,
    ) -> Result<Self, RuntimeError> {
        let join = |all: &[Vec<i16>]| all[heads.clone()].concat();
        Self::from_tensors(shape, self.entries, &join(&self.k), &join(&self.v))
    }

    /// Appends one entry, `k_t` and `v_t` of shape `[G, d]`.
    ///
    /// # Errors
    /// [`RuntimeError::WrongLength`]; the cache is then unchanged.
    pub fn append(&mut self, k_t: &[i16], v_t: &[i16]) -> Result<(), RuntimeError> {
        let d = self.shape.head_dim();
        let expected = self.shape.kv_heads() * d;
        for (tensor, got) in [("k", k_t.len()), ("v", v_t.len())] {
            if got != expected {
                return Err(RuntimeError::WrongLength {
                    tensor,
                    expected,
                    got,
                });
            }
        }
        for (rows, new) in [(&mut self.k, k_t), (&mut self.v, v_t)] {
            for (head, new) in rows.iter_mut().zip(new.chunks_exact(d)) {
                head.extend_from_slice(new);
            }
        }
        self.entries += 1;
        Ok(())
    }

    /// Checks that every value lies in the symmetric range of its width.
    ///
    /// # Errors
    /// [`RuntimeError::ValueOutOfRange`]; the index is that in the flattened `[G, entries, d]`.
    pub fn check(&self, bits: ValueBits) -> Result<(), RuntimeError> {
        for (tensor, heads) in [("cached keys", &self.k), ("cached values", &self.v)] {
            for (g, head) in heads.iter().enumerate() {
                check_tensor(tensor, head, head.len(), bits).map_err(|error| match error {
                    RuntimeError::ValueOutOfRange {
                        tensor,
                        index,
                        value,
                        reason,
                    } => {
                        let index = g * head.len() + index;
                        RuntimeError::ValueOutOfRange {
                            tensor,
                            index,
                            value,
                            reason,
                        }
                    }
                    other => other,
                })?;
            }
        }
        Ok(())
    }
}

fn row(rows: &[i16], p: usize, d: usize) -> &[i16] {
    &rows[p * d..(p + 1) * d]
}
