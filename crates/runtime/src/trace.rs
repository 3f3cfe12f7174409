//! The integer tensors of a decode.

use matchmark_quant::{
    AttentionShape, QuantizationPolicy, Rounding, ScoreStep, StepRange, ValueBits,
};
use matchmark_tables::WeightTable;

use crate::{DecodeRules, RuntimeError, SegmentInputs, TraceError, TraceMetadata};

/// What an [`AttentionTrace`] is made of. Tensors are flattened, last dimension fastest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionTraceParts {
    /// Heads and head dimension.
    pub shape: AttentionShape,
    /// Width of all values.
    pub value_bits: ValueBits,
    /// `P` entries of prefix and `S` steps.
    pub steps: StepRange,
    /// Queries, `[H, S, d]`.
    pub q: Vec<i16>,
    /// New keys, `[G, S, d]`.
    pub k: Vec<i16>,
    /// New values, `[G, S, d]`.
    pub v: Vec<i16>,
    /// Keys in the cache before the first step, `[G, P, d]`.
    pub prefix_k: Vec<i16>,
    /// Values in the cache before the first step, `[G, P, d]`.
    pub prefix_v: Vec<i16>,
    /// What is known of the floats behind the integers.
    pub metadata: TraceMetadata,
}

/// The integer tensors of a decode, checked: lengths fit the shape, and every value lies in the
/// symmetric range of its width.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttentionTrace(AttentionTraceParts);

impl AttentionTrace {
    /// The score step where neither the caller nor the trace says one: one table index for each
    /// unit of integer score.
    pub const DEFAULT_SCORE_STEP: u32 = 1;

    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// [`TraceError::WrongLength`] or [`TraceError::ValueOutOfRange`], naming the tensor.
    pub fn new(parts: AttentionTraceParts) -> Result<Self, TraceError> {
        let AttentionTraceParts {
            shape,
            value_bits,
            steps,
            q,
            k,
            v,
            prefix_k,
            prefix_v,
            metadata: _,
        } = &parts;
        let (h, g, d) = (shape.query_heads(), shape.kv_heads(), shape.head_dim());
        let (p, s) = (steps.entries_before(), steps.steps());
        for (tensor, values, expected) in [
            ("q", q, h * s * d),
            ("k", k, g * s * d),
            ("v", v, g * s * d),
            ("prefix_k", prefix_k, g * p * d),
            ("prefix_v", prefix_v, g * p * d),
        ] {
            if values.len() != expected {
                return Err(TraceError::WrongLength {
                    tensor,
                    expected,
                    got: values.len(),
                });
            }
            for (index, &value) in values.iter().enumerate() {
                let value = i32::from(value);
                if let Err(reason) = value_bits.check(value) {
                    return Err(TraceError::ValueOutOfRange {
                        tensor,
                        index,
                        value,
                        reason,
                    });
                }
            }
        }
        Ok(Self(parts))
    }

    /// The parts, by value.
    #[must_use]
    pub fn into_parts(self) -> AttentionTraceParts {
        self.0
    }

    /// Heads and head dimension.
    #[must_use]
    pub fn shape(&self) -> AttentionShape {
        self.0.shape
    }

    /// Width of all values.
    #[must_use]
    pub fn value_bits(&self) -> ValueBits {
        self.0.value_bits
    }

    /// `P` entries of prefix and `S` steps.
    #[must_use]
    pub fn step_range(&self) -> StepRange {
        self.0.steps
    }

    /// Queries, `[H, S, d]`.
    #[must_use]
    pub fn q(&self) -> &[i16] {
        &self.0.q
    }

    /// New keys, `[G, S, d]`.
    #[must_use]
    pub fn k(&self) -> &[i16] {
        &self.0.k
    }

    /// New values, `[G, S, d]`.
    #[must_use]
    pub fn v(&self) -> &[i16] {
        &self.0.v
    }

    /// Keys in the cache before the first step, `[G, P, d]`.
    #[must_use]
    pub fn prefix_k(&self) -> &[i16] {
        &self.0.prefix_k
    }

    /// Values in the cache before the first step, `[G, P, d]`.
    #[must_use]
    pub fn prefix_v(&self) -> &[i16] {
        &self.0.prefix_v
    }

    /// What is known of the floats behind the integers.
    #[must_use]
    pub fn metadata(&self) -> &TraceMetadata {
        &self.0.metadata
    }

    /// The rules by which this trace is decoded.
    ///
    /// Table: `table` if given, else the exponential with the trace's own delta and length, else the
    /// default one. The trace's table belongs to the trace's score step; whoever gives another
    /// `score_step` and wants the same softmax gives a table as well. Score step: `score_step` if
    /// given, else the trace's own, else [`DEFAULT_SCORE_STEP`](Self::DEFAULT_SCORE_STEP).
    ///
    /// # Errors
    /// [`RuntimeError::Table`] if the trace's table cannot be made.
    pub fn rules(
        &self,
        rounding: Rounding,
        table: Option<WeightTable>,
        score_step: Option<ScoreStep>,
    ) -> Result<DecodeRules, RuntimeError> {
        let table = match (table, self.0.metadata.table) {
            (Some(table), _) => table,
            (None, Some(resolution)) => resolution.table()?,
            (None, None) => WeightTable::exp256_default(),
        };
        let score_step = match score_step.or(self.0.metadata.score_step) {
            Some(step) => step,
            None => ScoreStep::new(Self::DEFAULT_SCORE_STEP)?,
        };
        Ok(DecodeRules {
            table,
            rounding,
            score_step,
            value_bits: self.0.value_bits,
        })
    }

    /// The quantization policy of this trace under the given rules.
    #[must_use]
    pub fn quantization(&self, rules: &DecodeRules) -> QuantizationPolicy {
        QuantizationPolicy::new(self.0.value_bits, rules.score_step, self.0.metadata.scales)
    }

    /// Cuts out the inputs of some steps, given by their absolute cache positions.
    ///
    /// # Errors
    /// [`RuntimeError::StepsOutsideTrace`] if the trace does not have all of them.
    pub fn segment(&self, range: StepRange) -> Result<SegmentInputs, RuntimeError> {
        let whole = self.0.steps;
        if !whole.contains(&range) {
            return Err(RuntimeError::StepsOutsideTrace {
                expected: whole,
                got: range,
            });
        }
        let first = range.entries_before() - whole.entries_before();
        let d = self.0.shape.head_dim();
        let cut = |tensor: &[i16]| -> Vec<i16> {
            tensor
                .chunks_exact(whole.steps() * d)
                .flat_map(|head| &head[first * d..(first + range.steps()) * d])
                .copied()
                .collect()
        };
        SegmentInputs::new(
            self.0.shape,
            self.0.value_bits,
            range,
            cut(&self.0.q),
            cut(&self.0.k),
            cut(&self.0.v),
        )
    }
}
