//! The public columns of the vectors component.
use alloc::vec;

use matchmark_statement::AttentionValues;
use num_traits::Zero;
use stwo::core::fields::m31::M31;

use super::columns::{Entries, HeadEntries};
use crate::harness::public_columns::PublicColumns;
use crate::layout::SegmentLayout;

/// The public columns of the vectors component: query, key, value and output entries, row by row.
/// Keys and values are repeated for the rows of query heads of their group.
pub fn public_columns(layout: &SegmentLayout, values: &AttentionValues) -> PublicColumns {
    entry_columns(layout, [values.q(), values.k(), values.v(), values.out()])
}

/// The same from queries, keys, values and outputs, `[heads, steps, dimensions]` each.
pub fn entry_columns(layout: &SegmentLayout, [q, k, v, out]: [&[i16]; 4]) -> PublicColumns {
    let log_rows = layout.log_rows().vectors;
    let attention = layout.shape().attention();
    let (dim, steps) = (layout.head_dim(), layout.steps());
    let column = || vec![M31::zero(); 1 << log_rows];
    let of_head = || HeadEntries {
        query: column(),
        output: column(),
    };
    let mut entries = Entries {
        key: column(),
        value: column(),
        lanes: (0..layout.vector_lanes()).map(|_| of_head()).collect(),
    };
    for head in 0..attention.query_heads() {
        let kv_head = attention.kv_head_of(head);
        for step in 0..steps {
            for c in 0..dim {
                let (row, lane) = layout.vector_row(head, step, c);
                let of_query = (head * steps + step) * dim + c;
                let of_group = (kv_head * steps + step) * dim + c;
                let of_head = &mut entries.lanes[lane];
                of_head.query[row] = M31::from(i32::from(q[of_query]));
                of_head.output[row] = M31::from(i32::from(out[of_query]));
                entries.key[row] = M31::from(i32::from(k[of_group]));
                entries.value[row] = M31::from(i32::from(v[of_group]));
            }
        }
    }
    PublicColumns::new(log_rows, entries.into_columns().collect())
}
