//! The attention of one layer, and of all layers taken as one.

use matchmark_runtime::{execute_segment, SegmentExecution, SegmentInputs};

use super::{ModelExecution, Run};
use crate::{ModelError, ModelState, Operation};

impl Run<'_> {
    /// Projects, rotates and attends.
    pub(super) fn attend(
        &self,
        layer: usize,
        input: &[i32],
        state: &ModelState,
        execution: &mut ModelExecution,
    ) -> Result<SegmentExecution, ModelError> {
        let (weights, terms) = (self.model.layer(layer), self.terms());
        let nodes = &self.model.arithmetic().layers()[layer];
        let shape = self.model.shape();
        let rotary_queries = self.project(
            (Operation::Query, layer),
            weights.q(),
            terms.rotary_input(nodes.query.shift),
            input,
            &mut execution.query_accumulators,
        )?;
        let rotary_keys = self.project(
            (Operation::Key, layer),
            weights.k(),
            terms.rotary_input(nodes.key.shift),
            input,
            &mut execution.key_accumulators,
        )?;
        let values = self.project(
            (Operation::Value, layer),
            weights.v(),
            terms.value(nodes.value.shift),
            input,
            &mut execution.value_accumulators,
        )?;
        let queries = self.rotate(
            (Operation::RotatedQuery, layer),
            &rotary_queries,
            shape.query_width(),
        )?;
        let keys = self.rotate(
            (Operation::RotatedKey, layer),
            &rotary_keys,
            shape.kv_width(),
        )?;
        execution.rotary_queries.extend(rotary_queries);
        execution.rotary_keys.extend(rotary_keys);

        let inputs = SegmentInputs::new(
            shape.attention(),
            terms.value_bits(),
            self.steps,
            self.by_head(&queries, shape.query_width()),
            self.by_head(&keys, shape.kv_width()),
            self.by_head(&values, shape.kv_width()),
        )?;
        let cache = state.layer(self.model, layer)?;
        let (segment, _) = execute_segment(&cache, &inputs, &self.model.attention_rules())?;
        Ok(segment)
    }

    /// From `[S, heads * d]` to `[heads, S, d]`.
    fn by_head(&self, values: &[i32], width: usize) -> Vec<i16> {
        let d = self.model.shape().attention().head_dim();
        let mut out = Vec::with_capacity(values.len());
        for head in 0..width / d {
            for token in values.chunks_exact(width) {
                // Values have at most 12 bits.
                let head = &token[head * d..(head + 1) * d];
                out.extend(head.iter().map(|&x| i16::try_from(x).unwrap_or(i16::MAX)));
            }
        }
        out
    }

    /// The outputs of an attention, from `[H, S, d]` to `[S, H d]`.
    pub(super) fn attention_outputs(&self, attention: &SegmentExecution) -> Vec<i32> {
        let (s, d) = (self.steps.steps(), attention.shape.head_dim());
        let mut out = Vec::with_capacity(attention.out.len());
        for t in 0..s {
            for head in attention.out.chunks_exact(s * d) {
                out.extend(head[t * d..(t + 1) * d].iter().map(|&x| i32::from(x)));
            }
        }
        out
    }

    /// The attentions of all layers as one, and the state afterwards.
    pub(super) fn join(
        &self,
        attentions: Vec<SegmentExecution>,
        state: &ModelState,
    ) -> Result<(SegmentExecution, ModelState), ModelError> {
        let mut joined = SegmentExecution {
            shape: self.model.shape().all_layers_attention(),
            steps: self.steps,
            q: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            out: Vec::new(),
            scores: Vec::new(),
            rows: Vec::new(),
            remainders: Vec::new(),
        };
        for attention in attentions {
            // Every tensor has its heads first, so that layers simply follow each other.
            let SegmentExecution {
                shape: _,
                steps: _,
                q,
                k,
                v,
                out,
                scores,
                rows,
                remainders,
            } = attention;
            joined.q.extend(q);
            joined.k.extend(k);
            joined.v.extend(v);
            joined.out.extend(out);
            joined.scores.extend(scores);
            joined.rows.extend(rows);
            joined.remainders.extend(remainders);
        }
        let (s, d) = (self.steps.steps(), joined.shape.head_dim());
        let mut after = state.clone();
        for t in 0..s {
            let entry = |tensor: &[i16]| -> Vec<i16> {
                let heads = tensor.chunks_exact(s * d);
                heads
                    .flat_map(|head| &head[t * d..(t + 1) * d])
                    .copied()
                    .collect()
            };
            after.append(&entry(&joined.k), &entry(&joined.v))?;
        }
        Ok((joined, after))
    }
}
