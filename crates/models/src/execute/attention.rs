//! The attention of one layer, and of all layers taken as one.

use matchmark_graph::{Node, NodeId};
use matchmark_runtime::{execute_segment, KvCache, SegmentExecution, SegmentInputs};

use super::{ModelExecution, Run};
use crate::{ModelError, Operation};

impl Run<'_> {
    /// Rescales the accumulators of values.
    pub(super) fn values(&mut self, id: NodeId, node: &Node) -> Result<Vec<Vec<i32>>, ModelError> {
        let constants = self.arithmetic.values(id);
        let accumulators = self.take(node.inputs()[0]).remove(0);
        let values = self.rescale_all(
            (Operation::Value, node.layer()),
            self.terms().value(constants.shift),
            self.model.shape().kv_width(),
            &accumulators,
        )?;
        self.execution.value_accumulators.extend(accumulators);
        Ok(vec![values])
    }

    /// Attends to the cache, and to the tokens up to each.
    pub(super) fn attend(&mut self, node: &Node) -> Result<Vec<Vec<i32>>, ModelError> {
        let shape = self.model.shape();
        let [rotated, values] = [0, 1].map(|input| &self.edges[node.inputs()[input].index()]);
        let inputs = SegmentInputs::new(
            shape.attention(),
            self.terms().value_bits(),
            self.steps,
            self.by_head(&rotated[0], shape.query_width()),
            self.by_head(&rotated[1], shape.kv_width()),
            self.by_head(&values[0], shape.kv_width()),
        )?;
        let heads = shape.attention().kv_heads();
        let first = node.rank() * heads;
        let cache = self
            .cache
            .of_heads(shape.attention(), first..first + heads)?;
        let (segment, _) = execute_segment(&cache, &inputs, &self.model.attention_rules())?;
        let outputs = self.attention_outputs(&segment);
        self.attentions.push(segment);
        Ok(vec![outputs])
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
    fn attention_outputs(&self, attention: &SegmentExecution) -> Vec<i32> {
        let (s, d) = (self.steps.steps(), attention.shape.head_dim());
        let mut out = Vec::with_capacity(attention.out.len());
        for t in 0..s {
            for head in attention.out.chunks_exact(s * d) {
                out.extend(head[t * d..(t + 1) * d].iter().map(|&x| i32::from(x)));
            }
        }
        out
    }

    /// The attentions of all layers as one, and the cache afterwards.
    pub(super) fn finish(self) -> Result<(ModelExecution, KvCache), ModelError> {
        let mut execution = self.execution;
        let joined = &mut execution.attention;
        for attention in self.attentions {
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
        let mut after = self.cache.clone();
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
        Ok((execution, after))
    }
}
