//! Traces for tests.

use matchmark_quant::{AttentionShape, HeadDim, KvHeads, QueryHeads, StepRange, ValueBits};
use matchmark_runtime::{AttentionTrace, AttentionTraceParts, TraceMetadata};
use proptest::prelude::*;

pub fn shape(query_heads: u32, kv_heads: u32, head_dim: u32) -> AttentionShape {
    AttentionShape::new(
        QueryHeads::new(query_heads).unwrap(),
        KvHeads::new(kv_heads).unwrap(),
        HeadDim::new(head_dim).unwrap(),
    )
    .unwrap()
}

/// Traces of every width, with grouped heads and with and without a prefix. The values of some are
/// at the ends of their range only.
pub fn traces() -> impl Strategy<Value = AttentionTrace> {
    (
        1u32..=3,
        1u32..=3,
        1u32..=9,
        0u32..=5,
        1u32..=6,
        4u8..=12,
        any::<bool>(),
    )
        .prop_flat_map(|(group, kv_heads, dim, p, s, bits, extreme)| {
            let shape = shape(group * kv_heads, kv_heads, dim);
            let bits = ValueBits::new(bits).unwrap();
            let m = i16::try_from(bits.max_value()).unwrap();
            let value = if extreme {
                prop::sample::select(vec![-m, 0, m]).boxed()
            } else {
                (-m..=m).boxed()
            };
            let tensor = |heads: usize, rows: u32| {
                prop::collection::vec(value.clone(), heads * rows as usize * shape.head_dim())
            };
            let (h, g) = (shape.query_heads(), shape.kv_heads());
            (
                tensor(h, s),
                tensor(g, s),
                tensor(g, s),
                tensor(g, p),
                tensor(g, p),
            )
                .prop_map(move |(q, k, v, prefix_k, prefix_v)| {
                    AttentionTrace::new(AttentionTraceParts {
                        shape,
                        value_bits: bits,
                        steps: StepRange::new(p, s).unwrap(),
                        q,
                        k,
                        v,
                        prefix_k,
                        prefix_v,
                        metadata: TraceMetadata::default(),
                    })
                    .unwrap()
                })
        })
}
