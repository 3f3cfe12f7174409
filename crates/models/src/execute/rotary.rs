//! Rotary embedding of queries and keys, in the pairing of Hugging Face (`rotate_half`): channel `j` of
//! a head with channel `j + d/2`.

use matchmark_graph::{Node, NodeId};

use super::Run;
use crate::{ModelError, Operation};

impl Run<'_> {
    /// Rescales and rotates the accumulators of queries and keys.
    pub(super) fn rotate(&mut self, id: NodeId, node: &Node) -> Result<Vec<Vec<i32>>, ModelError> {
        let constants = self.arithmetic.rotary(id);
        let (shape, terms, layer) = (self.model.shape(), self.terms(), node.layer());
        let (query, kv) = (shape.query_width(), shape.kv_width());
        let accumulators = self.take(node.inputs()[0]);
        let [of_queries, of_keys] = [&accumulators[0], &accumulators[1]];
        let rescale = terms.rotary_input(constants.query);
        let queries = self.rescale_all((Operation::Query, layer), rescale, query, of_queries)?;
        let rescale = terms.rotary_input(constants.key);
        let keys = self.rescale_all((Operation::Key, layer), rescale, kv, of_keys)?;
        let rotated = vec![
            self.rotate_tensor((Operation::RotatedQuery, layer), &queries, query)?,
            self.rotate_tensor((Operation::RotatedKey, layer), &keys, kv)?,
        ];
        self.execution.query_accumulators.extend(of_queries);
        self.execution.key_accumulators.extend(of_keys);
        self.execution.rotary_queries.extend(queries);
        self.execution.rotary_keys.extend(keys);
        Ok(rotated)
    }

    /// Rotates a tensor `[S, heads * d]` of values before rotation.
    fn rotate_tensor(
        &self,
        at: (Operation, Option<usize>),
        values: &[i32],
        width: usize,
    ) -> Result<Vec<i32>, ModelError> {
        let d = self.model.shape().attention().head_dim();
        let half = d / 2;
        let table = &self.model.tables().rotary;
        let mut rotated = vec![0i64; values.len()];
        for (index, (from, to)) in values
            .chunks_exact(d)
            .zip(rotated.chunks_exact_mut(d))
            .enumerate()
        {
            let position = self.steps.entries_before() + index * d / width;
            for j in 0..half {
                // The table has every position up to the limit, which was checked.
                let (cos, sin) = table.get(position, j).unwrap_or((0, 0));
                let (x, y) = (i64::from(from[j]), i64::from(from[j + half]));
                let (cos, sin) = (i64::from(cos), i64::from(sin));
                to[j] = x * cos - y * sin;
                to[j + half] = y * cos + x * sin;
            }
        }
        let rescale = self.terms().rotation();
        self.rescale(at, rescale, width, rotated.into_iter())
    }
}
