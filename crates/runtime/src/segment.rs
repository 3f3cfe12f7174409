//! The inputs of consecutive steps.

use matchmark_quant::{AttentionShape, StepRange, ValueBits};

use crate::RuntimeError;

/// The inputs of consecutive steps, checked: lengths fit the shape, and every value lies in the
/// symmetric range of its width. Tensors are flattened, last dimension fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInputs {
    shape: AttentionShape,
    bits: ValueBits,
    steps: StepRange,
    q: Vec<i16>,
    k: Vec<i16>,
    v: Vec<i16>,
}

impl SegmentInputs {
    /// Checks the tensors `q [H,S,d]`, `k [G,S,d]`, `v [G,S,d]` and puts them together.
    ///
    /// # Errors
    /// [`RuntimeError::WrongLength`] or [`RuntimeError::ValueOutOfRange`], naming the tensor.
    pub fn new(
        shape: AttentionShape,
        bits: ValueBits,
        steps: StepRange,
        q: Vec<i16>,
        k: Vec<i16>,
        v: Vec<i16>,
    ) -> Result<Self, RuntimeError> {
        let rows = steps.steps() * shape.head_dim();
        check_tensor("q", &q, shape.query_heads() * rows, bits)?;
        check_tensor("k", &k, shape.kv_heads() * rows, bits)?;
        check_tensor("v", &v, shape.kv_heads() * rows, bits)?;
        Ok(Self {
            shape,
            bits,
            steps,
            q,
            k,
            v,
        })
    }

    /// Heads and head dimension.
    #[must_use]
    pub fn shape(&self) -> AttentionShape {
        self.shape
    }

    /// Width of all values.
    #[must_use]
    pub fn bits(&self) -> ValueBits {
        self.bits
    }

    /// Which steps these are.
    #[must_use]
    pub fn steps(&self) -> StepRange {
        self.steps
    }

    /// Queries, `[H, S, d]`.
    #[must_use]
    pub fn q(&self) -> &[i16] {
        &self.q
    }

    /// New keys, `[G, S, d]`.
    #[must_use]
    pub fn k(&self) -> &[i16] {
        &self.k
    }

    /// New values, `[G, S, d]`.
    #[must_use]
    pub fn v(&self) -> &[i16] {
        &self.v
    }

    /// The vector of `d` elements of head `head` at step `t` in one of these tensors.
    pub(crate) fn vector<'a>(&self, tensor: &'a [i16], head: usize, t: usize) -> &'a [i16] {
        let d = self.shape.head_dim();
        &tensor[(head * self.steps.steps() + t) * d..][..d]
    }
}

/// Checks length and range of a tensor.
pub(crate) fn check_tensor(
    tensor: &'static str,
    values: &[i16],
    expected: usize,
    bits: ValueBits,
) -> Result<(), RuntimeError> {
    if values.len() != expected {
        return Err(RuntimeError::WrongLength {
            tensor,
            expected,
            got: values.len(),
        });
    }
    for (index, &value) in values.iter().enumerate() {
        let value = i32::from(value);
        if let Err(reason) = bits.check(value) {
            return Err(RuntimeError::ValueOutOfRange {
                tensor,
                index,
                value,
                reason,
            });
        }
    }
    Ok(())
}
